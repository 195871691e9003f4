"""OpenCV moves pictures as torch does."""

from __future__ import annotations

import torch
from torch.nn import functional as F

from vidwright.nn.warp import warp
from vidwright.vision.move import moved


def test_it_moves_as_warp_does():
    random = torch.Generator().manual_seed(0)
    picture = F.interpolate(255 * torch.rand(1, 1, 8, 10, generator=random), (37, 53), mode="bilinear")
    flow = 6 * torch.rand(1, 2, 37, 53, generator=random) - 3
    wanted = warp(picture, flow, mode="bicubic")[0, 0]
    found = moved(picture[0, 0], flow[0])
    assert found.dtype == torch.float32 and (found - wanted).abs().max() < 1.5  # a 64th of a pixel on steep slopes
    whole = torch.full((2, 37, 53), 2.0)
    assert torch.equal(moved(picture[0, 0], whole)[:-2, :-2], picture[0, 0, 2:, 2:])


def test_the_border_is_repeated():
    picture = torch.arange(12.0).view(3, 4)
    assert torch.equal(moved(picture, torch.full((2, 3, 4), 100.0)), torch.full((3, 4), 11.0))
