"""Taps of the adaptive filter: what they are made of, that rows by themselves are the whole, and classes."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from vidwright.nn import adaptive
from vidwright.nn.adaptive import (
    AROUND,
    CHROMA_TAPS,
    DIAMOND,
    LUMA_TAPS,
    activity,
    blurred,
    chroma_taps,
    classes,
    combined,
    in_rows,
    luma_taps,
    unrest,
)

RANDOM = torch.Generator().manual_seed(0)
Y = 255 * torch.rand(21, 26, generator=RANDOM)
NEAR = [Y + torch.randn(21, 26, generator=RANDOM) for _ in range(2)]


def test_there_are_as_many_as_they_say():
    assert len(list(luma_taps(Y, NEAR, 2.0))) == len(list(luma_taps(Y, [], 2.0))) == LUMA_TAPS
    assert len(list(chroma_taps(Y, NEAR, Y.expand(4, -1, -1), 2.0, 3.0))) == CHROMA_TAPS


def test_a_tap_is_the_sum_of_clipped_differences_to_two_opposite_places():
    error, (number, (dy, dx)) = 20.0, (3, DIAMOND[3])
    y, x, level = 10, 12, AROUND[1] * error
    wanted = sum(float((Y[y + s * dy, x + s * dx] - Y[y, x]).clamp(-level, level)) for s in (1, -1))
    assert float(list(luma_taps(Y, [], error))[3 * number + 1][y, x]) == pytest.approx(wanted, abs=1e-3)


def test_taps_in_time_are_clipped_differences_to_the_others():
    last = list(luma_taps(Y, NEAR, 1.0))[-1]
    wanted = sum((other - Y).clamp(-2, 2) for other in NEAR)
    assert torch.allclose(last, wanted, atol=1e-5)


def test_flat_pictures_have_nothing_to_add():
    flat = torch.full((9, 9), 77.0)
    taps = [*luma_taps(flat, [flat, flat], 1.0), *chroma_taps(flat, [flat], flat.expand(4, -1, -1), 1.0, 1.0)]
    assert not any(tap.any() for tap in taps)
    assert not activity(flat)[3:-3, 3:-3].any() and not unrest(flat, [flat]).any()


def test_means_are_those_of_torch():
    wanted = F.avg_pool2d((NEAR[0] - Y).abs()[None], 5, stride=1, padding=2)[0]
    assert torch.allclose(unrest(Y, NEAR[:1]), wanted, atol=1e-4)
    kernel = torch.tensor([1.0, 2.0, 1.0]).outer(torch.tensor([1.0, 2.0, 1.0])) / 16
    wanted = F.conv2d(F.pad(Y[None, None], (1, 1, 1, 1), mode="replicate"), kernel[None, None])[0, 0]
    assert torch.allclose(blurred(Y), wanted, atol=1e-3)
    assert not unrest(Y, []).any()


def test_each_place_has_the_coefficients_of_its_class(monkeypatch):
    monkeypatch.setattr(adaptive, "STRIPE_ROWS", 8)  # so that there are seams
    class_HW = classes(Y, [60.0, 150.0])
    assert class_HW.unique().tolist() == [0, 1, 2]
    coefficients = torch.randn(3, LUMA_TAPS, generator=RANDOM)

    def taps(rows: slice):
        inner, (own, *near) = in_rows(rows, [Y, *NEAR])
        return (tap[inner] for tap in luma_taps(own, near, 9.0))

    whole = torch.stack(list(luma_taps(Y, NEAR, 9.0)))
    wanted = (whole * coefficients[class_HW].movedim(-1, 0)).sum(dim=0)
    assert torch.allclose(combined(taps, coefficients, class_HW), wanted, atol=1e-2)
