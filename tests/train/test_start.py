"""A run may begin with weights instead of chance."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path

import pytest
import torch

import tiny
import toy
from vidwright.core.errors import Interrupted, ModelRefused, UsageError
from vidwright.train import recipe
from vidwright.train.recipe import Recipe
from vidwright.train.run import LAST, Setting, run
from vidwright.weights.store import read_header, read_weights


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    return toy.clips(tmp_path_factory.mktemp("data") / "clips")


def from_(start: str | Path, steps: int = 2) -> Recipe:
    """A recipe that moves nothing, so that what a run ends with is what it began with."""
    still = replace(toy.OPTIMISER, learning_rate=0.0)
    return toy.upscaler(steps=steps, validations=1, optimiser=still, start=str(start))


def go(recipe: Recipe, data: Path, out: Path, *, stopped: bool = False, resume: bool = False) -> None:
    stop = threading.Event()
    if stopped:
        stop.set()
    run(recipe, Setting(data, out, data, resume=resume, device="cpu"), stop=stop)


def assert_same(found: Path, wanted: Path) -> None:
    mine, theirs = read_weights(found)[0], read_weights(wanted)[0]
    assert mine.keys() == theirs.keys()
    for name, tensor in mine.items():
        torch.testing.assert_close(tensor, theirs[name], rtol=1e-6, atol=1e-7)  # the average rounds


def test_a_run_begins_with_the_weights_of_a_file_and_tells_no_folder(data, tmp_path):
    weights = tiny.weights(tmp_path / "weights.safetensors")
    go(from_(weights), data, tmp_path / "run")
    assert_same(tmp_path / "run" / LAST, weights)
    assert read_header(tmp_path / "run" / LAST)["recipe"]["start"] == "weights.safetensors"


def test_a_run_that_goes_on_has_no_need_of_them(data, tmp_path):
    weights = tiny.weights(tmp_path / "weights.safetensors")
    with pytest.raises(Interrupted):
        go(from_(weights), data, tmp_path / "run", stopped=True)
    kept = weights.rename(tmp_path / "kept.safetensors")
    go(from_(weights), data, tmp_path / "run", resume=True)
    assert_same(tmp_path / "run" / LAST, kept)
    with pytest.raises(UsageError, match="begun with another start"):
        go(from_(kept), data, tmp_path / "run", resume=True)


def wrong_model(folder: Path) -> Path:
    return tiny.weights(folder / "wrong.safetensors", model="generate/cnn_lstm")


def wrong_size(folder: Path) -> Path:
    return tiny.weights(folder / "wrong.safetensors", replace(tiny.CONFIG, channels=4))


@pytest.mark.parametrize(
    ("start", "words"),
    [
        (wrong_model, "weights of 'generate/cnn_lstm'"),
        (wrong_size, "the model has"),
        (lambda folder: folder / "nowhere.safetensors", "cannot be read"),
        (lambda folder: "x2-nothing", "no such weights are shipped"),
    ],
    ids=["of another model", "of another config", "of no file", "of no shipped set"],
)
def test_what_does_not_fit_is_refused_and_nothing_is_left(data, tmp_path, start, words):
    with pytest.raises(ModelRefused, match=words) as error:
        go(from_(start(tmp_path)), data, tmp_path / "run")
    assert len(str(error.value).splitlines()) == 3 and "start from weights of enhance/restorer" in str(error.value)
    assert not (tmp_path / "run").exists()


def test_the_weights_that_a_recipe_starts_from_are_made_by_another_of_the_same_config():
    loaded = [recipe.load(name) for name in recipe.names()]
    starting = [each for each in loaded if each.start is not None]
    assert starting
    for each in starting:
        assert recipe.load(f"{each.model}:{each.start}").config == each.config
