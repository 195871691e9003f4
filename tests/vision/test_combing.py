"""Interlaced clips are found with the right order, and nothing else is taken for one."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import pytest
import torch

import scenes
from vidwright.core import Frame
from vidwright.io.roundtrip import roundtrip
from vidwright.vision.combing import combing, field_order_of


def clip(count: int = 8, *, seed: int = 0, pace: int = 2) -> torch.Tensor:
    return scenes.scene(seed, count, pace=pace)


def woven(x_TCHW: torch.Tensor, order: str) -> torch.Tensor:
    """Frames of which each has the earlier field of picture 2n and the later one of picture 2n + 1."""
    frames, late = x_TCHW[0::2].clone(), 1 if order == "top" else 0
    frames[..., late::2, :] = x_TCHW[1::2, :, late::2]
    return frames


def frames_of(x_TCHW: torch.Tensor) -> list[Frame]:
    return [Frame(data, Fraction(n, 25)) for n, data in enumerate(x_TCHW)]


@pytest.mark.parametrize("order", ["top", "bottom"])
@pytest.mark.parametrize("pace", [1, 2, 5])
def test_woven_clips_are_found_with_their_order(order, pace):
    assert field_order_of(frames_of(woven(clip(16, pace=pace), order))) == order


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("pace", [0, 1, 3])
def test_progressive_clips_stay_progressive(seed, pace):
    assert field_order_of(frames_of(clip(seed=seed, pace=pace))) == "progressive"
    vertical = clip(seed=seed, pace=pace).mT
    assert field_order_of(frames_of(vertical)) == "progressive"


@pytest.mark.parametrize("order", ["top", "bottom"])
def test_coding_does_not_hide_it(order):
    """As progressive and in 4:2:0, which is the worst that can be done to it."""
    codes = woven(clip(16), order).mul(255).round().to(torch.uint8)
    assert field_order_of(frames_of(roundtrip(codes, "h264", 23).float() / 255)) == order


def test_noise_on_a_still_is_not_motion():
    random = torch.Generator().manual_seed(0)
    noisy = clip(12, pace=0) + 0.05 * torch.randn(12, 3, 48, 64, generator=random)
    assert field_order_of(frames_of(noisy)) == "progressive"


@pytest.mark.parametrize("count", [0, 1])
def test_too_few_frames_are_progressive(count):
    assert field_order_of(frames_of(clip(2))[:count]) == "progressive"


def test_strips_are_progressive():
    assert field_order_of(frames_of(woven(clip(16)[..., :2, :], "top"))) == "progressive"


def test_what_changes_at_a_cut_does_not_count():
    """One still follows another: across the cut the fields differ by anything at all."""
    stills = frames_of(torch.cat([clip(2, seed=0, pace=0), clip(2, seed=1, pace=0)]))
    stills[2] = replace(stills[2], cut=True)
    assert field_order_of(stills) == "progressive"
    late = frames_of(woven(clip(8, seed=3), "top"))
    mixed = [*stills, *(replace(frame, cut=n == 0) for n, frame in enumerate(late))]
    assert field_order_of(mixed) == field_order_of(late) == "top"


def test_combing_is_the_distance_of_a_row_from_its_neighbours():
    top, bottom = torch.zeros(3, 4), torch.full((3, 4), 0.5)
    assert combing(top, bottom) == pytest.approx(0.5)
    ramp = torch.arange(6.0).view(6, 1).expand(6, 4)
    assert combing(ramp[0::2], ramp[1::2]) == 0
