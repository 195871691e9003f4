"""Random codecs: all are met, only those that can take the size, and a seed says which."""

from __future__ import annotations

import pytest
import torch

import media
from vidwright.data.codec import QUALITIES, coded, random_coding
from vidwright.data.seeding import generator
from vidwright.io.roundtrip import CODINGS


def test_all_codecs_and_qualities_are_met():
    drawn = {random_coding((64, 64), generator(0, n)) for n in range(2000)}
    assert drawn == {(name, q) for name, (best, worst) in QUALITIES.items() for q in range(best, worst + 1)}
    assert all(CODINGS[name].best <= best < worst <= CODINGS[name].worst for name, (best, worst) in QUALITIES.items())


@pytest.mark.parametrize(
    ("size", "missing"),
    [((64, 64), set()), ((64, 48), {"hevc"}), ((24, 64), {"av1"}), ((8, 200), {"hevc", "av1", "mpeg4", "mpeg2"})],
)
def test_small_frames_get_codecs_that_take_them(size, missing):
    drawn = {random_coding(size, generator(0, n))[0] for n in range(200)}
    assert drawn == set(QUALITIES) - missing


def test_a_seed_says_which():
    frames = torch.stack([torch.from_numpy(media.picture(n).transpose(2, 0, 1).copy()) for n in range(4)])
    one, again, other = (coded(frames, generator(seed)) for seed in (1, 1, 2))
    assert torch.equal(one, again) and not torch.equal(one, other)
    assert [media.read_barcode(frame.float() / 255) for frame in one] == [0, 1, 2, 3]
