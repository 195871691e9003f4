"""Excerpts of clips: a pure function of their numbers, in this process and in others, and true to what was filmed."""

from __future__ import annotations

import itertools
import pickle
from pathlib import Path

import pytest
import torch
from torch.nn import functional as F

import scenes
from vidwright.core.errors import BadInput
from vidwright.data.clips import Clips
from vidwright.data.excerpts import Excerpts
from vidwright.data.index import open_shots
from vidwright.data.loader import batches
from vidwright.data.prepare import prepare


@pytest.fixture(scope="module")
def dataset(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("clips")
    for number in range(3):
        scenes.write(folder / f"take{number}x.mp4", scenes.scene(number, 30, (96, 64)))
    prepare(folder, folder / "set")
    return folder / "set"


def test_samples_are_a_function_of_their_numbers(dataset):
    one, other = (Excerpts(dataset, "train", frames=8, size=32, seed=5, length=12) for _ in range(2))
    clips = [one.sample(1, k)["clip"] for k in range(12)]
    for k in reversed(range(12)):
        assert torch.equal(other.sample(1, k)["clip"], clips[k])
        assert clips[k].shape == (8, 3, 32, 32) and clips[k].dtype == torch.uint8 and clips[k].is_contiguous()
    assert not any(torch.equal(a, b) for a, b in itertools.combinations(clips, 2))
    assert not torch.equal(one.sample(2, 0)["clip"], clips[0])


def test_what_a_worker_is_sent_makes_the_same(dataset):
    samples = Excerpts(dataset, "train", frames=4, size=32, length=6)
    here = samples.sample(0, 3)["clip"]
    assert torch.equal(pickle.loads(pickle.dumps(samples)).sample(0, 3)["clip"], here)
    assert len(pickle.dumps(samples)) < 10_000  # no frame travels


@pytest.mark.slow
def test_worker_processes_make_the_same_batches(dataset):
    samples = Excerpts(dataset, "train", frames=4, size=32, length=6)
    alone = list(itertools.islice(batches(samples, 4), 3))
    pooled = batches(samples, 4, workers=2)
    for one, other in zip(alone, itertools.islice(pooled, 3), strict=True):
        assert one.keys() == other.keys() == {"clip", "sample"}
        assert all(torch.equal(one[name], other[name]) for name in one)
    pooled.close()


def test_validation_is_cut_out_and_nothing_else(dataset):
    samples = Excerpts(dataset, "valid", frames=8, size=32)
    shots = open_shots(dataset, "valid")
    assert len(samples) == sum(shot.frames for shot in shots) // 8
    whole = Clips(shots).frames(0)
    windows = whole.unfold(-2, 32, 1).unfold(-2, 32, 1)  # (T, 3, y, x, 32, 32)
    clip = samples.sample(0, 0)["clip"]
    places = (windows == clip[0][None, :, None, None]).all(-1).all(-1).all(1).nonzero().tolist()
    assert any(torch.equal(whole[t : t + 8, :, y : y + 32, x : x + 32], clip) for t, y, x in places)


def test_footage_is_shrunk_before_it_is_cut_out(dataset):
    """To half of its sides: each pixel the mean of four, and the square is half of what it was."""
    clip = Excerpts(dataset, "valid", frames=8, size=32, shorter=32).sample(0, 0)["clip"]
    whole = Clips(open_shots(dataset, "valid")).frames(0)
    half = F.avg_pool2d(whole.float(), 2).round().to(torch.uint8)
    found = [torch.equal(half[t : t + 8, :, :, x : x + 32], clip) for t in range(len(half) - 7) for x in range(17)]
    assert any(found)
    with pytest.raises(BadInput, match="65 x 65"):
        Excerpts(dataset, "train", frames=2, size=32, shorter=65)


def test_shots_that_are_too_small(dataset):
    with pytest.raises(BadInput, match="none of its 2 shots has 31 frames"):
        Excerpts(dataset, "train", frames=31, size=32)
    with pytest.raises(BadInput, match="65 x 65"):
        Excerpts(dataset, "train", frames=2, size=65)
