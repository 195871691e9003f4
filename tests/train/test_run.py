"""A run, its folder, and going on with it: stopped, killed, or with a disk that was full."""

from __future__ import annotations

import os
import random
import signal
import threading
from dataclasses import replace
from pathlib import Path

import pytest
import torch

import toy
from vidwright import models
from vidwright.core.errors import BadInput, Interrupted, JobFailed, OutputExists, UsageError
from vidwright.core.files import sha256
from vidwright.train import checkpoint
from vidwright.train.evaluate import evaluate
from vidwright.train.log import read
from vidwright.train.loop import Diverged, Step
from vidwright.train.recipe import Recipe
from vidwright.train.recipes.restorer import Upscaling
from vidwright.train.run import BEST, LAST, Setting, run
from vidwright.train.task import Evaluation
from vidwright.weights.store import read_header


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    return toy.clips(tmp_path_factory.mktemp("data") / "clips")


def go(recipe: Recipe, data: Path, out: Path, *, watch=lambda event: None, stop=None, **setting) -> Evaluation:
    where = Setting(data, out, **{"valid": data, "device": "cpu"} | setting)
    return run(recipe, where, watch=watch, stop=stop or threading.Event())


def losses(out: Path) -> dict[int, float]:
    """The loss of each step in the log, each of which is there once."""
    rows = [row for row in read(out) if row["kind"] == "step"]
    assert len({row["step"] for row in rows}) == len(rows)
    return {row["step"]: row["loss"] for row in rows}


@pytest.fixture(scope="module")
def undisturbed(data, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("undisturbed") / "run"
    go(toy.upscaler(), data, out)
    return out


def test_what_a_run_leaves(undisturbed, data):
    assert sorted(os.listdir(undisturbed)) == [
        "best.safetensors", "checkpoints", "last.safetensors", "log.jsonl", "pictures", "report.html",
    ]  # fmt: skip
    rows = read(undisturbed)
    assert [row["kind"] for row in rows if row["kind"] != "step"] == ["start", "valid", "valid", "throughput", "end"]
    assert list(losses(undisturbed)) == list(range(1, 13)) and rows[-1]["why"] == "budget"
    header = read_header(undisturbed / LAST)
    assert (header["model"], header["steps"]) == ("enhance/restorer", 12)
    assert header["recipe"]["budget"] == {"steps": 12, "minutes": None}
    assert header["metrics"] == rows[-3]["metrics"]


def test_the_weights_load_and_measure_what_the_run_measured(undisturbed, data):
    net = models.load("enhance/restorer", undisturbed / BEST, device="cpu")
    assert net.needs.scale == 2
    known = read_header(undisturbed / BEST)["metrics"]
    found = evaluate(str(undisturbed), data, device="cpu", limit=1).metrics
    assert {name: found[name] for name in known} == pytest.approx(known, abs=0.01)
    assert found.keys() - known.keys() == {"ssim", "ms_ssim", "dtssd", "warping_error", "vmaf", "lpips"}
    assert 0.2 < found["ssim"] < 1 and found["lpips"] is None  # no weights were given
    assert found["ms_ssim"] is None  # the clips are too small for five scales


def test_best_is_the_better_of_the_validations(undisturbed):
    values = [row["metrics"]["psnr_y"] for row in read(undisturbed) if row["kind"] == "valid"]
    assert read_header(undisturbed / BEST)["metrics"]["psnr_y"] == max(values)


def test_stopped_and_resumed_is_the_undisturbed_run(undisturbed, data, tmp_path):
    stop = threading.Event()

    def watch(event) -> None:
        if isinstance(event, Step) and event.number == 5:
            stop.set()

    with pytest.raises(Interrupted, match="stopped at step 5") as error:
        go(toy.upscaler(), data, tmp_path / "run", watch=watch, stop=stop)
    assert len(str(error.value).splitlines()) == 3
    go(toy.upscaler(), data, tmp_path / "run", resume=True)
    assert losses(tmp_path / "run") == losses(undisturbed)
    assert sha256(tmp_path / "run" / LAST) == sha256(undisturbed / LAST)


@pytest.mark.parametrize("kills", [1, pytest.param(10, marks=pytest.mark.slow)])
def test_killed_at_random_steps_and_resumed_is_the_undisturbed_run(data, tmp_path, kills, forks):
    recipe = toy.upscaler(steps=40, validations=1)
    assert forks.train(recipe, data, tmp_path / "whole") == 0
    for step in sorted(random.Random(kills).sample(range(5, 35), kills)):
        assert forks.train(recipe, data, tmp_path / "run", kill_at=step) == -signal.SIGKILL
    assert checkpoint.checkpoints(tmp_path / "run" / "checkpoints")
    assert forks.train(recipe, data, tmp_path / "run") == 0
    assert losses(tmp_path / "run") == losses(tmp_path / "whole")
    assert sha256(tmp_path / "run" / LAST) == sha256(tmp_path / "whole" / LAST)


def test_a_run_is_not_begun_over_another(undisturbed, data):
    with pytest.raises(OutputExists, match="it holds a run already"):
        go(toy.upscaler(), data, undisturbed)


def test_a_run_that_is_not_there_is_not_resumed(data, tmp_path):
    with pytest.raises(BadInput, match="no sound checkpoint"):
        go(toy.upscaler(), data, tmp_path / "run", resume=True)
    assert not (tmp_path / "run").exists()


def test_a_run_is_resumed_with_its_own_recipe(undisturbed, data):
    with pytest.raises(UsageError, match="begun with another batch"):
        go(toy.upscaler(batch=8), data, undisturbed, resume=True)


def test_a_longer_budget_goes_on(undisturbed, data, tmp_path):
    go(toy.upscaler(steps=4), data, tmp_path / "run")
    go(toy.upscaler(steps=6), data, tmp_path / "run", resume=True)
    assert list(losses(tmp_path / "run")) == list(range(1, 7))


class Exploding(Upscaling):
    """Loses its numbers from the third batch on."""

    def objective(self, net, batch):
        found = super().objective(net, batch)
        return {name: loss * (torch.nan if int(batch["sample"][0]) >= 8 else 1) for name, loss in found.items()}


def test_divergence_leaves_a_good_checkpoint(data, tmp_path):
    task = Exploding(patch=12, mix=(("area", 1.0),))
    with pytest.raises(Diverged, match=r"\(2, 3, 4\)"):
        go(replace(toy.upscaler(), task=task), data, tmp_path / "run")
    rows = read(tmp_path / "run")
    assert [(row["batch"], row["where"]) for row in rows if row["kind"] == "bad"] == [(n, "loss") for n in (2, 3, 4)]
    assert rows[-1]["why"] == "diverged"
    assert [path.name for path in checkpoint.checkpoints(tmp_path / "run" / "checkpoints")] == ["00000002"]


def test_a_checkpoint_that_finds_no_room_does_not_end_the_run(data, tmp_path, monkeypatch):
    monkeypatch.setattr("vidwright.train.run.CHECKPOINT_SECONDS", 0.0)
    tries = []
    real = checkpoint.save

    def save(folder: Path, state, **rest: object) -> Path:
        tries.append(state.step)
        if state.step < 12:
            raise JobFailed(folder, "disk full while writing", "free some space")
        return real(folder, state, **rest)

    monkeypatch.setattr(checkpoint, "save", save)
    said = []
    go(toy.upscaler(), data, tmp_path / "run", watch=said.append)
    assert "no checkpoint at step 3: disk full while writing" in said and tries[-1] == 12


def test_nothing_to_learn_from_leaves_nothing(tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(BadInput) as error:
        go(toy.upscaler(), tmp_path / "empty", tmp_path / "run")
    assert len(str(error.value).splitlines()) == 3 and os.listdir(tmp_path) == ["empty"]


@pytest.mark.parametrize(
    ("changes", "words"),
    [({"batch": 5, "optimiser": replace(toy.OPTIMISER, accumulate=2)}, "does not divide")],
)
def test_what_cannot_work_is_refused_at_once(data, tmp_path, changes, words):
    with pytest.raises(UsageError, match=words):
        go(toy.upscaler(**changes), data, tmp_path / "run")
    assert not (tmp_path / "run").exists()
