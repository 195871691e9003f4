"""Poses: a textured piece of a picture that is turned, scaled and shifted is found where it went."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

import scenes
from vidwright.vision import masks, pose
from vidwright.vision.flow import small_grey

SIZE = (120, 160)
INSIDE_HW = masks.ellipse(SIZE, 80, 60, 35, 30)
GREY_HW, OTHER_HW = (small_grey(scenes.textured(seed, (SIZE[1], SIZE[0])), SIZE) for seed in (1, 9))


def turned(angle: float, scale: float, right: float, down: float) -> Tensor:
    """Around the middle of the picture."""
    a, b = scale * math.cos(angle), scale * math.sin(angle)
    x, y = 79.5, 59.5
    return torch.tensor([[a, -b, x - a * x + b * y + right], [b, a, y - b * x - a * y + down]], dtype=torch.float64)


@pytest.mark.parametrize("true_23", [turned(0, 1, 9, -4), turned(0.1, 1.05, 3, 2), turned(-0.15, 0.95, 0, 0)])
def test_a_piece_is_found_where_it_went_though_all_around_it_goes_elsewhere(true_23: Tensor) -> None:
    went_HW = pose.carried(GREY_HW[None], true_23)[0].round().byte()
    after_HW = torch.where(pose.carried_mask(INSIDE_HW, true_23), went_HW, OTHER_HW)
    found_23 = pose.moved(torch.where(INSIDE_HW, GREY_HW, OTHER_HW.roll(7, 1)), after_HW, INSIDE_HW)
    assert found_23 is not None
    corners_3N = torch.tensor([[50.0, 110, 80, 80], [60, 60, 35, 85], [1, 1, 1, 1]]).double()
    assert ((found_23 - true_23) @ corners_3N).abs().max() < 0.7


def test_what_is_flat_small_or_elsewhere_says_nothing() -> None:
    flat_HW = torch.full(SIZE, 90, dtype=torch.uint8)
    assert pose.moved(flat_HW, GREY_HW, INSIDE_HW) is None
    assert pose.moved(GREY_HW, GREY_HW, masks.ellipse(SIZE, 80, 60, 3, 3)) is None
    assert pose.moved(GREY_HW, torch.from_numpy(GREY_HW.numpy()[::-1, ::-1].copy()), INSIDE_HW) is None


def test_poses_follow_each_other_and_lead_back() -> None:
    one_23, other_23 = turned(0.2, 1.1, 5, 3), turned(-0.1, 0.9, -8, 4)
    point_3 = torch.tensor([30.0, 40, 1]).double()
    by_steps_2 = other_23 @ torch.cat([one_23 @ point_3, point_3[2:]])
    assert torch.allclose(pose.after(other_23, one_23) @ point_3, by_steps_2)
    assert torch.allclose(pose.after(pose.inverse(one_23), one_23), pose.still())
    assert torch.allclose(
        pose.shifted(one_23, torch.tensor([2, -3])) @ point_3, one_23 @ point_3 + torch.tensor([2.0, -3])
    )


def test_pictures_and_masks_are_carried_alike() -> None:
    way_23 = turned(0, 1, 12, 5)
    assert torch.equal(pose.carried_mask(INSIDE_HW, way_23), masks.ellipse(SIZE, 92, 65, 35, 30))
    moved_CHW = pose.carried(torch.stack([GREY_HW, OTHER_HW]), way_23)
    assert torch.equal(moved_CHW[:, 5:, 12:], torch.stack([GREY_HW, OTHER_HW])[:, :-5, :-12].float())
    assert torch.equal(moved_CHW[0, 0, 12:], GREY_HW[0, :-12].float())  # its border goes on
    assert not pose.carried_mask(masks.box(SIZE, 0, 0, 20, 20), way_23)[0].any()


@pytest.mark.parametrize(("right", "down"), [(3, 0), (-2, 3), (0, 0)])
def test_a_form_is_shifted_to_where_scores_are_highest(right: int, down: int) -> None:
    form_HW = INSIDE_HW.float() - (masks.grown(INSIDE_HW, 4) & ~INSIDE_HW).float()
    score_HW = masks.ellipse(SIZE, 80 + right, 60 + down, 35, 30).float() * 2 - 1
    assert pose.settling(score_HW, form_HW, 3, 0.0) == (right, down)
    assert pose.settling(score_HW, form_HW, 3, 1e6) == (0, 0)
    assert pose.settling(torch.zeros(SIZE), form_HW, 3, 1.0) == (0, 0)
