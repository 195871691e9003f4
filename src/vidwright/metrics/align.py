"""Bring two pictures to one depth, size and chroma sampling, and say what was done.

Shape suffixes: H rows, W columns.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from vidwright.core import Colour, Planes


@dataclass(frozen=True, slots=True)
class Pair:
    """Planes of A and B that can be subtracted: code values on the scale 0..`peak`, chroma empty when one has none.

    Where one was brought to more bits, `peak` is what its own became, so that depth by itself gains nothing.
    `notes` name every change that was made, in words for the user.
    """

    luma: tuple[Tensor, Tensor]
    chroma: tuple[tuple[Tensor, Tensor], ...]
    peak: float
    notes: tuple[str, ...]


def align(a: Planes, b: Planes) -> Pair:
    """Bring the lesser of two pictures to the greater: bit depth first, then size by Lanczos.

    Equal formats pass through untouched. Luma (H, W) of both sides has one shape, so has each chroma plane.
    """
    notes = [*_colour_notes(_resolved(a), _resolved(b))]
    bits = max(a.colour.bits, b.colour.bits)
    if a.colour.bits != b.colour.bits:
        notes.append(f"A has {a.colour.bits} bits, B {b.colour.bits}: compared at {bits} bits")
    if a.y.shape != b.y.shape:
        notes.append(
            f"A is {_size(a.y)}, B {_size(b.y)}: the smaller was enlarged by Lanczos first, "
            "so the figures say how far the two lie apart, not how faithful B is"
        )
    luma = _match(_deepen(a.y, a.colour, bits), _deepen(b.y, b.colour, bits), bits)
    lesser = min(a.colour, b.colour, key=lambda colour: colour.bits)
    return Pair(luma, tuple(_chroma(a, b, bits, notes)), (2.0**lesser.bits - 1) * lesser.gain(bits), tuple(notes))


def _chroma(a: Planes, b: Planes, bits: int, notes: list[str]) -> list[tuple[Tensor, Tensor]]:
    planes_a, planes_b = [p for p in (a.u, a.v) if p is not None], [p for p in (b.u, b.v) if p is not None]
    if len(planes_a) != len(planes_b):
        notes.append(f"{'B' if planes_a else 'A'} has no colour: only luma was compared")
        return []
    if planes_a and a.y.shape == b.y.shape and planes_a[0].shape != planes_b[0].shape:
        notes.append("the chroma sampling differs: the coarser chroma was enlarged by Lanczos first")
    return [
        _match(_deepen(p, a.colour, bits), _deepen(q, b.colour, bits), bits)
        for p, q in zip(planes_a, planes_b, strict=True)
    ]


def _deepen(plane: Tensor, colour: Colour, bits: int) -> Tensor:
    """Studio swing gains bits by a shift, full range by a stretch (ITU-R BT.2100): white must stay white."""
    if colour.bits == bits:
        return plane
    return plane.to(torch.float32) * colour.gain(bits)


def _match(a: Tensor, b: Tensor, bits: int) -> tuple[Tensor, Tensor]:
    if a.shape == b.shape:
        return a, b
    height, width = max(a.shape[0], b.shape[0]), max(a.shape[1], b.shape[1])
    return _enlarge(a, height, width, bits), _enlarge(b, height, width, bits)


def _enlarge(plane_HW: Tensor, height: int, width: int, bits: int) -> Tensor:
    if plane_HW.shape == (height, width):
        return plane_HW
    x_BCHW = plane_HW.to(torch.float32)[None, None]
    large = F.interpolate(x_BCHW, size=(height, width), mode="lanczos", antialias=True)
    return large[0, 0].clamp_(0, 2.0**bits - 1)


def _resolved(planes: Planes) -> Colour:
    return planes.colour.resolved(int(planes.y.shape[1]), int(planes.y.shape[0]))


def _colour_notes(a: Colour, b: Colour) -> list[str]:
    notes: list[str] = []
    if a.full_range != b.full_range:
        notes.append(f"A has {_range(a)} levels, B {_range(b)}: code values were compared as they are, not the light")
    if (a.matrix, a.transfer) != (b.matrix, b.transfer):
        notes.append("A and B are in different colour spaces: code values were compared as they are, not the colours")
    return notes


def _range(colour: Colour) -> str:
    return "full-range" if colour.full_range else "studio-range"


def _size(plane: Tensor) -> str:
    return f"{plane.shape[1]}x{plane.shape[0]}"
