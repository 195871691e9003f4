"""Crops show the same place at the same time in both resolutions, and are a function of seed, epoch and number."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest
import torch
from torch.nn import functional as F

import media
from vidwright.core.errors import BadInput
from vidwright.data.clips import Clips
from vidwright.data.crops import CROPS_PER_FRAME, FRAMES_PER_DRAW, KINDS, Crops, shrunk
from vidwright.data.fingerprint import digest
from vidwright.data.index import open_shots
from vidwright.data.samples import Split
from vidwright.data.seeding import generator

MIX = tuple((kind, 1.0) for kind in KINDS)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("clips")
    media.clip(folder / "b.mp4", frames=20)
    media.clip(folder / "a.mkv", frames=3, size=(68, 50))
    return folder


def crops(folder: Path, *, seed: int = 0, patch: int = 12, mix=MIX, cache_bytes: int = 2**26) -> Crops:
    return Crops(folder, "all", scale=2, patch=patch, mix=mix, seed=seed, cache_bytes=cache_bytes)


def assert_equal(one: Crops, other: Crops, numbers: range = range(12)) -> None:
    for k in numbers:
        a, b = one.sample(1, k), other.sample(1, k)
        assert torch.equal(a["low"], b["low"]) and torch.equal(a["high"], b["high"])


def test_samples_have_one_shape(folder):
    for k in range(12):
        sample = crops(folder).sample(0, k)
        assert {name: (x.shape, x.dtype) for name, x in sample.items()} == {
            "low": ((3, 3, 12, 12), torch.uint8),
            "high": ((3, 24, 24), torch.uint8),
            "kind": ((), torch.int64),
        }


@pytest.mark.parametrize("radius", [0, 2])
def test_windows_are_as_wide_as_asked_for(folder, radius):
    wide = Crops(folder, "all", scale=2, patch=12, mix=(("area", 1.0),), seed=0, radius=radius, cache_bytes=2**26)
    sample = wide.sample(0, 3)
    assert sample["low"].shape == (2 * radius + 1, 3, 12, 12)
    again = F.avg_pool2d(sample["high"].float(), 2)
    assert (again - sample["low"][radius].float()).abs().max() <= 0.51


def test_a_group_is_of_one_kind_and_kinds_come_as_the_mix_says(folder):
    mix = (("area", 3.0), ("cubic", 1.0))
    grouped = Crops(folder, "all", scale=2, patch=12, mix=mix, seed=0, group=4, cache_bytes=2**26)
    kinds = [int(grouped.sample(0, k)["kind"]) for k in range(4 * 60)]
    groups = [set(kinds[n : n + 4]) for n in range(0, len(kinds), 4)]
    assert all(len(group) == 1 for group in groups)
    areas = sum(group == {KINDS.index("area")} for group in groups)
    assert 30 < areas < 57 and {KINDS[kind] for kind in kinds} == {"area", "cubic"}


def test_drawn_screens_are_learned_from_but_not_validated_on(tmp_path):
    for n in range(4):
        media.clip(tmp_path / f"{n}.mkv", frames=3)

    def length(split: Split, screens: int) -> int:
        return len(Crops(tmp_path, split, scale=2, patch=12, mix=MIX, seed=0, screens=screens))

    assert length("all", 3) - length("all", 0) == 3 * CROPS_PER_FRAME * FRAMES_PER_DRAW
    assert length("valid", 3) == length("valid", 0)


def test_high_and_low_show_the_same_place_at_the_same_time(folder):
    """What is cut from the low resolution is what the high one becomes by the same shrinking, away from the border."""
    area = crops(folder, mix=(("area", 1.0),))
    for k in range(30):
        sample = area.sample(0, k)
        again = F.avg_pool2d(sample["high"].float(), 2)
        assert (again - sample["low"][1].float()).abs().max() <= 0.51


def test_samples_are_a_function_of_seed_epoch_and_number(folder):
    one = crops(folder)
    assert_equal(one, crops(folder))
    assert_equal(one, crops(folder, cache_bytes=0))
    assert_equal(one, pickle.loads(pickle.dumps(one)))  # as a worker process gets it
    differ = [not torch.equal(one.sample(0, k)["high"], crops(folder, seed=1).sample(0, k)["high"]) for k in range(8)]
    assert sum(differ) > 4
    assert sum(not torch.equal(one.sample(0, k)["high"], one.sample(1, k)["high"]) for k in range(8)) > 4


def test_shots_come_by_their_length(tmp_path):
    media.clip(tmp_path / "long.mkv", frames=64)
    media.clip(tmp_path / "short.mkv", frames=16)
    assert len(crops(tmp_path)) == CROPS_PER_FRAME * FRAMES_PER_DRAW * 5  # four draws of the long, one of the short


def test_large_shots_are_there_twice(tmp_path):
    media.clip(tmp_path / "large.mp4", frames=2, size=(300, 260), options={"preset": "ultrafast"})
    media.clip(tmp_path / "small.mp4", frames=2, size=(32, 32))
    assert len(crops(tmp_path, patch=24)) == CROPS_PER_FRAME * FRAMES_PER_DRAW * 2


def test_too_small_is_said_in_three_lines(folder):
    with pytest.raises(BadInput, match="no clip in it has 1000 rows") as error:
        crops(folder, patch=500)
    assert len(str(error.value).splitlines()) == 3


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_halves_the_size_and_keeps_the_frames(folder, kind):
    frames = Clips(open_shots(folder, "all")).frames(1)[:4, :, :48, :64]
    low = shrunk(frames, 2, kind, generator(0))
    assert low.shape == (4, 3, 24, 32) and low.dtype == torch.uint8
    assert [media.read_barcode(frame.float() / 255) for frame in low] == [0, 1, 2, 3]


def test_the_digest_is_of_names_and_contents(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "b").write_bytes(b"1")
    (tmp_path / "c").write_bytes(b"2")
    found = {digest(tmp_path)}
    (tmp_path / "c").write_bytes(b"3")
    found.add(digest(tmp_path))
    (tmp_path / "c").rename(tmp_path / "d")
    found.add(digest(tmp_path))
    (tmp_path / "d").write_bytes(b"2")
    (tmp_path / "d").rename(tmp_path / "c")
    assert len(found) == 3 and digest(tmp_path) in found
