"""The mask of a region at each frame: drawn, read, put between keys, and what its user wants done with it.

Shapes: H rows, W columns; masks are bool (H, W).
"""

from __future__ import annotations

import bisect
from collections.abc import Callable, Iterator
from fractions import Fraction
from itertools import takewhile
from pathlib import Path

import torch
from torch import Tensor

from vidwright.core import Frame, VideoInfo
from vidwright.core.errors import UsageError
from vidwright.io.reader import Reader
from vidwright.jobs.beside import Beside
from vidwright.jobs.region import Region, Shape
from vidwright.vision import masks


class Masks:
    """The mask of `region` for frames of a video like `info`, at any time; cheapest for times that rise.

    Raises `BadInput` for a mask that cannot be read.
    """

    def __init__(self, region: Region, info: VideoInfo, *, max_pixels: int) -> None:
        self._region, self._size = region, (info.height, info.width)
        self._max_pixels = max_pixels
        keys = sorted(region.shapes, key=lambda shape: shape.at or 0)
        self._times = [Fraction(str(shape.at)) for shape in keys if shape.at is not None]
        self._sources = [self._source(shape) for shape in keys]
        self._last: tuple[tuple[object, ...], Tensor] = (), torch.empty(0)

    def at(self, time: Fraction) -> Tensor:
        """The mask of a frame shown at `time` in seconds; empty outside of the region's span."""
        region = self._region
        if time < Fraction(str(region.start)) or (region.stop is not None and time >= Fraction(str(region.stop))):
            return torch.zeros(self._size, dtype=torch.bool)
        drawn = tuple(source(time) for source in self._sources)
        key = (*map(id, drawn), time if len(self._times) > 1 else None)
        if key != self._last[0]:
            self._last = key, self._finished(self._joined(drawn, time))
        return self._last[1]

    def _source(self, shape: Shape) -> Callable[[Fraction], Tensor]:
        if shape.path is not None:
            video = MaskVideo(shape.path, self._size, max_pixels=self._max_pixels)
            if shape.at is None:
                return video.at
            drawn = video.at(Fraction(str(shape.at)))
        else:
            drawn = shape.drawn(self._size)
        return lambda time: drawn

    def _joined(self, drawn: tuple[Tensor, ...], time: Fraction) -> Tensor:
        """All shapes together; of keys those before and after `time`, and what lies between them."""
        if not self._times:
            return torch.stack(drawn).any(0)
        after = bisect.bisect_right(self._times, time)
        if after in (0, len(self._times)):
            return drawn[max(after - 1, 0)]
        one, other = self._times[after - 1 : after + 1]
        part = float((time - one) / (other - one))
        return masks.between(drawn[after - 1], drawn[after], part)

    def _finished(self, mask_HW: Tensor) -> Tensor:
        region = self._region
        if region.form != "as drawn":
            mask_HW = masks.hull(mask_HW) if region.form == "hull" else masks.bounds(mask_HW)
        mask_HW = masks.grown(mask_HW, region.growth)
        return ~mask_HW if region.inverted else mask_HW


class MaskVideo:
    """White areas of a picture or a video, stretched to `size` (H, W), by time."""

    def __init__(self, path: Path, size: tuple[int, int], *, max_pixels: int) -> None:
        self._video, self._size = Beside(path, max_pixels=max_pixels), size
        self._made: tuple[Frame | None, Tensor] = None, torch.empty(0)

    def at(self, time: Fraction) -> Tensor:
        """The mask (H, W) that is shown at `time`."""
        frame = self._video.at(time)
        if self._made[0] is not frame:
            self._made = frame, masks.resized(white(frame), self._size)
        return self._made[1]


def white(frame: Frame) -> Tensor:
    """The pixels of a mask that are inside: nearer to white than to black, and not transparent."""
    inside_HW = frame.data[:3].mean(0) >= 0.5
    return inside_HW & (frame.data[3] >= 0.5) if len(frame.data) > 3 else inside_HW


def check(region: Region, info: VideoInfo, *, max_pixels: int) -> None:
    """Raises `UsageError` for a region that is empty in every frame, or everything in every one, and `BadInput`.

    A region that is tracked is looked at where its keys are.
    """
    some = less = False
    for mask_HW in _looks(region, info, max_pixels):
        some, less = some or bool(mask_HW.any()), less or not bool(mask_HW.all())
        if some and less:
            return
    if not some:
        where = f"in {info.width}x{info.height}, up to {float(info.duration or 0):.2f} s"
        raise UsageError(words(region), f"the region is empty {where}", "check its numbers, its time and its mask")
    if region.shapes[0].kind != "all":
        raise UsageError(words(region), "the region is all of every frame", "say `all` if that is meant")


def _looks(region: Region, info: VideoInfo, max_pixels: int) -> Iterator[Tensor]:
    """Masks of the region: those of its keys, or where it has none, its first one and those of its videos of masks."""
    start, end = Fraction(str(region.start)), info.duration
    if (end is not None and start >= end) or (region.stop is not None and region.stop <= region.start):
        return
    keys = [Fraction(str(shape.at)) for shape in region.shapes if shape.at is not None]
    if keys:  # what they show is there, or leads to what is, also where they lie outside of the span
        masks_of = Masks(region.model_copy(update={"start": 0, "stop": None}), info, max_pixels=max_pixels)
        yield from map(masks_of.at, keys)
        return
    masks_of = Masks(region, info, max_pixels=max_pixels)
    yield masks_of.at(start)
    for shape in region.shapes:
        if shape.path is not None:
            with Reader(shape.path, cuts=False, max_pixels=max_pixels) as pictures:
                times = takewhile(lambda time: end is None or time <= end, (picture.time for picture in pictures))
                yield from (masks_of.at(max(time, start)) for time in times)


def words(region: Region) -> str:
    """The region as it is written on the command line."""
    return ";".join(
        (shape.kind if shape.path is None else str(shape.path))
        + (":" + ",".join(f"{number:g}" for number in shape.numbers) if shape.numbers else "")
        + (f"@{shape.at:g}" if shape.at is not None else "")
        for shape in region.shapes
    )
