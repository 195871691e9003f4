"""Warping reads from where the flow points to."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from vidwright.nn.warp import inside, warp


def constant_flow(dx: float, dy: float, height: int, width: int) -> torch.Tensor:
    return torch.tensor([dx, dy]).view(1, 2, 1, 1).expand(1, 2, height, width)


def ramp(height: int, width: int) -> torch.Tensor:
    """3x - 2y + 5, which bilinear interpolation reproduces between the pixels."""
    y_HW, x_HW = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    return (3.0 * x_HW - 2.0 * y_HW + 5.0)[None, None]


@given(dx=st.integers(-20, 20), dy=st.integers(-12, 12))
@settings(max_examples=30, deadline=None)
def test_a_whole_shift_moves_pixels_unchanged_and_repeats_the_border(dx, dy):
    x = torch.rand(1, 3, 8, 16, generator=torch.Generator().manual_seed(0))
    rows = (torch.arange(8) + dy).clamp(0, 7)
    columns = (torch.arange(16) + dx).clamp(0, 15)
    assert torch.equal(warp(x, constant_flow(dx, dy, 8, 16)), x[..., rows, :][..., columns])


@pytest.mark.parametrize(("height", "width"), [(7, 11), (1, 1), (37, 1919)])
def test_no_flow_changes_nothing_at_any_size(height, width):
    x = torch.rand(2, 2, height, width)
    torch.testing.assert_close(warp(x, torch.zeros(2, 2, height, width)), x, rtol=0, atol=1e-3)


def test_between_pixels_a_ramp_is_read_exactly():
    height, width = 9, 13
    generator = torch.Generator().manual_seed(3)
    flow = torch.rand(1, 2, height, width, generator=generator) * 12 - 6
    y_HW, x_HW = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    x_read = (x_HW + flow[:, 0]).clamp(0, width - 1)
    y_read = (y_HW + flow[:, 1]).clamp(0, height - 1)
    expected = (3 * x_read - 2 * y_read + 5)[:, None]
    torch.testing.assert_close(warp(ramp(height, width), flow), expected, rtol=0, atol=1e-4)


def test_bicubic_keeps_what_bilinear_blurs():
    x_HW = torch.sin(torch.arange(32) * 1.2).expand(8, 32)
    wanted_HW = torch.sin((torch.arange(32) + 0.5) * 1.2).expand(8, 32)
    flow = constant_flow(0.5, 0, 8, 32)
    linear, cubic = (
        (warp(x_HW[None, None], flow, mode=mode)[0, 0] - wanted_HW)[:, 2:-2].abs().max()
        for mode in ("bilinear", "bicubic")
    )
    assert cubic < linear / 3
    assert torch.equal(
        warp(x_HW[None, None], constant_flow(3, 0, 8, 32), mode="bicubic")[..., :-4], x_HW[None, None, :, 3:-1]
    )


def test_the_gradient_of_the_flow_is_the_slope_of_the_picture():
    flow = torch.full((1, 2, 6, 6), 0.25, requires_grad=True)
    warp(ramp(6, 6), flow)[..., :-1, :-1].sum().backward()
    assert flow.grad is not None
    torch.testing.assert_close(flow.grad[0, 0, :-1, :-1], torch.full((5, 5), 3.0), rtol=0, atol=1e-4)
    torch.testing.assert_close(flow.grad[0, 1, :-1, :-1], torch.full((5, 5), -2.0), rtol=0, atol=1e-4)


def test_bf16_pictures_are_read_at_the_right_place_far_to_the_right():
    x = torch.arange(1024).remainder(7).view(1, 1, 1, 1024).bfloat16()
    with torch.autocast("cpu", torch.bfloat16):
        moved = warp(x, constant_flow(-3, 0, 1, 1024).bfloat16())
    assert moved.dtype is torch.bfloat16
    assert torch.equal(moved[..., 3:], x[..., :-3])


def test_inside_is_false_exactly_where_the_border_is_repeated():
    x_inside = inside(constant_flow(2, -1, 4, 6))
    assert x_inside.shape == (1, 1, 4, 6)
    expected = torch.zeros(1, 1, 4, 6, dtype=torch.bool)
    expected[..., 1:, :-2] = True
    assert torch.equal(x_inside, expected)
    assert inside(torch.zeros(2, 2, 3, 5)).all()
