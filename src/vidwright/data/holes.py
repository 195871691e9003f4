"""Holes in video, drawn at random: what someone might want gone, as masks that stand still or move.

A shape is a function that says how far out a place lies; a hole is where that is below what makes its area the one that
was asked for. So a hole keeps its area wherever in the picture it lies.

Shapes: T frames, H height, W width, S segments.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

#: A rectangle, an ellipse, a free brush stroke, an outline with limbs, and the border of a picture that is to grow.
KINDS = ("box", "ellipse", "stroke", "blob", "border")

#: How far out places (x, y) lie, in pixels from the picture's middle; less is further in.
Shape = Callable[[Tensor, Tensor], Tensor]

#: How much longer than wide a shape is at most.
LONGEST = 2.5
#: Bends of a brush stroke, the fewest and the most.
BENDS = (2, 6)
#: Waves around an outline, the fewest and the most, and how far they go in and out.
WAVES, WAVING = (2, 6), 0.45


def hole(
    kind: str, size: tuple[int, int], area: float, random: torch.Generator, steps: Sequence[tuple[float, float]] = ()
) -> Tensor:
    """A hole of one of `KINDS` in pictures of (H, W), bool (T, 1, H, W): it covers `area` of the first, 0 to 1.

    `steps` are its places (right, down) in further frames, in pixels from where it is in the first. Raises `ValueError`
    for another kind and an area out of range.
    """
    if not 0 < area < 1:
        raise ValueError(f"a hole covers from 0 to 1 of a picture, not {area}")
    height, width = size
    y_HW, x_HW = torch.meshgrid(_centred(height), _centred(width), indexing="ij")
    shape = _shape(kind, size, random)
    first_HW = shape(x_HW, y_HW)
    depth = first_HW.flatten().kthvalue(max(round(area * height * width), 1)).values
    moved = [first_HW, *(shape(x_HW - right, y_HW - down) for right, down in steps)]
    return (torch.stack(moved) <= depth)[:, None]


def _shape(kind: str, size: tuple[int, int], random: torch.Generator) -> Shape:
    height, width = size
    if kind == "border":
        return _border(size, random)
    place = [(_unit(random) - 0.5) * side for side in (width, height)]
    if kind == "stroke":
        return _stroke(place, min(size), random)
    return _turned(_outline(kind, random), place, random)


def _outline(kind: str, random: torch.Generator) -> Shape:
    """A shape around (0, 0), longer than wide."""
    stretch = LONGEST ** (_unit(random) / 2)
    if kind == "box":
        return lambda x, y: torch.maximum((x / stretch).abs(), (y * stretch).abs())
    if kind == "ellipse":
        return lambda x, y: torch.hypot(x / stretch, y * stretch)
    if kind != "blob":
        raise ValueError(f"there is no hole {kind!r}: {', '.join(KINDS)}")
    waves = range(WAVES[0], WAVES[1] + 1)
    drawn = torch.rand(2, len(waves), generator=random).tolist()

    def blob(x: Tensor, y: Tensor) -> Tensor:
        angle = torch.atan2(y, x)
        radius = torch.ones_like(x)
        for wave, size, phase in zip(waves, *drawn, strict=True):
            radius += WAVING * size / wave**0.5 * torch.cos(wave * angle + 2 * math.pi * phase)
        return torch.hypot(x / stretch, y * stretch) / radius.clamp(min=0.2)

    return blob


def _turned(shape: Shape, place: Sequence[float], random: torch.Generator) -> Shape:
    """The shape at a place and by an angle; in half of all cases upright or on its side."""
    upright, angle = torch.rand(2, generator=random).tolist()
    angle = math.pi / 2 * round(angle) if upright < 0.5 else math.pi * angle
    cos, sin, (right, down) = math.cos(angle), math.sin(angle), place
    return lambda x, y: shape(cos * (x - right) + sin * (y - down), cos * (y - down) - sin * (x - right))


def _stroke(place: Sequence[float], side: int, random: torch.Generator) -> Shape:
    """The distance from a line of some bends that begins at a place and mostly keeps its direction."""
    bends = BENDS[0] + int(torch.randint(BENDS[1] - BENDS[0] + 1, (), generator=random))
    turns_S = torch.cat([torch.rand(1, generator=random) * 2, torch.randn(bends, generator=random) * 0.35])
    angles_S = math.pi * turns_S.cumsum(0)
    lengths_S = side * (0.1 + 0.3 * torch.rand(bends + 1, generator=random))
    x_S = place[0] + (lengths_S * angles_S.cos()).cumsum(0)
    y_S = place[1] + (lengths_S * angles_S.sin()).cumsum(0)
    points = [(place[0], place[1]), *zip(x_S.tolist(), y_S.tolist(), strict=True)]

    def stroke(x: Tensor, y: Tensor) -> Tensor:
        distances = [_distance(x, y, *ends) for ends in itertools.pairwise(points)]
        return torch.stack(distances).amin(dim=0)

    return stroke


def _distance(x: Tensor, y: Tensor, one: tuple[float, float], other: tuple[float, float]) -> Tensor:
    """How far places are from the line between two points, which are not the same."""
    across, down = other[0] - one[0], other[1] - one[1]
    along = ((x - one[0]) * across + (y - one[1]) * down) / (across**2 + down**2)
    along = along.clamp(0, 1)
    return torch.hypot(x - one[0] - along * across, y - one[1] - along * down)


def _border(size: tuple[int, int], random: torch.Generator) -> Shape:
    """The distance from one side of the picture, or from two that face one another."""
    height, width = size
    side, facing = int(torch.randint(4, (), generator=random)), _unit(random) < 0.5
    sign = 1 - 2 * (side // 2)

    def border(x: Tensor, y: Tensor) -> Tensor:
        along, half = (x, width / 2) if side % 2 else (y, height / 2)
        return half - along.abs() if facing else half - sign * along

    return border


def _centred(side: int) -> Tensor:
    return torch.arange(side, dtype=torch.float32) - (side - 1) / 2


def _unit(random: torch.Generator) -> float:
    return float(torch.rand((), generator=random))
