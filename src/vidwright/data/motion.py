"""A camera that moves over stills and over clips: it pans, zooms and turns, smoothly and never past the edge.

Shapes: T frames, C channels, H height, W width of the picture, h and w of the view; pixels are 8-bit code values.

            picture (T, C, H, W)          camera: (T, 2, 3)
                     \\                     /
        n x n samples for each pixel of the view, cubic
                              |
                        mean of n x n   ->  (T, C, h, w)
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

#: Pixels of the picture on one of the view, at most and before zooming: more would need too many samples of each.
WIDEST = 3.0


def camera(
    picture: tuple[int, int],
    view: tuple[int, int],
    frames: int,
    random: torch.Generator,
    *,
    pan: float = 0.03,
    zoom: float = 0.02,
    turn: float = 0.01,
) -> Tensor:
    """(T, 2, 3) float64: where in a picture of (H, W) each pixel (x, y, 1) of a view of (h, w) lies.

    Pixels are counted from the middle of the first one, x before y. `pan` is the fastest way, in views per frame,
    `zoom` in octaves and `turn` in radians per frame; a way is slowed down where the picture has no room for it. The
    view is as fine as the picture or coarser, and finer only where it would not fit.
    """
    (height, width), (tall, wide) = picture, view
    angle = _drift(frames, turn, random)
    octaves = _drift(frames, zoom, random)
    cosine, sine = angle.cos(), angle.sin()
    # Half the box around the turned view, for one pixel of the picture on one of the view.
    reach = torch.stack([wide * cosine.abs() + tall * sine.abs(), tall * cosine.abs() + wide * sine.abs()]) / 2
    # Pixel centres are what is sampled: the outermost lie half a pixel inside.
    room = torch.tensor([width, height], dtype=torch.float64)[:, None] / 2
    widest = float((room / (reach * 2**octaves)).amin())
    finest = min(1.0, widest)
    base = finest * (min(max(widest, finest), WIDEST) / finest) ** _number(random)
    scale = base * 2**octaves
    free = (room - reach * scale).amin(-1).clamp(min=0)
    centres = [
        side / 2 + _placed(_drift(frames, pan * length * base, random), float(most), random)
        for side, length, most in zip((width, height), (wide, tall), free.tolist(), strict=True)
    ]
    linear = scale[:, None, None] * torch.stack([torch.stack([cosine, -sine], -1), torch.stack([sine, cosine], -1)], -2)
    middle = torch.tensor([wide / 2 - 0.5, tall / 2 - 0.5], dtype=torch.float64)
    offset = torch.stack(centres, -1) - 0.5 - linear @ middle
    return torch.cat([linear, offset[..., None]], -1)


def film(x_TCHW: Tensor, camera_T23: Tensor, view: tuple[int, int]) -> Tensor:
    """float32 (T, C, h, w) code values in [0, 255]: what the camera sees of each frame, or of one still in all.

    `x_TCHW` has as many frames as the camera, or one. Where several pixels fall on one of the view, as many samples
    are averaged, so nothing aliases.
    """
    frames = camera_T23.shape[0]
    scale = float(torch.linalg.vector_norm(camera_T23[:, :, 0], dim=-1).max())
    dense = max(1, math.ceil(scale - 0.05))
    height, width = x_TCHW.shape[-2:]
    down, across = (_samples(side, dense) for side in view)
    places = torch.stack([across.expand(len(down), -1), down[:, None].expand(-1, len(across))], -1)
    out: list[Tensor] = []
    for number, (linear, offset) in enumerate(zip(camera_T23[..., :2], camera_T23[..., 2], strict=True)):
        where = places @ linear.mT + offset
        grid = ((2 * where + 1) / torch.tensor([width, height], dtype=torch.float64) - 1).float()
        frame = x_TCHW[number if x_TCHW.shape[0] == frames else 0][None].float()
        seen = F.grid_sample(frame, grid[None], mode="bicubic", padding_mode="border", align_corners=False)
        out.append(F.avg_pool2d(seen, dense))
    return torch.cat(out).clamp_(0, 255)


def _samples(side: int, dense: int) -> Tensor:
    """Where along one side of the view samples are taken: `dense` for each pixel, evenly."""
    return (torch.arange(side * dense, dtype=torch.float64) + 0.5) / dense - 0.5


def _drift(frames: int, speed: float, random: torch.Generator) -> Tensor:
    """(T,) float64, 0 in the middle: a steady way and a slow sway, together never faster than `speed` a frame."""
    steady, sway, period, phase = torch.rand(4, generator=random, dtype=torch.float64).tolist()
    time = torch.arange(frames, dtype=torch.float64) - (frames - 1) / 2
    period = 16 + 32 * period
    swayed = torch.sin(2 * math.pi * (time / period + phase)) - math.sin(2 * math.pi * phase)
    return speed * ((2 * steady - 1) * 0.6 * time + sway * 0.4 * period / (2 * math.pi) * swayed)


def _placed(way: Tensor, most: float, random: torch.Generator) -> Tensor:
    """`way` moved to a random place, and shrunk if need be, so that it lies within `most` of 0 on both sides."""
    low, high = float(way.min()), float(way.max())
    shrink = min(1.0, 2 * most / (high - low)) if high > low else 1.0
    low, high = low * shrink, high * shrink
    return way * shrink + (-most - low) + _number(random) * (2 * most - (high - low))


def _number(random: torch.Generator) -> float:
    return float(torch.rand((), generator=random, dtype=torch.float64))
