"""The residual of a textured disc that moves by itself over a texture that a camera pans over."""

from __future__ import annotations

from functools import cache
from itertools import pairwise

import pytest
import torch
from torch import Tensor

import scenes
from vidwright.vision import masks
from vidwright.vision.camera import camera_motion
from vidwright.vision.flow import small_grey
from vidwright.vision.residual import moving, residual, shadowed, unlike, with_shadow

SIZE, FRAMES, RADIUS = (160, 120), 13, 18
EYE = torch.eye(3, dtype=torch.float64)


@cache
def scene() -> tuple[Tensor, Tensor]:
    """Pictures (T, 3, H, W) and where the disc is in them, (T, H, W)."""
    return scenes.thing(FRAMES, SIZE, start=(50, 60), pace=(4, 1), radius=RADIUS)


@cache
def looked_at() -> tuple[list[Tensor], list[Tensor], list[Tensor]]:
    """Code values, greys, and the camera's motion from each to the next."""
    x_TCHW, _ = scene()
    greys = [small_grey(picture_CHW, (SIZE[1], SIZE[0])) for picture_CHW in x_TCHW]
    return [*(x_TCHW * 255)], greys, [camera_motion(one, other) for one, other in pairwise(greys)]


def iou(one_HW: Tensor, other_HW: Tensor) -> float:
    return float((one_HW & other_HW).sum() / (one_HW | other_HW).sum())


@pytest.mark.parametrize("at", [0, 6, FRAMES - 1])
def test_the_residual_is_large_in_what_moves_by_itself_and_small_elsewhere(at: int) -> None:
    pictures, _, cameras = looked_at()
    residual_CHW, truth_HW = residual(pictures, cameras, at), scene()[1][at]
    off_HW, away_HW = residual_CHW.abs().amax(0), masks.distance(truth_HW) > 3
    assert off_HW[truth_HW].mean() > 25 and off_HW[away_HW].median() < 4
    assert iou(moving(residual_CHW), truth_HW) > 0.5


def test_the_residual_is_the_picture_less_what_lies_behind() -> None:
    """A camera that stands; what is gone in most frames is not of the background."""
    still_CHW = 255 * scenes.textured(3, SIZE)
    pictures = [still_CHW.clone() for _ in range(13)]
    pictures[6][:, 40:60, 50:80] += torch.tensor([30.0, -20, 5])[:, None, None]
    pictures[3][:, 40:60, 50:80] = 0
    residual_CHW = residual(pictures, [EYE] * 12, 6)
    assert torch.allclose(residual_CHW[:, 50, 60], torch.tensor([30.0, -20, 5]), atol=0.07)
    residual_CHW[:, 40:60, 50:80] = 0
    assert residual_CHW.abs().max() < 0.07  # a sixteenth is what is kept of a code value


def test_one_picture_has_no_residual() -> None:
    pictures = looked_at()[0]
    assert not residual(pictures[:1], [], 0).any()
    assert residual([pictures[0]] * 9, [EYE] * 8, 4).abs().max() < 0.07


def test_the_background_is_the_lower_median_of_the_pictures_that_show_a_place() -> None:
    """A camera that goes on by 40 pixels a frame: few others show a place, and near a side hardly any."""
    wide_CHW = 200 * scenes.textured(5, (160 + 12 * 40, 120))
    random = torch.Generator().manual_seed(2)
    pictures = [wide_CHW[..., 40 * n : 40 * n + 160] + torch.rand(3, 1, 1, generator=random) * 40 for n in range(13)]
    shift_33 = torch.tensor([[1, 0, -40], [0, 1, 0], [0, 0, 1]], dtype=torch.float64)
    found_CHW = residual(pictures, [shift_33] * 12, 6)
    only_CHW = pictures[6][:, :, :40] - pictures[3][:, :, 120:]  # frame 3 alone shows what is at the left side
    assert torch.allclose(found_CHW[:, :, :39], only_CHW[:, :, :39], atol=0.1)
    assert not found_CHW[:, :, 41:119].any()  # and none the middle


def test_how_much_a_pixel_differs_is_measured_by_the_whole_picture() -> None:
    noise_CHW = 5 * torch.randn(3, 120, 160, generator=torch.Generator().manual_seed(1))
    noise_CHW[1, 40:60, 50:80] -= 60
    thing_HW = masks.box((120, 160), 51, 41, 79, 59)
    unlike_HW = unlike(noise_CHW)
    assert torch.allclose(unlike(3 * noise_CHW), unlike_HW, atol=1e-4)
    assert unlike_HW[thing_HW].min() > 1.5 and unlike_HW[masks.distance(thing_HW) > 3].mean() < 0.8
    assert unlike(noise_CHW / 100).max() < 0.5  # less than anyone sees


def test_a_little_noise_does_not_move() -> None:
    noise_CHW = 2 * torch.randn(3, 120, 160, generator=torch.Generator().manual_seed(1))
    assert not moving(noise_CHW).any()
    noise_CHW[1, 40:60, 50:80] -= 40
    assert iou(moving(noise_CHW), masks.box((120, 160), 50, 40, 80, 60)) > 0.97
    rough_CHW = torch.full((3, 120, 160), 20.0)  # where everything differs, only what differs much more moves
    rough_CHW[:, 40:60, 50:80] = 60
    assert not moving(rough_CHW).any()


def test_a_shadow_makes_all_colours_darker_alike() -> None:
    residual_CHW, moving_HW = torch.zeros(3, 10, 10), torch.ones(10, 10, dtype=torch.bool)
    kinds = {0: (-40, -50, -30), 1: (40, 50, 30), 2: (-90, -20, -30), 3: (-40, -50, 5), 4: (-40, -50, -30)}
    for column, colour in kinds.items():
        residual_CHW[:, :, column] = torch.tensor(colour).float()[:, None]
    moving_HW[:, 4] = False
    assert shadowed(residual_CHW, moving_HW).any(0).tolist() == [True] + 9 * [False]


def test_a_shadow_belongs_to_the_thing_that_it_touches_and_ends_somewhere() -> None:
    size = (60, 120)
    mask_HW, shadow_HW = masks.box(size, 20, 20, 30, 30), masks.box(size, 22, 32, 110, 40)
    other_HW = masks.box(size, 20, 5, 30, 10)  # near enough, but beside it
    found_HW = with_shadow(mask_HW, shadow_HW | other_HW)
    assert torch.equal(found_HW & ~shadow_HW, mask_HW)
    assert (found_HW & shadow_HW)[:, :40].sum() > 100 and not found_HW[:, 45:].any()  # as far as it is large
    assert not with_shadow(torch.zeros(size, dtype=torch.bool), shadow_HW).any()
