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


def textured(seed: int, size: tuple[int, int]) -> Tensor:
    """A picture (3, H, W) of `size` (width, height) in [0, 1] with details of many sizes."""
    random = torch.Generator().manual_seed(seed)
    sides = size[::-1]
    layers = [
        F.interpolate(torch.rand(1, 3, *(side // step for side in sides), generator=random), sides, mode="bicubic")
        for step in (4, 10, 30)
    ]
    return (2 * torch.stack(layers).mean(0)[0] - 0.5).clamp(0, 1)


def pan(seed: int, frames: int, size: tuple[int, int] = (160, 120), pace: tuple[int, int] = (2, 0)) -> Tensor:
    """(T, 3, H, W): a camera over a texture; what is at p in one frame is at p + `pace` (x, y) in the next."""
    (width, height), (dx, dy) = size, pace
    far = frames - 1
    wide = textured(seed, (width + abs(dx) * far, height + abs(dy) * far))
    lefts = [far * max(dx, 0) - dx * n for n in range(frames)]
    tops = [far * max(dy, 0) - dy * n for n in range(frames)]
    windows = zip(lefts, tops, strict=True)
    return torch.stack([wide[:, top : top + height, left : left + width] for left, top in windows])


def disc(
    frames: int, size: tuple[int, int], start: tuple[float, float], pace: tuple[float, float], radius: float
) -> Tensor:
    """(T, H, W) bool: a disc whose middle goes from `start` (x, y) on by `pace` a frame."""
    y_H1, x_1W = torch.arange(size[1])[:, None] + 0.5, torch.arange(size[0])[None] + 0.5
    middles = [(start[0] + pace[0] * n, start[1] + pace[1] * n) for n in range(frames)]
    return torch.stack([(x_1W - x) ** 2 + (y_H1 - y) ** 2 <= radius**2 for x, y in middles])


def thing(
    frames: int,
    size: tuple[int, int] = (160, 120),
    *,
    start: tuple[float, float] = (50, 60),
    pace: tuple[float, float] = (4, 1),
    radius: float = 18,
    camera: tuple[int, int] = (-1, 0),
    seed: int = 1,
) -> tuple[Tensor, Tensor]:
    """A `pan`, and over it a disc with a texture of its own that goes with it; and where that is, (T, H, W)."""
    x_TCHW, inside_THW = pan(seed, frames, size, camera), disc(frames, size, start, pace, radius)
    skin_CHW = textured(seed + 50, size)
    for n in range(frames):
        moved_CHW = skin_CHW.roll((round(pace[1] * n), round(pace[0] * n)), (1, 2))
        x_TCHW[n] = torch.where(inside_THW[n], moved_CHW, x_TCHW[n])
    return x_TCHW, inside_THW


def write(path: Path, frames_TCHW: Tensor, *, crf: int = 10, **options: str) -> Path:
    """Encode `frames_TCHW` to `path`, quickly."""
    path.parent.mkdir(parents=True, exist_ok=True)
    height, width = frames_TCHW.shape[-2:]
    info = VideoInfo(width, height, RATE, time_base=1 / RATE)
    video = Video(info, lambda: (Frame(data, n / RATE) for n, data in enumerate(frames_TCHW)))
    save_video(video, path, crf=crf, preset="ultrafast", **options)
    return path
