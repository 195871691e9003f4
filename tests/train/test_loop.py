"""Training learns, is a function of state, batch and seed, and survives what is not finite."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch

from toy import OPTIMISER, Sums, fresh, network, squared
from vidwright.data.loader import batches
from vidwright.train.loop import Diverged, train
from vidwright.train.optimiser import Optimiser
from vidwright.train.schedule import Budget, learning_rate
from vidwright.train.state import State


def steps(state: State, count: int, *, objective=squared, optimiser: Optimiser = OPTIMISER, spoil=lambda n, b: b):
    """The steps of a short run; `spoil(number, batch)` may damage a batch."""
    source = batches(Sums(), 8, start=state.batch)
    given = (spoil(number, batch) for number, batch in enumerate(source, start=state.batch))
    return list(train(state, given, objective, optimiser=optimiser, budget=Budget(steps=count)))


@pytest.mark.parametrize("kind", ["adamw", "muon"])
def test_it_learns(kind):
    state = fresh(replace(OPTIMISER, kind=kind))
    losses = [step.loss for step in steps(state, 100, optimiser=replace(OPTIMISER, kind=kind))]
    assert sum(losses[-10:]) < 0.05 * sum(losses[:10])


def test_the_same_run_twice_is_the_same_to_the_bit():
    one, other = fresh(), fresh()
    assert [s.loss for s in steps(one, 20)] == [s.loss for s in steps(other, 20)]
    for a, b in zip(one.tensors().values(), other.tensors().values(), strict=True):
        assert torch.equal(a, b)


def test_a_step_is_as_the_optimiser_of_torch_makes_it():
    """The oracle: torch's AdamW, clipping and the published schedule, written out."""
    state, net = fresh(), network()
    adam = torch.optim.AdamW(net.parameters(), betas=OPTIMISER.betas, weight_decay=0.0)
    for number, (step, batch) in enumerate(zip(steps(state, 10), batches(Sums(), 8), strict=False)):
        loss = squared(net, batch)["squared"]
        adam.zero_grad()
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(net.parameters(), OPTIMISER.clip)
        adam.param_groups[0]["lr"] = 0.5 * (1 + math.cos(math.pi * number / 10)) * 3e-2 * min(1, (number + 1) / 5)
        adam.step()
        assert step.loss == pytest.approx(float(loss.detach()), rel=1e-6)
        assert step.gradient == pytest.approx(float(norm), rel=1e-5)
    for p, q in zip(state.net.parameters(), net.parameters(), strict=True):
        torch.testing.assert_close(p, q)


@pytest.mark.parametrize("parts", [2, 4])
def test_a_batch_in_parts_gives_the_same_steps(parts):
    whole = steps(fresh(), 10)
    part = steps(fresh(), 10, optimiser=replace(OPTIMISER, accumulate=parts))
    assert [s.loss for s in part] == pytest.approx([s.loss for s in whole], rel=1e-5)


def test_the_average_follows_the_parameters():
    state = fresh(replace(OPTIMISER, ema=0.5))
    past = [p.detach().clone() for p in state.net.parameters()]
    for _ in train(state, batches(Sums(), 8), squared, optimiser=replace(OPTIMISER, ema=0.5), budget=Budget(steps=3)):
        decay = min(0.5, state.step / (state.step + 20))
        past = [a.lerp(p.detach(), 1 - decay) for a, p in zip(past, state.net.parameters(), strict=True)]
    for a, b in zip(state.average.values(), past, strict=True):
        torch.testing.assert_close(a, b)


class Spoiler:
    """Makes something not finite at given batches."""

    def __init__(self, where: str, at: set[int], state: State) -> None:
        self.where, self.at, self.state, self.number = where, at, state, -1

    def spoil(self, number: int, batch):
        self.number = number
        if number in self.at and self.where == "batch":
            batch["x"][3] = math.nan
        if number in self.at and self.where == "weight":
            with torch.no_grad():
                next(self.state.net.parameters())[0, 0] = math.inf
        return batch

    def objective(self, net, batch):
        losses = squared(net, batch)
        if self.number in self.at and self.where == "loss":
            return losses | {"other": losses["squared"] * math.nan}
        if self.number in self.at and self.where == "gradient":  # finite forward, infinite slope: the root of zero
            return losses | {"other": (losses["squared"] * 0).sqrt()}
        return losses


def spoiled(where: str, at: set[int], count: int = 30):
    state = fresh()
    spoiler = Spoiler(where, at, state)
    source = batches(Sums(), 8)
    given = (spoiler.spoil(number, batch) for number, batch in enumerate(source))
    return state, train(state, given, spoiler.objective, optimiser=OPTIMISER, budget=Budget(steps=count))


@pytest.mark.parametrize("where", ["batch", "loss", "gradient", "weight"])
def test_what_is_not_finite_is_caught_in_its_step(where):
    state, run = spoiled(where, {7, 12})
    found = list(run)
    assert [(step.batch, step.bad) for step in found if step.bad] == [(7, where), (12, where)]
    assert state.bad == [7, 12] and state.finite() and state.step == 30
    assert all(tensor.isfinite().all() for tensor in state.tensors().values())
    assert [s.batch for s in found] == list(range(len(found)))
    assert all(math.isfinite(s.loss) for s in found)


@pytest.mark.parametrize("where", ["batch", "loss", "gradient"])
def test_a_bad_batch_leaves_the_state_as_it_was(where):
    state, run = spoiled(where, {7})
    for step in run:
        if step.batch == 6:
            before = {name: tensor.clone() for name, tensor in state.tensors().items()}
        if step.bad:
            break
    assert all(torch.equal(before[name], tensor) for name, tensor in state.tensors().items())


def test_bad_weights_are_set_back_to_the_last_good_copy():
    state, run = spoiled("weight", {7})
    first = {name: tensor.clone() for name, tensor in state.tensors().items()}
    for step in run:
        if step.bad:
            break
    assert state.step == 0 and all(torch.equal(first[name], tensor) for name, tensor in state.tensors().items())


def test_three_bad_batches_of_a_hundred_stop_the_run():
    state, run = spoiled("loss", {3, 20, 60}, count=200)
    with pytest.raises(Diverged, match="3, 20, 60") as error:
        list(run)
    assert state.batch == 61 and state.finite() and len(str(error.value).splitlines()) == 3


def test_three_bad_batches_far_apart_do_not():
    state, run = spoiled("loss", {3, 60, 130}, count=150)
    list(run)
    assert state.step == 150


def test_minutes_end_a_run_by_the_clock():
    state = fresh()
    found = list(train(state, batches(Sums(), 8), squared, optimiser=OPTIMISER, budget=Budget(minutes=0.5 / 60)))
    assert found[-2].seconds < 0.5 <= found[-1].seconds
    progress = found[-2].seconds / 0.5  # when the last step began
    assert found[-1].rate == learning_rate(OPTIMISER.learning_rate, len(found) - 1, OPTIMISER.warmup, progress)
