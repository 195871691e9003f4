"""Following a textured disc that moves by itself over a texture that a camera pans over."""

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
from vidwright.vision.following import begun, followed, moving, residual, shadowed, with_shadow

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
    greys = [small_grey(picture_CHW, SIZE[::-1]) for picture_CHW in x_TCHW]
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
    assert torch.allclose(residual_CHW[:, 50, 60], torch.tensor([30.0, -20, 5]), atol=1e-3)
    residual_CHW[:, 40:60, 50:80] = 0
    assert residual_CHW.abs().max() < 1e-3


def test_one_picture_has_no_residual() -> None:
    pictures = looked_at()[0]
    assert not residual(pictures[:1], [], 0).any()
    assert not residual([pictures[0]] * 9, [EYE] * 8, 4).any()


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


def test_of_a_box_what_moves_in_it_is_followed() -> None:
    pictures, _, cameras = looked_at()
    truth_HW = scene()[1][6]
    key_HW = masks.bounds(masks.grown(truth_HW, 3))
    found_HW = begun(key_HW, moving(residual(pictures, cameras, 6)))
    assert iou(found_HW, truth_HW) > 0.8 > iou(key_HW, truth_HW)
    assert not (found_HW & ~key_HW).any()


def test_of_a_box_in_which_nothing_moves_the_middle_is_followed() -> None:
    key_HW, nothing_HW = masks.box((120, 160), 40, 30, 76, 66), torch.zeros(120, 160, dtype=torch.bool)
    found_HW = begun(key_HW, nothing_HW)
    assert torch.equal(found_HW, masks.box((120, 160), 46, 36, 70, 60))


def test_a_mask_that_is_no_box_is_followed_as_it_was_drawn() -> None:
    key_HW = masks.ellipse((120, 160), 60, 60, 20, 12)
    assert begun(key_HW, torch.ones_like(key_HW)) is key_HW
    empty_HW = torch.zeros_like(key_HW)
    assert not begun(empty_HW, key_HW).any()


def test_the_disc_is_followed_from_frame_to_frame() -> None:
    pictures, greys, cameras = looked_at()
    mask_HW, found = scene()[1][0], []
    for n in range(1, FRAMES):
        mask_HW = followed(mask_HW, greys[n - 1], greys[n], moving(residual(pictures, cameras, n)))
        found.append(iou(mask_HW, scene()[1][n]))
    assert min(found) > 0.75 and sum(found) / len(found) > 0.85


def test_without_a_residual_the_mask_goes_on_as_the_flow_says() -> None:
    """Four pixels to the right and one down a frame; nothing to see of it in the residual."""
    _, greys, _ = looked_at()
    mask_HW, nothing_HW = scene()[1][2], torch.zeros(120, 160, dtype=torch.bool)
    for n in range(3, 8):
        mask_HW = followed(mask_HW, greys[n - 1], greys[n], nothing_HW)
    assert iou(mask_HW, scene()[1][7]) > 0.85


def test_the_rim_goes_where_the_residual_has_it_and_no_further_than_that_is_near() -> None:
    grey_HW = torch.full((120, 160), 100, dtype=torch.uint8)  # nothing moves here at all
    mask_HW, truth_HW = masks.ellipse((120, 160), 80, 60, 20, 20), masks.ellipse((120, 160), 80, 60, 21, 21)
    elsewhere_HW = masks.ellipse((120, 160), 140, 60, 10, 10)
    found_HW = followed(mask_HW, grey_HW, grey_HW, truth_HW | elsewhere_HW)
    assert iou(found_HW, truth_HW) > 0.97
    assert not (found_HW & elsewhere_HW).any()
    torn_HW = truth_HW & ~masks.box((120, 160), 70, 55, 90, 65)
    assert iou(followed(mask_HW, grey_HW, grey_HW, torn_HW), truth_HW) > 0.97  # it looks like what is behind it


def test_where_everything_around_moves_as_well_the_residual_says_nothing() -> None:
    grey_HW = torch.full((120, 160), 100, dtype=torch.uint8)
    mask_HW = masks.ellipse((120, 160), 80, 60, 20, 20)
    assert torch.equal(followed(mask_HW, grey_HW, grey_HW, ~mask_HW), mask_HW)
    inner_HW = masks.ellipse((120, 160), 80, 60, 8, 8)  # 16 % of it: less than what stands may show
    assert torch.equal(followed(mask_HW, grey_HW, grey_HW, inner_HW), mask_HW)


def test_what_stands_still_is_not_taken_along_by_what_passes_close_to_it() -> None:
    grey_HW = torch.full((120, 160), 100, dtype=torch.uint8)
    mask_HW = start_HW = masks.ellipse((120, 160), 60, 60, 14, 14)
    for n in range(30):
        mask_HW = followed(mask_HW, grey_HW, grey_HW, masks.ellipse((120, 160), 10 + 4 * n, 78, 12, 12))
    assert iou(mask_HW, start_HW) > 0.9


@pytest.mark.parametrize(("right", "down"), [(3, 0), (-3, 2), (0, -3)])
def test_a_mask_that_flow_has_lost_by_a_few_pixels_settles_where_most_moves(right: int, down: int) -> None:
    grey_HW = torch.full((120, 160), 100, dtype=torch.uint8)
    mask_HW, truth_HW = (masks.box((120, 160), 40 + x, 40 + y, 70 + x, 60 + y) for x, y in ((0, 0), (right, down)))
    assert iou(followed(mask_HW, grey_HW, grey_HW, truth_HW), truth_HW) > 0.97


def test_nothing_is_followed_as_nothing() -> None:
    grey_HW, nothing_HW = looked_at()[1][0], torch.zeros(120, 160, dtype=torch.bool)
    assert not followed(nothing_HW, grey_HW, grey_HW, ~nothing_HW).any()
