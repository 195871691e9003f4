"""Two frames and one between them, at the time that the sample says."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest
import torch

import media
import scenes
from vidwright.core.errors import BadInput
from vidwright.data.between import GAPS, LONGEST, Between


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("clips")
    scenes.write(folder / "a.mp4", scenes.scene(0, 16))
    scenes.write(folder / "b.mp4", scenes.scene(1, 9, pace=3))
    media.clip(folder / "short.mkv", frames=LONGEST)
    return folder


def between(folder: Path, *, seed: int = 0, size: int = 32, cache_bytes: int = 2**24) -> Between:
    return Between(folder, "all", size=size, seed=seed, cache_bytes=cache_bytes)


def test_a_sample_is_two_frames_one_between_and_its_time(folder):
    times: set[float] = set()
    for k in range(40):
        sample = between(folder).sample(0, k)
        assert {name: (x.shape, x.dtype) for name, x in sample.items()} == {
            "pair": ((2, 3, 32, 32), torch.uint8),
            "middle": ((3, 32, 32), torch.uint8),
            "time": ((), torch.float32),
        }
        times.add(round(float(sample["time"]), 3))
    known = {round(part / gap, 3) for gap, _ in GAPS for part in range(1, gap)}
    assert {0.5} < times <= known


def test_the_time_is_where_the_motion_is(tmp_path):
    """On a grey that gets lighter evenly the time can be read, whichever way the clip was turned and lit."""
    ramp = torch.linspace(0.2, 0.6, 12)[:, None, None, None].expand(-1, 3, 48, 64)
    scenes.write(tmp_path / "a.mkv", ramp, crf=0)
    samples = Between(tmp_path, "all", size=16)
    for k in range(30):
        sample = samples.sample(0, k)
        first, second = (float(frame.float().mean()) for frame in sample["pair"])
        part = (float(sample["middle"].float().mean()) - first) / (second - first)
        assert part == pytest.approx(float(sample["time"]), abs=0.15)


def test_samples_are_a_function_of_seed_epoch_and_number(folder):
    one = between(folder)
    for other in (between(folder), between(folder, cache_bytes=0), pickle.loads(pickle.dumps(one))):
        for k in range(6):
            here, there = one.sample(1, k), other.sample(1, k)
            assert all(torch.equal(here[name], there[name]) for name in here)
    pairs = [(one.sample(0, k), between(folder, seed=1).sample(0, k), one.sample(1, k)) for k in range(6)]
    assert all(not torch.equal(a["middle"], b["middle"]) for a, *others in pairs for b in others)
    assert len(one) == 16 + 9


def test_shots_that_are_short_or_small_are_left_out(folder):
    with pytest.raises(BadInput, match=f"none of its 3 shots has {LONGEST + 1} frames of 65 x 65") as error:
        between(folder, size=65)
    assert len(str(error.value).splitlines()) == 3
