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


def test_across_a_cut_that_nobody_marked_the_nearer_frame_is_held():
    first, second = pan()[0], Frame(1 - pan()[0].data, Fraction(1))
    early, late = Net(Config()).between(first, second, [Fraction(2, 5), Fraction(3, 5)])
    assert torch.equal(early.data, first.data) and torch.equal(late.data, second.data)


def test_what_does_not_move_is_shown_as_it_is_beside_what_does():
    random = torch.Generator().manual_seed(0)
    scene = torch.rand(3, 48, 64, generator=random)
    first, second = scene.clone(), scene + 1 / 255
    first[:, 8:24, 40:56], second[:, 8:24, 44:60] = 1.0, 1.0
    (made,) = randomise(Net(SMALL)).between(Frame(first, Fraction(0)), Frame(second, Fraction(1)), [Fraction(1, 2)])
    still, moving = (slice(None), slice(None), slice(32)), (slice(None), slice(8, 24), slice(40, 60))
    torch.testing.assert_close(made.data[still], scene[still] + 0.5 / 255, rtol=0, atol=1e-5)
    assert (made.data[moving] - (first + second)[moving] / 2).abs().mean() > 0.05


@pytest.mark.parametrize(("low", "high"), [(0.2, 0.8), (-0.05, 1.1)])
def test_results_leave_the_nominal_range_no_further_than_the_frames(low, high):
    ramp = torch.linspace(low, high, 16).expand(3, 12, 16)
    pair = Frame(ramp, Fraction(0)), Frame(ramp - 0.03, Fraction(1))
    net = Net(SMALL)
    for residual, limit in ((100.0, max(high, 1)), (-100.0, min(low - 0.03, 0))):
        torch.nn.init.constant_(net.exit.bias, residual)
        (made,) = net.between(*pair, [Fraction(1, 2)])
        torch.testing.assert_close(made.data, torch.full_like(ramp, limit))


@pytest.mark.parametrize("change", [{"channels": 10**9}, {"features": 0}, {"width": 1}])
def test_configs_out_of_bounds_are_refused(change):
    with pytest.raises(ValueError, match=f"{next(iter(change))} must be from 2 to"):
        Config(**change)
