"""Decoded pictures in the pixel format of an encoder, code value by code value: no trip through R'G'B'.

What only changes the depth keeps every code value apart from rounding; what changes chroma sampling or colour model
goes through `pixels`, which is exact to half a code value.
Reference: ITU-R BT.2100 (studio swing gains bits by a shift, full range by a stretch).
"""

from __future__ import annotations

from dataclasses import replace

import av
import numpy as np
import torch

from vidwright.core import Planes
from vidwright.core.colour import Colour
from vidwright.io.layout import Array, Layout, components, layouts, neighbour
from vidwright.io.pixels import colour_of, from_rgb, tag, to_rgb


def converted(frame: av.VideoFrame, *, rotation: int, pixel_format: str, colour: Colour) -> av.VideoFrame:
    """A copy of `frame`, turned by `rotation` degrees clockwise, in `pixel_format`, tagged and read as `colour`.

    `colour` has all tags; the codes are those of the frame's own range. The copy has no time and asks for no picture
    type. Raises ValueError for formats and matrices that are not in the tables.
    """
    own, wanted = layouts()[neighbour(frame.format.name)], layouts()[pixel_format]
    turns = -rotation // 90 % 4
    if not _direct(frame, own, wanted, turns) or (own.model == "yuv" and _full(frame, own) != bool(colour.full_range)):
        data = to_rgb(frame, colour_of(frame))
        return from_rgb(torch.rot90(data, turns, (-2, -1)), pixel_format=pixel_format, colour=colour)
    size = (frame.height, frame.width) if turns % 2 else (frame.width, frame.height)
    made = av.VideoFrame(*size, pixel_format)
    full = bool(colour.full_range)
    targets = components(made, wanted)[: 1 if own.model == "gray" else 3]
    for source, target in zip(components(frame, own), targets, strict=False):
        _write(np.rot90(source, turns), own, target, wanted, full=full)
    if own.model == "gray":
        for target in components(made, wanted)[1:3]:
            target[:] = 1 << (wanted.bits - 1 + wanted.shift)
    tag(made, colour)
    return made


def from_planes(planes: Planes, *, pixel_format: str) -> av.VideoFrame:
    """The picture of these code values, tagged with their colour: the inverse of `pixels.to_planes`.

    Codes of other bits than the format's are shifted (BT.2100). Raises ValueError for planes that the format has not,
    and formats that are not in the tables.
    """
    wanted, colour = layouts()[pixel_format], planes.colour
    height, width = planes.y.shape
    own = replace(wanted, bits=colour.bits, shift=0)
    made = av.VideoFrame(width, height, pixel_format)
    sources = [plane for plane in (planes.y, planes.u, planes.v) if plane is not None]
    for source, target in zip(sources, components(made, wanted), strict=True):
        if source.shape != target.shape:
            raise ValueError(f"a plane of {tuple(source.shape)} where {pixel_format} has one of {target.shape}")
        _write(source.numpy(), own, target, wanted, full=bool(colour.full_range))
    tag(made, colour.resolved(width, height))
    return made


def _direct(frame: av.VideoFrame, own: Layout, wanted: Layout, turns: int) -> bool:
    """Whether planes can be taken as they are, but for their depth."""
    if neighbour(frame.format.name) != frame.format.name or wanted.model != "yuv" or wanted.alpha:
        return False
    if own.model == "gray":
        return not own.alpha
    upright = own.halved[0] == own.halved[1] or turns % 2 == 0
    return own.model == "yuv" and own.halved == wanted.halved and upright


def _full(frame: av.VideoFrame, own: Layout) -> bool:
    return own.full_range or bool(colour_of(frame).full_range)


def _write(source: Array, own: Layout, target: Array, wanted: Layout, *, full: bool) -> None:
    codes = source >> own.shift if own.shift else source
    if wanted.bits == own.bits:
        np.left_shift(codes, wanted.shift, out=target, casting="same_kind")
    elif full:
        scale = (2**wanted.bits - 1) / (2**own.bits - 1)
        target[:] = np.rint(codes.astype(np.float32) * scale).astype(target.dtype) << wanted.shift
    elif wanted.bits > own.bits:
        np.left_shift(codes, wanted.bits - own.bits + wanted.shift, out=target, dtype=target.dtype)
    else:
        lost = own.bits - wanted.bits
        rounded = (codes.astype(np.uint32) + (1 << (lost - 1))) >> lost
        target[:] = np.minimum(rounded, 2**wanted.bits - 1).astype(target.dtype) << wanted.shift
