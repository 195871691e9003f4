"""Decoded pictures with those before and after them, moved to where they have the same things.

Shapes: H rows and W columns of chroma; luma has twice as many of each, or one less.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property

import torch
from torch import Tensor
from torch.nn import functional as F

from vidwright.core import Planes
from vidwright.nn.adaptive import activity, blurred, chroma_taps, in_rows, luma_taps, unrest
from vidwright.vision.flow import Preset, optical_flow
from vidwright.vision.move import moved

#: Pictures on either side that are looked at.
RADIUS = 1
#: How thorough the search is: decoded luma gains 0.158 dB by "light" and 0.132 by "fast", at CRF 50 of AV1.
SEARCH: Preset = "light"
#: Bits of the code values that filters work with.
BITS = 8

#: Y, u and v as floats.
Yuv = tuple[Tensor, Tensor, Tensor]


class Seen:
    """A picture's planes in code values of 8 bits, and motion from it to the picture before and back."""

    def __init__(self, planes: Yuv, before: Seen | None) -> None:
        self.planes = planes
        self._small = _reduced(planes[0])
        self.back = None if before is None else _motion(self._small, before._small)
        self.forth = None if before is None else _motion(before._small, self._small)


class Place:
    """The middle picture of three, with the others moved onto it; at the ends of a shot there is one less of them.

    `errors` are the RMS errors of its planes.
    """

    def __init__(self, window: Sequence[Seen], errors: Sequence[float]) -> None:
        before, middle, after = window
        self.planes, self.errors = middle.planes, errors
        self.near: list[Yuv] = []
        if before is not middle and middle.back is not None:
            self.near.append(_moved(before.planes, middle.back))
        if after is not middle and after.forth is not None:
            self.near.append(_moved(after.planes, after.forth))
        self._active = activity(middle.planes[0])

    def taps(self, plane: int) -> Callable[[slice], Iterator[Tensor]]:
        """What may be added to some rows of a plane (0 to 2: y, u, v), anew at each call."""
        whole = [self.planes[plane], *(each[plane] for each in self.near)]
        error, luma_error = self.errors[plane], self.errors[0]
        luma = [] if plane == 0 else [self._luma_phases]

        def at(rows: slice) -> Iterator[Tensor]:
            inner, (own, *others) = in_rows(rows, whole + luma)
            near = others[: len(self.near)]
            taps = chroma_taps(own, near, others[-1], error, luma_error) if luma else luma_taps(own, near, error)
            return (tap_HW[inner] for tap_HW in taps)

        return at

    def all_taps(self, plane: int) -> Tensor:
        """All that may be added to a plane, (K, H, W)."""
        return torch.stack(list(self.taps(plane)(slice(0, len(self.planes[plane])))))

    def activity(self, plane: int) -> Tensor:
        """How much goes on in luma around each place of a plane."""
        return self._active if plane == 0 else self._active_of_chroma

    @cached_property
    def _luma_phases(self) -> Tensor:
        return _phases(self.planes[0], self.planes[1])

    @cached_property
    def _active_of_chroma(self) -> Tensor:
        return _phases(self._active, self.planes[1]).mean(dim=0)

    def unrest(self, plane: int) -> Tensor:
        """How little each place of a plane is like itself before and after."""
        return unrest(self.planes[plane], [each[plane] for each in self.near])


def in_codes(planes: Planes) -> Yuv:
    """Planes in code values of 8 bits, as floats. Raises `ValueError` for what is not 4:2:0."""
    y, u, v = planes.y, planes.u, planes.v
    half = -(-y.shape[0] // 2), -(-y.shape[1] // 2)
    if u is None or v is None or u.shape != half or v.shape != half:
        raise ValueError("not 4:2:0")
    by = planes.colour.gain(BITS)
    return y.float() * by, u.float() * by, v.float() * by


def difference(a: Yuv, b: Yuv) -> Yuv:
    """What is missing of `b` to be `a`."""
    return a[0] - b[0], a[1] - b[1], a[2] - b[2]


def rms(missing: Sequence[Yuv]) -> list[float]:
    """The RMS errors of y, u and v over pictures of one size."""
    return [
        math.sqrt(math.fsum(float(each.square().mean()) for each in planes) / len(planes))
        for planes in zip(*missing, strict=True)
    ]


def _reduced(y_HW: Tensor) -> Tensor:
    """What motion is found on: luma at the size of chroma, a little smoothed, (1, H, W)."""
    height, width = y_HW.shape
    even_HW = F.pad(y_HW[None], (0, width % 2, 0, height % 2), mode="replicate")[0]
    pairs_HW = even_HW[::2] + even_HW[1::2]
    small_HW = pairs_HW[:, ::2] + pairs_HW[:, 1::2]
    return blurred(small_HW).div_(4 * (2**BITS - 1))[None]


def _motion(one_1HW: Tensor, other_1HW: Tensor) -> Tensor:
    """Flow (2, H, W) from one reduced picture to another, in their pixels."""
    return optical_flow(one_1HW, other_1HW, preset=SEARCH)


def _moved(planes: Yuv, flow_2HW: Tensor) -> Yuv:
    """All planes of a picture along a flow to it."""
    y, u, v = planes
    height, width = y.shape
    luma_flow = F.interpolate(2 * flow_2HW[None], scale_factor=2, mode="bilinear")[..., :height, :width]
    return moved(y, luma_flow[0]), moved(u, flow_2HW), moved(v, flow_2HW)


def _phases(y_HW: Tensor, c_HW: Tensor) -> Tensor:
    """The four phases (4, H, W) of luma, or of what has its size, at the size of chroma."""
    rows, columns = 2 * c_HW.shape[0] - y_HW.shape[0], 2 * c_HW.shape[1] - y_HW.shape[1]
    return F.pixel_unshuffle(F.pad(y_HW[None], (0, columns, 0, rows), mode="replicate"), 2)
