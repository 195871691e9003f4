"""The training loop: an iterator of steps.

    batches -> objective(net, batch) -> losses -> backward -> clip -> optimiser -> average -> Step
                     |                     |          |                    |
                     '----- anything not finite: the batch is left out, the state set back ------

Every step is a function of the state, the batch and the seed, so a run that was killed and resumed gives the numbers
of one that was not. In a world of several processes each works on its share of every batch.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterable
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from vidwright.core.errors import VidwrightError
from vidwright.data.loader import Batch
from vidwright.data.seeding import generator
from vidwright.train.optimiser import Optimiser
from vidwright.train.parallel import ALONE, World, whole, without_sync
from vidwright.train.schedule import Budget, learning_rate
from vidwright.train.state import Snapshot, State

Objective = Callable[[nn.Module, Batch], dict[str, Tensor]]

#: Where something was not finite.
Where = Literal["batch", "loss", "gradient", "weight"]

#: Good steps between copies of the state in memory.
SNAPSHOT_EVERY = 100

#: So many bad batches among so many in a row, and the run stops.
BAD_BATCHES, AMONG = 3, 100


class Diverged(VidwrightError):
    """Too many batches gave something that is not finite; the state is the last good one."""


@dataclass(frozen=True, slots=True)
class Step:
    """What one batch did.

    `number` counts updates, `batch` batches. `losses` are means over all processes, `gradient` is the norm before
    clipping. `seconds` is the run's wall clock so far; since the last resume, `waited` of it went by waiting for data
    and `worked` in the updates. `bad` says where something was not finite; the batch was then left out.
    """

    number: int
    batch: int
    losses: dict[str, float]
    rate: float
    gradient: float
    seconds: float
    waited: float
    worked: float
    bad: Where | None = None

    @property
    def loss(self) -> float:
        """The sum that is minimised."""
        return sum(self.losses.values())


class _NotFinite(Exception):
    def __init__(self, where: Where) -> None:
        self.where: Where = where


def train(
    state: State,
    batches: Iterable[Batch],
    objective: Objective,
    *,
    optimiser: Optimiser,
    budget: Budget,
    model: nn.Module | None = None,
    world: World = ALONE,
    dtype: torch.dtype = torch.float32,
    seed: int = 0,
) -> Generator[Step]:
    """Train `state` in place, a step per batch, until the budget is used or the batches end.

    `batches` begin with number `state.batch`. `model` is `state.net` as it is to be called (compiled, replicated);
    `dtype` is that of automatic mixed precision. Raises `Diverged` when 3 of 100 batches were bad.
    """
    update = _Updater(state.net if model is None else model, objective, optimiser, world, dtype)
    good = Snapshot.of(state)
    source, began, waited, worked = iter(batches), time.monotonic() - state.seconds, 0.0, 0.0
    while (progress := budget.progress(state.step, state.seconds)) < 1:
        asked = time.monotonic()
        if (batch := next(source, None)) is None:
            return
        given = time.monotonic()
        torch.manual_seed(generator(seed, state.batch, world.rank).initial_seed())
        rate = learning_rate(optimiser.learning_rate, state.step, optimiser.warmup, progress)
        losses, gradient, bad = dict[str, float](), 0.0, None
        try:
            losses, gradient = update(state, batch, rate)
            if state.step % SNAPSHOT_EVERY == 0:
                good = Snapshot.of(state)
        except _NotFinite as error:
            bad = error.where
            if not state.finite():
                bad = "weight"
                good.restore(state)
            state.bad.append(state.batch)
        state.batch += 1
        done = time.monotonic()
        waited, worked = waited + given - asked, worked + done - given
        state.seconds = world.lead(done - began)
        yield Step(state.step, state.batch - 1, losses, rate, gradient, state.seconds, waited, worked, bad)
        if bad:
            _stop_when_diverged(state)


@dataclass(frozen=True, slots=True)
class _Updater:
    """One update of the parameters and their average from one batch."""

    model: nn.Module
    objective: Objective
    settings: Optimiser
    world: World
    dtype: torch.dtype

    def __call__(self, state: State, batch: Batch, rate: float) -> tuple[dict[str, float], float]:
        """Returns losses and gradient norm. Raises `_NotFinite`, on all processes alike; the gradients are gone."""
        try:
            losses = self._backward(batch)
            gradient = self._descend(state, rate)
        finally:
            for one in state.optimisers:
                one.zero_grad(set_to_none=True)
        self._require(state.finite(), "weight")
        state.step += 1
        decay = min(self.settings.ema, state.step / (state.step + 20))
        parameters = dict(state.net.named_parameters())
        with torch.no_grad():
            average, now = [state.average[name] for name in parameters], [*parameters.values()]
            torch._foreach_lerp_(average, now, 1 - decay)  # pyright: ignore
        return losses, gradient

    def _backward(self, batch: Batch) -> dict[str, float]:
        parts = self.settings.accumulate
        total: dict[str, float] = {}
        for part in range(parts):
            piece = {name: tensor.chunk(parts)[part].to(self.world.device) for name, tensor in batch.items()}
            self._require(all(_finite(tensor) for tensor in piece.values()), "batch")
            with without_sync(self.model, last=part == parts - 1):
                losses = losses_of(self.model, piece, self.objective, self.dtype)
                loss = torch.stack(list(losses.values())).sum()
                self._require(_finite(loss), "loss")
                (loss / parts).backward()
            for name, value in losses.items():
                total[name] = total.get(name, 0.0) + float(value.detach()) / parts
        return dict(zip(total, self.world.mean(list(total.values())), strict=True))

    def _descend(self, state: State, rate: float) -> float:
        parameters = [p for p in state.net.parameters() if p.grad is not None]
        norm = torch.nn.utils.get_total_norm([p.grad for p in parameters if p.grad is not None])
        gradient = float(whole(norm))
        self._require(gradient == gradient and abs(gradient) != float("inf"), "gradient")
        torch.nn.utils.clip_grads_with_norm_(parameters, self.settings.clip, norm)
        for one in state.optimisers:
            for group in one.param_groups:
                group["lr"] = rate
            one.step()
        return gradient

    def _require(self, fine: bool, where: Where) -> None:
        if not self.world.all_agree(fine):
            raise _NotFinite(where)


def losses_of(model: nn.Module, batch: Batch, objective: Objective, dtype: torch.dtype) -> dict[str, Tensor]:
    """The named losses of a batch, in automatic mixed precision of `dtype` on the device that the batch is on."""
    kind = next(iter(batch.values())).device.type
    with torch.autocast(kind, dtype, enabled=dtype != torch.float32):
        return objective(model, batch)


def _finite(tensor: Tensor) -> bool:
    return not tensor.is_floating_point() or bool(tensor.detach().isfinite().all())


def _stop_when_diverged(state: State) -> None:
    recent = [batch for batch in state.bad if batch > state.batch - AMONG]
    if len(recent) >= BAD_BATCHES:
        numbers = ", ".join(map(str, recent))
        raise Diverged(
            "the training run",
            f"{len(recent)} of the last {AMONG} batches were not finite in loss, gradient or weights ({numbers})",
            "look at these batches, or lower optimiser.learning_rate with --set, and run again with --resume",
        )
