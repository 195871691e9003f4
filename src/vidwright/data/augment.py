"""More clips out of few: cut, turned, reversed, at another pace and in another light.

Shapes: T frames, C channels, H height, W width; pixels are 8-bit code values, as uint8 or as float32 in [0, 255]. All
but `expose` give views of what they are given. What is drawn comes from the generator alone.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from vidwright.data.seeding import integer


def crop(x_TCHW: Tensor, size: tuple[int, int], random: torch.Generator) -> Tensor:
    """The same window of `size` (height, width) of every frame. Raises `ValueError` when frames are smaller."""
    room = [have - want for have, want in zip(x_TCHW.shape[-2:], size, strict=True)]
    if min(room) < 0:
        raise ValueError(f"no window of {size} fits in {tuple(x_TCHW.shape[-2:])}")
    top, left = (integer(each + 1, random) for each in room)
    return x_TCHW[..., top : top + size[0], left : left + size[1]]


def mirror(x_TCHW: Tensor, random: torch.Generator) -> Tensor:
    """Left for right in half of all cases: what most scenes still look natural in."""
    return x_TCHW.flip(-1) if integer(2, random) else x_TCHW


def flip(x_TCHW: Tensor, random: torch.Generator) -> Tensor:
    """Left for right, top for bottom, both or neither, evenly."""
    return x_TCHW.flip([dim for dim in (-1, -2) if integer(2, random)])


def transpose(x_TCHW: Tensor, random: torch.Generator) -> Tensor:
    """Rows for columns in half of all cases; with `flip` this makes all eight ways to turn a picture."""
    return x_TCHW.mT if integer(2, random) else x_TCHW


def reverse(x_TCHW: Tensor, random: torch.Generator) -> Tensor:
    """Backwards in time in half of all cases."""
    return x_TCHW.flip(0) if integer(2, random) else x_TCHW


def excerpt(x_TCHW: Tensor, frames: int, random: torch.Generator, *, fastest: int = 1) -> Tensor:
    """`frames` frames from anywhere in the clip: each, every second, up to every `fastest`-th, as many as it has.

    Raises `ValueError` when the clip is shorter.
    """
    have = x_TCHW.shape[0]
    if not 1 <= frames <= have:
        raise ValueError(f"no {frames} frames can be taken from {have}")
    possible = fastest if frames == 1 else min(fastest, (have - 1) // (frames - 1))
    step = 1 + integer(possible, random)
    first = integer(have - (frames - 1) * step, random)
    return x_TCHW[first : first + (frames - 1) * step + 1 : step]


def light(
    frames: int, random: torch.Generator, *, stops: float = 0.5, fade: float = 0.1, flicker: float = 0.1
) -> Tensor:
    """(T,) float32 gains: a level within `stops` of 1, at times a fade from or to black, at times a flicker.

    `fade` and `flicker` are how often they are met. A fade takes the clip's whole length, a flicker has a period of 2
    to 12 frames and takes up to a fifth of the light.
    """
    level, fades, flickers, period, phase, depth, way = torch.rand(7, generator=random).tolist()
    time = torch.arange(frames, dtype=torch.float32)
    gains = torch.full((frames,), 2.0 ** (stops * (2 * level - 1)))
    if fades < fade:
        ramp = (time + 0.5) / frames
        gains = gains * (ramp if way < 0.5 else 1 - ramp)
    if flickers < flicker:
        wave = torch.sin(2 * math.pi * (time / (2 + 10 * period) + phase))
        gains = gains * (1 - 0.2 * depth * (0.5 + 0.5 * wave))
    return gains


def contrast(random: torch.Generator, *, strength: float = 0.25) -> float:
    """A gamma within a factor of 1 + `strength` of 1, up or down alike."""
    return (1 + strength) ** (2 * float(torch.rand((), generator=random)) - 1)


def expose(x_TCHW: Tensor, gains_T: Tensor, gamma: float = 1.0) -> Tensor:
    """Float code values with each frame's gain, then a gamma, applied; clipped to [0, 255]."""
    lit = (x_TCHW.float() * gains_T.view(-1, 1, 1, 1)).clamp_(0, 255)
    return lit if gamma == 1 else lit.div_(255).pow_(gamma).mul_(255)
