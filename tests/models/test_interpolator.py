"""What the interpolator promises beyond the contract of all models that make frames between two."""

from __future__ import annotations

from fractions import Fraction

import pytest
import torch
from torch import Tensor

import scenes
from tiny import randomise
from vidwright.core import Frame
from vidwright.metrics.psnr import psnr
from vidwright.models.enhance.interpolator import Config, Net
from vidwright.train.interpolation import blend

SMALL = Config(channels=4, features=2, width=4)


def pan(pace: int = 3) -> list[Frame]:
    """A texture that moves by `pace` pixels a frame."""
    return [Frame(data, Fraction(n, 25)) for n, data in enumerate(scenes.scene(0, 5, (96, 64), pace))]


def decibels(frame: Frame, truth: Tensor) -> float:
    inner = (slice(None), slice(8, -8), slice(16, -16))  # what leaves the picture cannot be found in the other frame
    return psnr(frame.data[inner], truth[inner], peak=1.0)


@pytest.mark.parametrize("number", [1, 2, 3])
def test_training_starts_from_frames_moved_along_their_flow(number):
    frames = pan()
    (made,) = Net(Config()).between(frames[0], frames[4], [frames[number].time])
    (mixed,) = blend(frames[0], frames[4], [frames[number].time])
    assert decibels(made, frames[number].data) > 35 > 30 > decibels(mixed, frames[number].data)


def test_near_either_end_it_is_that_frame():
    first, second = pan()[:2]
    near, far = Net(Config()).between(first, second, [Fraction(1, 25_000), Fraction(999, 25_000)])
    assert decibels(near, first.data) > 45 and decibels(far, second.data) > 45
    assert decibels(near, second.data) < 35 and decibels(far, first.data) < 35


def test_equal_frames_have_the_same_between_them():
    frame = pan()[0]
    (made,) = Net(Config()).between(frame, Frame(frame.data, Fraction(1)), [Fraction(1, 2)])
    torch.testing.assert_close(made.data, frame.data, rtol=0, atol=1e-5)


@pytest.mark.parametrize(("low", "high"), [(0.0, 1.0), (-0.05, 1.1)])
def test_results_leave_the_nominal_range_no_further_than_the_frames(low, high):
    random = torch.Generator().manual_seed(0)
    pair = [Frame(torch.rand(3, 12, 16, generator=random) * (high - low) + low, Fraction(n)) for n in range(2)]
    (made,) = randomise(Net(SMALL)).between(*pair, [Fraction(1, 2)])
    x = torch.stack([frame.data for frame in pair])
    assert float(made.data.min()) == min(float(x.min()), 0) and float(made.data.max()) == max(float(x.max()), 1)


@pytest.mark.parametrize("change", [{"channels": 10**9}, {"features": 0}, {"width": 1}])
def test_configs_out_of_bounds_are_refused(change):
    with pytest.raises(ValueError, match=f"{next(iter(change))} must be from 2 to"):
        Config(**change)
