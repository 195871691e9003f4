"""A checkpoint is whole or not there; a damaged one is passed over and named."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest
import torch
from torch import nn

from toy import OPTIMISER, Sums, fresh, squared
from vidwright.core.errors import BadInput, JobFailed
from vidwright.data.loader import batches
from vidwright.train import checkpoint
from vidwright.train.loop import train
from vidwright.train.optimiser import Optimiser
from vidwright.train.schedule import Budget
from vidwright.train.state import State


def trained(count: int, state: State | None = None) -> State:
    state = state or fresh()
    source = batches(Sums(), 8, start=state.batch)
    list(train(state, source, squared, optimiser=OPTIMISER, budget=Budget(steps=count)))
    return state


def save(folder: Path, state: State) -> Path:
    return checkpoint.save(folder, state, facts={"recipe": "r"})


def assert_same(one: State, other: State) -> None:
    assert (one.step, one.batch, one.seconds, one.bad) == (other.step, other.batch, other.seconds, other.bad)
    assert list(one.tensors()) == list(other.tensors())
    for name, tensor in one.tensors().items():
        assert torch.equal(tensor, other.tensors()[name]), name


@pytest.mark.parametrize("kind", ["adamw", "muon"])
def test_a_state_comes_back_as_it_was(tmp_path, kind):
    optimiser = Optimiser(kind=kind)
    state = trained(5, fresh(optimiser))
    state.bad, state.seconds = [3], 12.5
    save(tmp_path, state)
    other = fresh(optimiser)
    assert checkpoint.load(tmp_path, other) == []
    assert_same(state, other)
    assert checkpoint.facts(tmp_path) == {"recipe": "r"}


def test_kernels_keep_their_layout(tmp_path):
    def one() -> State:
        torch.manual_seed(0)
        return State.fresh(nn.Conv2d(4, 6, 3).to(memory_format=torch.channels_last), OPTIMISER)

    state, other = one(), one()
    save(tmp_path, state)
    checkpoint.load(tmp_path, other)
    assert_same(state, other)
    assert next(other.net.parameters()).is_contiguous(memory_format=torch.channels_last)


def test_the_newest_two_are_kept(tmp_path):
    state = fresh()
    for count in (2, 4, 6):
        save(tmp_path, trained(count, state))
    assert [path.name for path in checkpoint.checkpoints(tmp_path)] == ["00000004", "00000006"]


def damage_flip(path: Path) -> None:
    shard = next(path.glob("*.safetensors"))
    content = bytearray(shard.read_bytes())
    content[len(content) // 2] ^= 1
    shard.write_bytes(content)


DAMAGE = {
    "a bit": damage_flip,
    "cut": lambda path: os.truncate(next(path.glob("*.safetensors")), 100),
    "no shard": lambda path: next(path.glob("*.safetensors")).unlink(),
    "no page": lambda path: (path / "state.json").unlink(),
    "half a page": lambda path: os.truncate(path / "state.json", 20),
    "another page": lambda path: (path / "state.json").write_text("[1, 2]"),
}


@pytest.mark.parametrize("kind", DAMAGE)
def test_a_damaged_newest_falls_back_and_says_so(tmp_path, kind):
    state = trained(3)
    save(tmp_path, state)
    older = {name: tensor.clone() for name, tensor in state.tensors().items()}
    DAMAGE[kind](save(tmp_path, trained(6, state)))
    other = fresh()
    assert checkpoint.load(tmp_path, other) == ["checkpoint 00000006 is damaged: going on from an older one"]
    assert other.step == 3 and all(torch.equal(older[n], tensor) for n, tensor in other.tensors().items())


def test_nothing_sound_is_an_error_of_three_lines(tmp_path):
    damage_flip(save(tmp_path, trained(2)))
    for attempt in (lambda: checkpoint.load(tmp_path, fresh()), lambda: checkpoint.facts(tmp_path)):
        with pytest.raises(BadInput, match="no sound checkpoint") as error:
            attempt()
        assert len(str(error.value).splitlines()) == 3


def test_of_another_network_is_refused(tmp_path):
    save(tmp_path, trained(2))
    torch.manual_seed(0)
    for net in (nn.Linear(4, 16), nn.Sequential(nn.Linear(4, 8), nn.GELU(), nn.Linear(8, 1))):
        with pytest.raises(JobFailed, match="another network") as error:
            checkpoint.load(tmp_path, State.fresh(net, OPTIMISER))
        assert len(str(error.value).splitlines()) == 3


@pytest.mark.parametrize("at", range(4))
def test_a_full_disk_leaves_the_earlier_ones(tmp_path, monkeypatch, at):
    """Every write that a checkpoint makes fails once: of shards, of the page, of the rename."""
    state = trained(2)
    save(tmp_path, state)
    trained(4, state)
    full = OSError(errno.ENOSPC, "No space left on device")

    def fail(*_: object, **__: object) -> None:
        raise full

    target = [
        "vidwright.train.checkpoint.save_shards",
        "vidwright.train.checkpoint.sync",
        "vidwright.train.checkpoint.os.replace",
        "safetensors.torch.save",
    ][at]
    monkeypatch.setattr(target, fail)
    with pytest.raises(JobFailed, match="disk full") as error:
        save(tmp_path, state)
    assert len(str(error.value).splitlines()) == 3
    monkeypatch.undo()
    assert sorted(os.listdir(tmp_path)) == ["00000002"]
    other = fresh()
    checkpoint.load(tmp_path, other)
    assert other.step == 2
