"""Clips become pairs of the right shapes, the same each time, with frames that belong together."""

from __future__ import annotations

import pytest
import torch

import media
from vidwright.core.errors import BadInput
from vidwright.data.pairs import KINDS, clips, digest, load_pairs


@pytest.fixture
def folder(tmp_path):
    media.clip(tmp_path / "b.mp4", frames=4)
    media.clip(tmp_path / "a.mkv", frames=3, size=(68, 50))
    (tmp_path / "notes.txt").write_text("not a clip")
    return tmp_path


def test_clips_are_found_by_suffix_and_sorted(folder, tmp_path):
    assert [path.name for path in clips(folder)] == ["a.mkv", "b.mp4"]
    (tmp_path / "empty").mkdir()
    with pytest.raises(BadInput, match="no video file"):
        clips(tmp_path / "empty")


def test_the_digest_is_of_names_and_contents(folder):
    before = digest(folder)
    (folder / "notes.txt").write_text("changed")
    assert digest(folder) == before
    (folder / "a.mkv").rename(folder / "c.mkv")
    renamed = digest(folder)
    content = bytearray((folder / "c.mkv").read_bytes())
    content[-1] ^= 1
    (folder / "c.mkv").write_bytes(content)
    assert len({before, renamed, digest(folder)}) == 3


def test_pairs_have_every_kind_in_the_right_shape(folder):
    first, second = load_pairs(folder, 2, seed=0, least=8)
    assert (first.name, second.name) == ("a", "b")
    assert first.high.shape == (3, 3, 48, 68) and second.high.shape == (4, 3, 48, 64)  # whole pairs of pixels
    for pair in (first, second):
        assert (pair.scale, pair.frames, tuple(pair.low)) == (2, len(pair.high), KINDS)
        for low in pair.low.values():
            assert low.dtype == torch.uint8
            assert low.shape == (pair.frames, 3, pair.high.shape[-2] // 2, pair.high.shape[-1] // 2)


def test_high_and_low_show_the_same_frame(folder):
    for pair in load_pairs(folder, 2, seed=0, least=8):
        for frames in (pair.high, *pair.low.values()):
            assert [media.read_barcode(frame.float() / 255) for frame in frames] == list(range(pair.frames))


def test_pairs_are_a_function_of_the_seed(folder):
    one, same, other = (load_pairs(folder, 2, seed=seed, least=8) for seed in (0, 0, 1))
    for a, b in zip(one, same, strict=True):
        assert torch.equal(a.high, b.high)
        assert all(torch.equal(a.low[kind], b.low[kind]) for kind in KINDS)
    assert any(not torch.equal(a.low["blur"], b.low["blur"]) for a, b in zip(one, other, strict=True))


def test_small_clips_are_left_out_and_large_ones_are_there_twice(tmp_path):
    media.clip(tmp_path / "large.mp4", frames=2, size=(300, 260), options={"preset": "ultrafast"})
    media.clip(tmp_path / "small.mp4", frames=2, size=(32, 32))
    found = load_pairs(tmp_path, 2, seed=0, least=24)
    assert [pair.name for pair in found] == ["large", "large-small"]
    assert found[1].high.shape[-1] < found[0].high.shape[-1]
    assert media.read_barcode(found[1].high[1].float() / 255) == 1
