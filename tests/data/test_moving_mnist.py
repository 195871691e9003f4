"""Moving digits: the law of their motion, the splits, and the published test set."""

from __future__ import annotations

import hashlib
import os
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from skimage.transform import resize

from mnist import digits, write_mnist
from vidwright.core.errors import BadInput, UsageError
from vidwright.data import moving_mnist
from vidwright.data.idx import read_idx
from vidwright.data.moving_mnist import SMALL, MovingMnist, places, resized


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return write_mnist(tmp_path_factory.mktemp("mnist"))


@given(st.floats(0, 1), st.floats(-1, 1), st.integers(0, 100))
def test_digits_stay_inside_and_keep_their_pace(start, velocity, free):
    seen = list(places(start, velocity, free, 60))
    assert min(seen) >= 0 and max(seen) <= free
    assert max(abs(b - a) for a, b in pairwise(seen)) <= free * 0.1 + 1


def test_a_digit_stops_at_the_edge_and_turns_round():
    assert list(places(0.75, 1.0, 100, 6)) == [85, 95, 100, 90, 80, 70]
    assert list(places(0.2635, -0.75, 1010, 6)) == [190, 114, 38, 0, 75, 151]


def test_a_clip_is_its_digits_by_maximum(folder):
    """The clip again from its labels' pictures, found by looking for them where the law says they are."""
    clip = MovingMnist(folder, digits=1, frames=40).sample(3, 7)["clip"]
    assert clip.shape == (40, 1, 64, 64) and clip.dtype == torch.uint8
    images = read_idx(folder / "train-images-idx3-ubyte", 3)
    number = next(n for n, image in enumerate(images) if _inside(image, clip[0, 0].numpy()))
    for frame in clip[:, 0].numpy():
        rows, columns = np.nonzero(frame)
        assert frame.sum() == images[number].sum()
        np.testing.assert_array_equal(frame[frame > 0], images[number][images[number] > 0])
        assert np.ptp(rows) < 28 and np.ptp(columns) < 28
    two = MovingMnist(folder, digits=2, size=28).sample(0, 0)  # no room to move: both lie upon each other
    assert (two["clip"] == two["clip"][:1]).all()
    assert two["clip"].max() > 0


def _inside(image: np.ndarray, frame: np.ndarray) -> bool:
    return frame.sum() == image.sum() and np.array_equal(frame[frame > 0], image[image > 0])


def test_a_sample_hangs_on_its_numbers_alone(folder):
    first, again = MovingMnist(folder), MovingMnist(folder)
    again.sample(5, 5)
    assert torch.equal(first.sample(1, 2)["clip"], again.sample(1, 2)["clip"])
    others = [first.sample(1, 3), first.sample(2, 2), MovingMnist(folder, seed=1).sample(1, 2)]
    assert all(not torch.equal(first.sample(1, 2)["clip"], other["clip"]) for other in others)


def test_training_never_shows_held_out_digits(folder):
    images = read_idx(folder / "train-images-idx3-ubyte", 3)
    held_out = {image[image > 0].tobytes() for image in images[-5000:]}
    shown = {split: _shown(MovingMnist(folder, split, digits=1, frames=1), 60) for split in ("train", "valid", "all")}
    assert not shown["train"] & held_out
    assert shown["valid"] <= held_out
    assert shown["all"] & held_out
    assert len(shown["valid"]) > 50  # of 5000: drawn, not counted through


def _shown(samples: MovingMnist, count: int) -> set[bytes]:
    clips = (samples.sample(0, k)["clip"] for k in range(count))
    return {clip[clip > 0].numpy().tobytes() for clip in clips}


def test_labels_tell_the_digits(folder):
    samples = MovingMnist(folder, "test", digits=3)
    assert len(samples) == 10_000
    labels = samples.sample(0, 0)["labels"]
    assert labels.shape == (3,) and labels.dtype == torch.int64
    images = read_idx(folder / "t10k-images-idx3-ubyte", 3)
    one = MovingMnist(folder, "test", digits=1).sample(0, 4)
    number = next(n for n, image in enumerate(images) if _inside(image, one["clip"][0, 0].numpy()))
    assert one["labels"].item() == number % 10


@pytest.mark.parametrize("side", [16, 14, 20, 56])
def test_resizing_is_the_mean_over_the_area(side):
    images = digits(2)
    small = resized(images, side)
    fine = np.kron(images, np.ones((1, side, side)))  # each pixel of the result is now a block of whole pixels
    blocks = fine.reshape(2, side, 28, side, 28).mean((2, 4))
    assert np.abs(small - blocks).max() <= 0.5 + 1e-6
    if side == 14:
        halved = resize(images[0].astype(float), (14, 14), order=1, anti_aliasing=False)
        assert np.abs(small[0] - halved).max() <= 0.5 + 1e-6


def test_digits_that_do_not_fit(folder):
    with pytest.raises(UsageError):
        MovingMnist(folder, size=20)


def test_files_of_different_sets(tmp_path):
    write_mnist(tmp_path, train=5010)
    (tmp_path / "train-labels-idx1-ubyte").write_bytes((tmp_path / "t10k-labels-idx1-ubyte").read_bytes())
    with pytest.raises(BadInput, match="5010 pictures of 28x28 with 30 labels"):
        MovingMnist(tmp_path)


def _published(variant: dict[str, int], clips: int) -> str:
    if not (named := os.environ.get("VIDWRIGHT_MNIST")):
        pytest.skip("VIDWRIGHT_MNIST names no folder with MNIST's idx files")
    samples, total = moving_mnist.test_set(Path(named), **variant), hashlib.sha256()
    for k in range(clips):
        total.update(samples.sample(0, k)["clip"].numpy())
    return total.hexdigest()


def test_the_published_test_set_begins_right():
    assert _published({}, 100) == moving_mnist.TEST_SHA256_FIRST
    assert _published(SMALL, 100) == moving_mnist.TEST_SHA256_SMALL_FIRST


@pytest.mark.slow
def test_the_published_test_set_is_whole():
    assert _published({}, 10_000) == moving_mnist.TEST_SHA256
    assert _published(SMALL, 10_000) == moving_mnist.TEST_SHA256_SMALL


def test_a_digit_without_pictures_is_named(tmp_path):
    write_mnist(tmp_path)
    path = tmp_path / "train-labels-idx1-ubyte"
    content = bytearray(path.read_bytes())
    content[8:] = bytes(3 if label == 7 else label for label in content[8:])
    path.write_bytes(content)
    with pytest.raises(BadInput, match="no picture of train shows 7") as error:
        MovingMnist(tmp_path, "train")
    assert len(str(error.value).splitlines()) == 3
