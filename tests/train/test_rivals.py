"""A network and its critic learn beside each other: apart in their gradients, together in their run."""

from __future__ import annotations

import os
import threading
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
from torch import Tensor
from torch.distributed.tensor import DTensor

import toy
from ranks import together
from tiny import CONFIG, randomise
from vidwright import models
from vidwright.core.errors import Interrupted
from vidwright.core.files import sha256
from vidwright.models.enhance.restorer import Net
from vidwright.nn.critic import PatchCritic
from vidwright.train.log import read
from vidwright.train.loop import Step
from vidwright.train.parallel import World, shard
from vidwright.train.recipe import Recipe
from vidwright.train.recipes.restorer import Sharpening, Upscaling
from vidwright.train.rivals import Rivals
from vidwright.train.run import LAST, Setting, run
from vidwright.weights.store import read_weights

TASK = Sharpening(patch=12, kind_weight=0.02, mix=(("area", 1.0), ("cubic", 1.0)))


def rivals() -> Rivals:
    torch.manual_seed(0)
    return Rivals(randomise(Net(CONFIG)), PatchCritic(8))


def batch(size: int = 4) -> dict[str, Tensor]:
    random = torch.Generator().manual_seed(0)
    return {
        "low": torch.randint(0, 256, (size, 3, 3, 12, 12), dtype=torch.uint8, generator=random),
        "high": torch.randint(0, 256, (size, 3, 24, 24), dtype=torch.uint8, generator=random),
        "kind": torch.zeros(size, dtype=torch.int64),
    }


def gradients(both: Rivals, *losses: str) -> dict[str, Tensor | None]:
    """The gradient of some of the losses, for each parameter; None where none arrives."""
    found = TASK.objective(both, batch())
    parameters = dict(both.named_parameters())
    given = torch.autograd.grad(sum(found[name] for name in losses), list(parameters.values()), allow_unused=True)
    return dict(zip(parameters, given, strict=True))


def reached(found: dict[str, Tensor | None]) -> set[str]:
    """Which of the two a gradient arrives at."""
    return {name.split(".")[0] for name, tensor in found.items() if tensor is not None and tensor.abs().max() > 0}


def test_the_critic_s_loss_teaches_the_critic_and_all_else_the_network():
    both = rivals()
    assert reached(gradients(both, "critic")) == {"critic"}
    for loss in ("rgb", "luma", "kind", "sharp"):
        assert reached(gradients(both, loss)) == {"net"}, loss


def test_one_backward_gives_each_the_gradient_that_it_has_alone():
    found = gradients(rivals(), "rgb", "luma", "kind", "sharp", "critic")
    alone = {"net": gradients(rivals(), "rgb", "luma", "kind", "sharp"), "critic": gradients(rivals(), "critic")}
    for name, tensor in found.items():
        torch.testing.assert_close(tensor, alone[name.split(".")[0]][name])


def test_without_weight_on_the_critic_the_network_learns_what_it_does_without_one():
    both, plain = rivals(), randomise(Net(CONFIG))
    losses = replace(TASK, critic_weight=0.0).objective(both, batch())
    sum(loss for name, loss in losses.items() if name != "critic").backward()
    sum(Upscaling.objective(TASK, plain, batch()).values()).backward()
    for mine, other in zip(both.net.parameters(), plain.parameters(), strict=True):
        torch.testing.assert_close(mine.grad, other.grad)


def test_spread_over_processes_they_give_the_same_losses():
    expected = TASK.objective(rivals(), batch())
    dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    try:
        both = rivals()
        shard(both, World())
        assert all(isinstance(p, DTensor) for p in both.parameters())
        found = TASK.objective(both, batch())
        sum(found.values()).backward()
        assert all(p.grad is not None for p in both.parameters())
    finally:
        dist.destroy_process_group()
    for name, loss in expected.items():
        torch.testing.assert_close(found[name], loss)


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    return toy.clips(tmp_path_factory.mktemp("data") / "clips")


def go(recipe: Recipe, data: Path, out: Path, *, stop_at: int | None = None, resume: bool = False) -> Path:
    stop = threading.Event()

    def watch(event: object) -> None:
        if isinstance(event, Step) and event.number == stop_at:
            stop.set()

    run(recipe, Setting(data, out, data, resume=resume, device="cpu"), watch=watch, stop=stop)
    return out


def losses(out: Path) -> list[dict[str, float]]:
    return [row["losses"] for row in read(out) if row["kind"] == "step"]


RECIPE = toy.upscaler(steps=6, task=TASK, validations=1)


@pytest.fixture(scope="module")
def undisturbed(data, tmp_path_factory) -> Path:
    return go(RECIPE, data, tmp_path_factory.mktemp("undisturbed") / "run")


def test_what_a_run_ships_is_the_network_alone(undisturbed):
    assert read_weights(undisturbed / LAST)[0].keys() == Net(CONFIG).state_dict().keys()
    assert models.load("enhance/restorer", undisturbed / LAST, device="cpu").needs.scale == 2
    start = read(undisturbed)[0]
    assert start["parameters"] == sum(p.numel() for p in Net(CONFIG).parameters())


def test_both_learn_and_the_details_are_measured(undisturbed):
    assert [set(each) for each in losses(undisturbed)] == [{"rgb", "luma", "kind", "sharp", "critic"}] * 6
    critic = [each["critic"] for each in losses(undisturbed)]
    assert critic[-1] < critic[0]
    metrics = next(row["metrics"] for row in read(undisturbed) if row["kind"] == "valid")
    assert metrics["detail"] > 0 and metrics["detail_gap"] >= 0 and metrics["psnr_y"] > 20


def test_stopped_and_resumed_is_the_undisturbed_run(undisturbed, data, tmp_path):
    with pytest.raises(Interrupted):
        go(RECIPE, data, tmp_path / "run", stop_at=3)
    go(RECIPE, data, tmp_path / "run", resume=True)
    assert losses(tmp_path / "run") == losses(undisturbed)
    assert sha256(tmp_path / "run" / LAST) == sha256(undisturbed / LAST)


def test_the_same_seed_gives_the_same_bytes(undisturbed, data, tmp_path):
    assert sha256(go(RECIPE, data, tmp_path / "run") / LAST) == sha256(undisturbed / LAST)


@pytest.mark.slow
@pytest.mark.parametrize("spread", [False, True], ids=["copied", "sharded"])
def test_two_processes_do_what_one_does(undisturbed, data, tmp_path, spread):
    setting = Setting(data, tmp_path / "run", data, device="cpu", shard=spread)
    assert together(RECIPE, setting) == ["", ""]
    for mine, other in zip(losses(tmp_path / "run"), losses(undisturbed), strict=True):
        assert mine == pytest.approx(other, abs=1e-5)
    assert os.listdir(tmp_path / "run" / "checkpoints") == os.listdir(undisturbed / "checkpoints")
