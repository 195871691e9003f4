"""Holes in single pictures."""

from __future__ import annotations

import torch

from vidwright.vision.inpaint import inpainted


def test_a_hole_in_a_slope_is_closed_and_nothing_else_is_touched() -> None:
    slope_CHW = torch.linspace(0.2, 0.8, 40).expand(3, 30, 40).clone()
    hole_HW = torch.zeros(30, 40, dtype=torch.bool)
    hole_HW[10:20, 15:25] = True
    damaged_CHW = torch.where(hole_HW, 1.0, slope_CHW)
    made_CHW = inpainted(damaged_CHW, hole_HW)
    assert torch.equal(made_CHW[:, ~hole_HW], slope_CHW[:, ~hole_HW])
    assert (made_CHW - slope_CHW).abs().max() < 0.1


def test_without_a_hole_and_with_nothing_else_it_is_the_picture_itself() -> None:
    picture_CHW = torch.rand(3, 8, 8)
    for hole_HW in (torch.zeros(8, 8, dtype=torch.bool), torch.ones(8, 8, dtype=torch.bool)):
        assert inpainted(picture_CHW, hole_HW) is picture_CHW
