"""Other frames around the same picture: larger ones, of which the new border is filled, and smaller ones that follow.

    border    frame -> larger canvas --copies of what other frames show there, the rest made up--> frame
    crop      frame -> the middle of a region, smoothed over its neighbours in time -> a window of another shape

Shapes: C channels, H rows, W columns.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable
from dataclasses import replace
from fractions import Fraction
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from vidwright.core import Frame, Needs, VideoInfo
from vidwright.core.errors import UsageError
from vidwright.core.window import windows
from vidwright.jobs.changes import Border, Crop
from vidwright.jobs.fill import Filler, Shares
from vidwright.jobs.job import Process

#: The name of what is noted of filled frames: time, part of the frame that was hidden, part of that which was copied.
FILLED = "filled"
#: Frames on either side over which a window's way is smoothed: a camera is moved slowly.
CALM = 24


def filled(filler: Filler, info: VideoInfo, opacity: Callable[[Frame], Tensor]) -> Process:
    """Frames with what the opacity says is hidden filled; how much of each that was, and how much copied, is noted."""
    notes: list[list[float]] = []

    def tell(frame: Frame, shares: Shares) -> None:
        if shares.hidden:
            notes.append([round(float(frame.time), 4), round(shares.hidden, 5), round(shares.copied, 4)])

    def noted() -> dict[str, list[Any]]:
        found: dict[str, list[Any]] = {FILLED: list(notes)} if notes else {}
        notes.clear()
        return found

    return Process(Filler.needs, info, lambda frames, begin: filler.stream(frames, opacity, tell, begin), notes=noted)


def bordered(put: Border, info: VideoInfo, filler: Filler) -> Process:
    """A larger canvas with its new border filled. Raises `UsageError` for one that is not larger."""
    left, top, right, bottom = sides(put, info)
    width, height = info.width + left + right, info.height + top + bottom
    new_HW = torch.ones(height, width)
    new_HW[top : height - bottom, left : width - right] = 0
    larger = replace(info, width=width, height=height, colour=info.colour.resolved(info.width, info.height))
    inner = filled(filler, larger, lambda frame: new_HW)

    def stream(frames: Iterable[Frame], begin: Fraction | None) -> Generator[Frame]:
        padded = (frame.with_data(F.pad(frame.data[None], (left, right, top, bottom))[0]) for frame in frames)
        yield from inner.stream(padded, begin)

    return replace(inner, stream=stream)


def sides(put: Border, info: VideoInfo) -> tuple[int, int, int, int]:
    """Pixels on the left, at the top, on the right and at the bottom; sizes of the result are even."""
    left, top, right, bottom = put.sides
    if put.aspect is not None:
        shape = aspect(put.aspect) / info.sample_aspect
        wider = Fraction(info.width, info.height) < shape
        width = 2 * round(info.height * shape / 2) if wider else info.width
        height = info.height if wider else 2 * round(info.width / shape / 2)
        left, top = (width - info.width) // 2, (height - info.height) // 2
        right, bottom = width - info.width - left, height - info.height - top
    if not any((left, top, right, bottom)):
        raise UsageError(put.aspect or "0,0,0,0", "the video has this shape already", "ask for another one")
    return left, top, right, bottom


def aspect(text: str) -> Fraction:
    """Width over height as in 16:9. Raises `UsageError`."""
    across, _, down = text.partition(":")
    try:
        shape = Fraction(across) / Fraction(down or 1)
    except (ValueError, ZeroDivisionError):
        shape = Fraction(0)
    if not Fraction(1, 10) <= shape <= 10:
        raise UsageError(text, "this is no shape of pictures", "write 16:9, 9:16, 1:1 or 21:9")
    return shape


def cropped(put: Crop, info: VideoInfo, where: Callable[[Frame], Tensor]) -> Process:
    """A window of another shape, as large as it can be, that follows the middle of the masks `where`.

    Raises `UsageError` for the shape that the video has.
    """
    shape = aspect(put.aspect) / info.sample_aspect
    width = min(info.width, 2 * int(info.height * shape / 2))
    height = min(info.height, 2 * int(info.width / shape / 2))
    if (width, height) == (info.width, info.height):
        raise UsageError(put.aspect, "the video has this shape already", "ask for another one")
    weight_T = torch.exp(-0.5 * (torch.arange(-CALM, CALM + 1) / (CALM / 2.5)) ** 2)
    weight_T /= weight_T.sum()

    def stream(frames: Iterable[Frame], begin: Fraction | None) -> Generator[Frame]:
        seen = ((frame, middle(where(frame), frame)) for frame in frames)
        for window in windows(seen, CALM, is_cut=lambda each: each[0].cut):
            x, y = (
                float((torch.tensor(way) * weight_T).sum()) for way in zip(*(each[1] for each in window), strict=True)
            )
            left = min(max(round(x - width / 2), 0), info.width - width)
            top = min(max(round(y - height / 2), 0), info.height - height)
            frame = window[CALM][0]
            yield frame.with_data(frame.data[:, top : top + height, left : left + width].contiguous())

    smaller = replace(info, width=width, height=height, colour=info.colour.resolved(info.width, info.height))
    return Process(Needs(warmup=CALM, lookahead=CALM), smaller, stream)


def middle(mask_HW: Tensor, frame: Frame) -> tuple[float, float]:
    """Where a mask's middle is, (x, y) in pixels; the frame's own middle where it is empty."""
    if not bool(mask_HW.any()):
        return frame.width / 2, frame.height / 2
    y, x = (mask_HW > 0).nonzero().double().mean(0)
    return float(x) + 0.5, float(y) + 0.5
