"""Clips that differ from each other as real ones do: a texture of its own for each scene, seen by a moving camera."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

from vidwright.core import Frame, Video, VideoInfo
from vidwright.io import save_video

RATE = Fraction(25)


def scene(seed: int, frames: int, size: tuple[int, int] = (64, 48), pace: int = 1) -> Tensor:
    """(T, 3, H, W) float32 in [0, 1] at `size` (width, height): the texture moves by `pace` pixels a frame."""
    width, height = size
    random = torch.Generator().manual_seed(seed)
    coarse = torch.rand(1, 3, 6, 8, generator=random)
    wide = F.interpolate(coarse, (height, width + pace * frames), mode="bicubic")[0].clamp(0, 1)
    return torch.stack([wide[..., pace * n : pace * n + width] for n in range(frames)])


def write(path: Path, frames_TCHW: Tensor, *, crf: int = 10, **options: str) -> Path:
    """Encode `frames_TCHW` to `path`, quickly."""
    path.parent.mkdir(parents=True, exist_ok=True)
    height, width = frames_TCHW.shape[-2:]
    info = VideoInfo(width, height, RATE, time_base=1 / RATE)
    video = Video(info, lambda: (Frame(data, n / RATE) for n, data in enumerate(frames_TCHW)))
    save_video(video, path, crf=crf, preset="ultrafast", **options)
    return path
