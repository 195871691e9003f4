"""The recipes of the flow model: what they show it, and that it learns."""

from __future__ import annotations

import os
import threading
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
import torch

import scenes
from mnist import write_mnist
from vidwright import models
from vidwright.data.seeding import generator
from vidwright.metrics.legibility import legibility
from vidwright.models.generate.flow import Config, Net, Told
from vidwright.process.frames import Near
from vidwright.train import recipe
from vidwright.train.recipes import flow
from vidwright.train.run import Setting, run

ALONE = partial(flow.frame_loss, alone=2, none=0.4, past=0.25)


class Seen(torch.nn.Module):
    """Notes what it is shown, and says that it is all black."""

    def __init__(self) -> None:
        super().__init__()
        self.config = Config()
        self.calls: list[tuple] = []

    def forward(self, x, t, near, label, *, known_BTHW=None):
        self.calls.append((x, t, near, label, known_BTHW))
        return x * 0 - 1


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    return write_mnist(tmp_path_factory.mktemp("mnist"))


def batch(data: Path, clips: int = 64) -> dict[str, torch.Tensor]:
    samples = flow.Digits().samples(data, "train", 0)
    made = [samples.sample(0, k) for k in range(clips)]
    return {name: torch.stack([each[name] for each in made]) for name in made[0]}


def shown(data: Path, loss) -> tuple:
    net, given = Seen(), batch(data)
    loss(net, given["clip"], given["labels"], generator(3))
    return net.calls[0]


def test_frames_alone_have_all_kinds_of_neighbours(data):
    x, t, near, label, known = shown(data, ALONE)
    assert isinstance(near, Near) and x.shape == (128, 1, 1, 32, 32) and near.pixels.shape == (128, 1, 6, 1, 32, 32)
    there = near.times[:, 0] >= 0
    none, past = ~there.any(dim=1), there[:, :3].any(dim=1) & ~there[:, 3:].any(dim=1)
    assert 0.3 < none.float().mean() < 0.65 and past.any() and there[:, 3:].any(dim=1).any()
    assert bool((near.pixels[:, 0][~there] == 0).all())  # nothing is seen of what is not there
    rough = near.times[:, 0][there & (near.times[:, 0] < 1)]
    assert len(rough) > 0 and bool((near.times[:, 0][there] >= flow.LEAST).all())
    assert 0 < (label >= 0).float().mean() < 1
    assert 0.01 < (known.flatten(1).sum(dim=1) > 0).float().mean() < 0.3
    assert t.median() < 0.5  # more noise than half


def test_windows_have_given_frames_and_each_its_noise(data):
    x, t, near, _, _ = shown(data, flow.window_loss)
    assert x.shape == (64, 8, 1, 32, 32)
    spread = torch.stack([row[row < 1].max() - row[row < 1].min() for row in t])
    assert bool((spread == 0).any() and (spread > 0).any())
    assert bool((t < 1).any(dim=1).all()) and bool((t == 1).any())
    assert near.times.shape == (64, 8, 6)


def test_what_is_given_costs_nothing(data):
    """Only what has noise in it counts: black is right everywhere but where there is ink."""
    given = batch(data, 8)
    black = torch.zeros_like(given["clip"])
    assert float(ALONE(Seen(), black, given["labels"], generator(1))) == 0
    assert float(flow.window_loss(Seen(), black, given["labels"], generator(1))) == 0


def test_a_run_learns_and_says_what_continuations_cost(data, tmp_path):
    task = flow.Digits(size=16, digit=8, frames=4)
    small = Config(widths=(8, 8), tokens=16, depth=1, heads=1, length=4, side=16)
    made = recipe.Recipe(
        model="generate/flow", weights="test", config=small, task=task, optimiser=flow.digits32().optimiser,
        budget=recipe.Budget(steps=12), batch=16, validations=1, validate_on=4,
    )  # fmt: skip
    run(made, Setting(data, tmp_path / "run", valid=data, device="cpu"), stop=threading.Event())
    net = models.load("generate/flow", tmp_path / "run" / "last.safetensors", kind=Net)
    found = task.evaluate(net, data, "valid", 0, 4)
    assert set(found.metrics) == {
        "velocity", "continuation_mse", "continuation_mse.copy_last", "continuation_mse.black",
    }  # fmt: skip
    assert (found.metrics.pop("velocity") or 0) > 0
    assert all(value is not None and 0 < value < 1 for value in found.metrics.values())
    assert found.pictures["samples"].shape == (1, 10 * 16, 4 * 16)


def test_any_clips_are_learned_in_colour_without_a_class(tmp_path):
    for number in range(2):
        scenes.write(tmp_path / f"take{number}x.mp4", scenes.scene(number, 12, (48, 32)))
    task = flow.Footage(size=16, frames=4, rows=20, alone=2)
    small = replace(flow.clips().config, widths=(8, 8), tokens=16, depth=1, heads=1, length=4, side=16)
    made = replace(flow.clips(), task=task, config=small, budget=recipe.Budget(steps=2), batch=4, validations=1)
    setting = Setting(tmp_path, tmp_path / "run", valid=tmp_path, device="cpu")
    found = run(replace(made, validate_on=2), setting, stop=threading.Event())
    assert (found.metrics["velocity"] or 0) > 0
    assert found.pictures["samples"].shape == (3, flow.ROWS * 16, 4 * 16)


@pytest.mark.slow
@pytest.mark.skipif("MNIST" not in os.environ, reason="MNIST=FOLDER says where its files are")
def test_four_minutes_make_legible_digits(tmp_path):
    """Label accuracy of the middle frame, where chance is 0.1."""
    # Small batches: in so short a run steps are worth more than clips.
    short = flow.digits32()
    task, optimiser = flow.Digits(joint=1.0), replace(short.optimiser, ema=0.99)
    made = replace(short, task=task, optimiser=optimiser, batch=32, budget=recipe.Budget(minutes=4))
    run(made, Setting(Path(os.environ["MNIST"]), tmp_path / "run", device="cpu"), stop=threading.Event())
    net = models.load("generate/flow", tmp_path / "run" / "last.safetensors", kind=Net)
    reader = models.load("generate/cnn_lstm", "still", kind=torch.nn.Module)
    label = torch.arange(100) % 10
    clip = torch.stack(list(net.draw(range(100), 8, (32, 32), Told(label[:, None]), mode="joint")), dim=1)
    scores = reader(((clip + 1) / 2).clamp(0, 1).flatten(0, 1)[:, None]).unflatten(0, (100, 8))
    assert legibility(scores, label).middle >= 0.85
