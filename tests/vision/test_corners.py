"""Corners are found again where they are, and those that are not are left out."""

from __future__ import annotations

import numpy as np
import torch

import scenes
from vidwright.vision import masks
from vidwright.vision.corners import Search, matched
from vidwright.vision.flow import small_grey

SIZE, SEARCH = (120, 160), Search(most=200, weakest=0.01, apart=5, window=15)
GREY_HW = small_grey(scenes.textured(1, (SIZE[1], SIZE[0])), SIZE)


def test_corners_are_where_the_picture_went() -> None:
    there, here = matched(GREY_HW, GREY_HW.roll((2, 5), (0, 1)), SEARCH, None)
    assert len(there) > 50
    assert np.abs(np.median(here - there, axis=0) - [5, 2]).max() < 0.1


def test_only_those_in_the_mask_are_looked_for() -> None:
    inside_HW = masks.box(SIZE, 40, 30, 90, 70)
    there, _ = matched(GREY_HW, GREY_HW, SEARCH, inside_HW)
    assert len(there) and all(bool(inside_HW[round(float(y)), round(float(x))]) for x, y in there)


def test_corners_that_are_hidden_in_the_other_picture_are_left_out() -> None:
    hidden_HW = masks.box(SIZE, 0, 0, 80, 120)
    other_HW = torch.where(hidden_HW, small_grey(scenes.textured(9, (SIZE[1], SIZE[0])), SIZE), GREY_HW)
    there, here = matched(GREY_HW, other_HW, SEARCH, None)
    seen = there[:, 0] > 90
    assert seen.sum() > 20 and np.abs(here - there)[seen].max() < 0.5
    assert (~seen).sum() < 0.5 * len(matched(GREY_HW, GREY_HW, SEARCH, hidden_HW)[0])


def test_a_flat_picture_has_none() -> None:
    flat_HW = torch.full(SIZE, 90, dtype=torch.uint8)
    there, here = matched(flat_HW, GREY_HW, SEARCH, None)
    assert there.shape == here.shape == (0, 2)
