"""Pictures in stripes are the pictures as a whole."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from vidwright.nn.tile import stripes
from vidwright.nn.unet import UNet


def chain(depth: int) -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(*[nn.Conv2d(3, 3, 3, padding=1) for _ in range(depth)]).requires_grad_(False)


def striped(fn, x, *, rows: int, halo: int) -> torch.Tensor:
    parts = list(stripes(fn, x, rows=rows, halo=halo))
    assert [row for rows_of, _ in parts for row in range(rows_of.start, rows_of.stop)] == list(range(x.shape[-2]))
    return torch.cat([part for _, part in parts], dim=-2)


@pytest.mark.parametrize("height", [1, 2, 7, 8, 9, 16, 31])
@pytest.mark.parametrize("rows", [1, 4, 8])
def test_striped_equals_whole(height, rows):
    net, x = chain(3), torch.rand(2, 3, height, 11)
    torch.testing.assert_close(striped(net, x, rows=rows, halo=3), net(x), rtol=0, atol=1e-6)


def test_a_halo_that_is_too_small_shows():
    net, x = chain(3), torch.rand(1, 3, 16, 11)
    assert (striped(net, x, rows=4, halo=2) - net(x)).abs().max() > 1e-4


@pytest.mark.parametrize("height", [3, 8, 33, 41])
@pytest.mark.parametrize("rows", [4, 12])
def test_a_unet_in_stripes_of_its_strides_is_the_unet(height, rows):
    torch.manual_seed(0)
    net, x = UNet(3, 3, [4, 6, 8], depth=1).requires_grad_(False), torch.rand(1, 3, height, 11)
    torch.testing.assert_close(striped(net, x, rows=rows, halo=28), net(x), rtol=0, atol=1e-5)


@pytest.mark.parametrize("rows", [4, 5, 16, 100])
def test_no_stripe_is_higher_than_promised(rows):
    heights: list[int] = []

    def noted(x):
        heights.append(x.shape[-2])
        return x

    x = torch.rand(1, 1, 33, 2)
    assert torch.equal(striped(noted, x, rows=rows, halo=2), x)
    assert max(heights) <= rows + 4 and len(heights) == -(-33 // rows)
