"""Processes that train together do what one does: the same losses, the same weights, the same files."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.distributed as dist
from torch import nn
from torch.distributed.tensor import DTensor

import toy
from ranks import Spoiled, together
from vidwright.core.errors import Interrupted, UsageError
from vidwright.data.crops import KINDS
from vidwright.data.loader import batches
from vidwright.models.enhance.restorer import Config
from vidwright.train.log import read
from vidwright.train.loop import Step, train
from vidwright.train.parallel import World, shard
from vidwright.train.recipe import Recipe
from vidwright.train.run import LAST, Setting, run
from vidwright.train.schedule import Budget
from vidwright.weights.store import read_weights

#: Five channels and three branches do not divide into two processes.
RECIPE = toy.upscaler(steps=8, validations=1, config=Config(channels=5, depth=2, kinds=KINDS, parts=2))

ALSO_COPIED = pytest.mark.parametrize(
    "shard", [True, pytest.param(False, marks=pytest.mark.slow)], ids=["sharded", "copied"]
)


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    return toy.clips(tmp_path_factory.mktemp("data") / "clips")


@pytest.fixture(scope="module")
def alone(data, tmp_path_factory) -> Path:
    """The undisturbed run of one process."""
    return single(RECIPE, at(data, tmp_path_factory.mktemp("alone") / "run"))


def at(data: Path, out: Path, **fields: Any) -> Setting:
    return Setting(data, out, valid=data, device="cpu", **fields)


def single(recipe: Recipe, setting: Setting, *, stop_at: int | None = None) -> Path:
    """The folder of a run of one process, stopped at a step."""
    stop = threading.Event()

    def watch(event: object) -> None:
        if isinstance(event, Step) and event.number == stop_at:
            stop.set()

    if stop_at is None:
        run(recipe, setting, stop=stop)
    else:
        with pytest.raises(Interrupted):
            run(recipe, setting, watch=watch, stop=stop)
    return setting.out


def losses(out: Path) -> list[float]:
    """The loss of each step in the log, each of which is there once."""
    rows = [row for row in read(out) if row["kind"] == "step"]
    assert [row["step"] for row in rows] == list(range(1, len(rows) + 1))
    return [row["loss"] for row in rows]


def assert_same_run(out: Path, other: Path, within: float = 1e-6) -> None:
    assert losses(out) == pytest.approx(losses(other), abs=within)
    found, expected = read_weights(out / LAST)[0], read_weights(other / LAST)[0]
    assert found.keys() == expected.keys()
    for name, tensor in found.items():
        torch.testing.assert_close(tensor, expected[name], rtol=1e-3, atol=10 * within)


@pytest.mark.parametrize("shard", [False, True], ids=["copied", "sharded"])
def test_two_processes_do_what_one_does_and_one_of_them_writes(data, alone, tmp_path, shard):
    assert together(RECIPE, at(data, tmp_path / "run", shard=shard)) == ["", ""]
    assert_same_run(tmp_path / "run", alone)
    assert [row["kind"] for row in read(tmp_path / "run") if row["kind"] != "step"] == ["start", "valid", "end"]


@ALSO_COPIED
def test_begun_by_two_and_gone_on_with_by_one(data, alone, tmp_path, shard):
    stopped = together(RECIPE, at(data, tmp_path / "run", shard=shard), stop_at=3)
    assert all(said.startswith("Interrupted") and "stopped at step 3" in said for said in stopped)
    single(RECIPE, at(data, tmp_path / "run", resume=True))
    assert_same_run(tmp_path / "run", alone)


@pytest.mark.slow
@ALSO_COPIED
def test_begun_by_one_and_gone_on_with_by_two(data, alone, tmp_path, shard):
    single(RECIPE, at(data, tmp_path / "run"), stop_at=3)
    assert together(RECIPE, at(data, tmp_path / "run", shard=shard, resume=True)) == ["", ""]
    assert_same_run(tmp_path / "run", alone)


@pytest.mark.slow
@pytest.mark.parametrize("shard", [True, False], ids=["sharded", "copied"])
def test_two_processes_that_work_in_parts(data, alone, tmp_path, shard):
    in_parts = replace(RECIPE, optimiser=replace(RECIPE.optimiser, accumulate=2))
    assert together(in_parts, at(data, tmp_path / "run", shard=shard)) == ["", ""]
    assert_same_run(tmp_path / "run", alone)


def test_a_bad_batch_of_one_process_is_left_out_by_both(data, tmp_path):
    recipe = replace(RECIPE, task=Spoiled(patch=12, kind_weight=0.02, mix=(("area", 1.0),)))
    assert together(recipe, at(data, tmp_path / "two")) == ["", ""]
    assert [(row["batch"], row["where"]) for row in read(tmp_path / "two") if row["kind"] == "bad"] == [(3, "loss")]
    assert_same_run(tmp_path / "two", single(recipe, at(data, tmp_path / "one")))


def test_the_leading_process_s_clock_ends_the_run_of_both(data, tmp_path):
    recipe = replace(RECIPE, budget=Budget(minutes=0.02))
    assert together(recipe, at(data, tmp_path / "run")) == ["", ""]  # a step more in one would have no partner
    assert losses(tmp_path / "run") and read(tmp_path / "run")[-1]["why"] == "budget"


@pytest.mark.slow
def test_compiled_networks_learn_the_same(data, alone, tmp_path):
    assert together(RECIPE, at(data, tmp_path / "run", compile=True)) == ["", ""]
    assert_same_run(tmp_path / "run", alone, within=1e-5)


def test_what_processes_cannot_share_is_refused_by_all(data, tmp_path):
    said = together(replace(RECIPE, batch=3), at(data, tmp_path / "run"))
    assert all(each.startswith("UsageError") and "does not divide" in each for each in said)
    assert not (tmp_path / "run").exists()


def test_one_process_has_nobody_to_share_with(data, tmp_path):
    with pytest.raises(UsageError, match="one process only") as error:
        single(RECIPE, at(data, tmp_path / "run", shard=True))
    assert len(str(error.value).splitlines()) == 3


def test_each_process_draws_numbers_of_its_own():
    def drawn(rank: int) -> list[float]:
        steps = train(
            toy.fresh(),
            batches(toy.Sums(), 8),
            lambda net, batch: {"drawn": toy.squared(net, batch)["squared"] * 0 + torch.rand(())},
            optimiser=toy.OPTIMISER,
            budget=Budget(steps=9),
            world=World(rank=rank),
        )
        return [step.loss for step in itertools.islice(steps, 3)]

    assert drawn(0) == drawn(0) and not set(drawn(0)) & set(drawn(1))


@pytest.fixture
def world_of_one() -> Iterator[World]:
    dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    yield World()
    dist.destroy_process_group()


class Tower(nn.Module):
    """Blocks inside of blocks, and a list that is itself in a list."""

    def __init__(self) -> None:
        super().__init__()
        self.floors = nn.ModuleList([nn.ModuleList([nn.Linear(4, 4), Room()]), nn.ModuleList([Room()])])

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for room in itertools.chain(*self.floors):
            x = room(x)
        return x


class Room(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.walls = nn.ModuleList(nn.Linear(4, 4) for _ in range(2))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.walls[1](self.walls[0](x))


def test_blocks_of_blocks_are_sharded_from_the_inside(world_of_one):
    torch.manual_seed(0)
    net, x = Tower(), torch.ones(1, 4)
    before = net(x).detach()
    shard(net, world_of_one)
    assert all(isinstance(p, DTensor) for p in net.parameters())
    torch.testing.assert_close(net(x).detach(), before)
