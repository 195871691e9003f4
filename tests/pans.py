"""Clips of a camera that pans over something still, whose motion is therefore known in every pixel."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from vidwright.bench.natural import Clip


def pan(seed: int, frames: int = 12, size: tuple[int, int] = (96, 128), pace: int = 3) -> Tensor:
    """uint8 (T, 3, H, W) of a texture with details of many sizes, which moves `pace` pixels to the left a frame."""
    height, width = size[0], size[1] + pace * (frames - 1)
    random = torch.Generator().manual_seed(seed)
    layers = [
        F.interpolate(
            torch.rand(1, 3, height // step, width // step, generator=random), (height, width), mode="bicubic"
        )
        for step in (4, 10, 30)
    ]
    wide = torch.stack(layers).mean(0)[0].clamp(0, 1).mul(255).round().to(torch.uint8)
    return torch.stack([wide[..., pace * n : pace * n + size[1]] for n in range(frames)])


def known(frames_TCHW: Tensor, pace: int, name: str = "clip") -> Clip:
    """A clip whose camera is told and not measured."""
    cameras_T33 = torch.eye(3, dtype=torch.float64).repeat(len(frames_TCHW), 1, 1)
    cameras_T33[:, 0, 2] = -pace * torch.arange(len(frames_TCHW))
    return Clip(name, frames_TCHW, cameras_T33, pace * 240 / frames_TCHW.shape[-2])
