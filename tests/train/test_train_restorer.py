"""Training learns, is a function of its seed, and goes on from a checkpoint as if it had never stopped."""

from __future__ import annotations

import dataclasses
import logging
from pathlib import Path

import pytest
import torch

import media
from tiny import CONFIG
from vidwright import models
from vidwright.data.pairs import Pair, load_pairs
from vidwright.train import restorer
from vidwright.train.restorer import Recipe, State, sample_batch, train_step
from vidwright.weights.store import read_header

RECIPE = Recipe(config=CONFIG, batch=4, patch=12, warmup_steps=2, learning_rate=2e-3, minutes=0.02)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("clips")
    media.clip(folder / "a.mp4", frames=4)
    media.clip(folder / "b.mp4", frames=5, cuts=(2,))
    return folder


@pytest.fixture(scope="module")
def pairs(folder) -> list[Pair]:
    return load_pairs(folder, 2, seed=0, least=RECIPE.patch)


def steps(state: State, pairs: list[Pair], count: int, recipe: Recipe = RECIPE) -> list[float]:
    return [train_step(state, recipe, sample_batch(pairs, recipe, state.step), 0.2) for _ in range(count)]


def assert_equal(one: State, other: State) -> None:
    for (name, p), q in zip(one.net.named_parameters(), other.net.parameters(), strict=True):
        assert torch.equal(p, q) and torch.equal(one.average[name], other.average[name])
        for key, value in one.optimiser.state[p].items():
            assert torch.equal(torch.as_tensor(value), torch.as_tensor(other.optimiser.state[q][key]))
    assert one.step == other.step


def test_twenty_steps_lower_the_loss(pairs):
    recipe = dataclasses.replace(RECIPE, mix=(("area", 1.0),))  # the kind that Lanczos undoes worst
    state = State.fresh(recipe)
    fixed = sample_batch(pairs, dataclasses.replace(recipe, batch=16), 1000)

    def loss() -> float:
        with torch.no_grad():
            return float(restorer.charbonnier(state.net(fixed[0]) - fixed[1]))

    before = loss()
    steps(state, pairs, 20, recipe)
    assert loss() < 0.98 * before


def test_a_resumed_training_is_the_same_training(pairs, tmp_path):
    whole, part = State.fresh(RECIPE), State.fresh(RECIPE)
    losses = steps(whole, pairs, 6)
    begun = steps(part, pairs, 3)
    part.seconds = 1.5
    part.save(tmp_path / "checkpoint", RECIPE)
    resumed = State.load(tmp_path / "checkpoint", RECIPE)
    assert_equal(resumed, part)
    assert resumed.seconds == 1.5
    assert begun + steps(resumed, pairs, 3) == losses
    assert_equal(resumed, whole)


def test_batches_are_a_function_of_seed_and_step(pairs):
    one, same, later = (sample_batch(pairs, RECIPE, step) for step in (3, 3, 4))
    assert torch.equal(one[0], same[0]) and torch.equal(one[1], same[1])
    assert not torch.equal(one[0], later[0])
    other = sample_batch(pairs, dataclasses.replace(RECIPE, seed=1), 3)
    assert not torch.equal(one[0], other[0])


def test_windows_and_targets_belong_together(pairs):
    recipe = dataclasses.replace(RECIPE, batch=32, mix=(("area", 1.0),))
    low, high = sample_batch(pairs, recipe, 0)
    assert low.shape == (32, 3, 3, 12, 12) and high.shape == (32, 3, 24, 24)
    assert low.min() >= 0 and high.max() <= 1
    shrunk = torch.nn.functional.avg_pool2d(high, 2)
    assert (shrunk - low[:, 1]).abs().max() < 1 / 255  # flips and transposes are of both


def test_from_a_folder_to_a_model_that_runs(folder, tmp_path, monkeypatch, caplog):
    out = tmp_path / "w.safetensors"
    arguments = ["train", "--data", str(folder), "--out", str(out), "--minutes", "0.02", "--licence", "CC0-1.0"]
    monkeypatch.setattr("sys.argv", arguments)
    monkeypatch.setattr(
        restorer, "Recipe", lambda **options: dataclasses.replace(RECIPE, **options) if options else RECIPE
    )
    with caplog.at_level(logging.INFO):
        restorer.main()
    header = read_header(out)
    assert header["steps"] > 0 and header["data"]["licence"] == "CC0-1.0" and len(header["data"]["sha256"]) == 64
    assert header["recipe"]["batch"] == 4
    net = models.load("enhance/restorer", out, device="cpu", dtype="fp32")
    assert net(torch.rand(1, 3, 3, 6, 8)).shape == (1, 3, 12, 16)
    assert [path.name for path in tmp_path.iterdir()] == ["w.safetensors"]
