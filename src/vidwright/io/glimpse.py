"""Glimpses of a file: a few frames here and there, by which to judge all of it."""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import av.error
from av.container import InputContainer
from av.sidedata.sidedata import Type
from av.video.stream import VideoStream

from vidwright.core import Frame
from vidwright.io.container import MAX_PIXELS, open_input
from vidwright.io.decode import Tally, decode, main_stream, refuse_too_large
from vidwright.io.pixels import colour_of
from vidwright.io.probe import rotation_of
from vidwright.io.reader import Picture

#: Glimpses are spread evenly over the file, and each is so many successive frames.
GLIMPSES = 4
FRAMES = 8
#: Pictures that are decoded at most to get from a key frame to where a glimpse should be.
APPROACH = 60
#: Rows and columns of the middle that are kept of larger pictures; both are whole blocks of any codec.
WINDOW = (720, 1280)
BLOCK = 16

#: FFmpeg's struct AVVideoEncParams up to its base quantiser, and the place of a block's own in AVVideoBlockParams.
_HEAD = struct.Struct("I4xQQii")
_BLOCK = struct.Struct("16xi")
#: Kinds of quantiser that FFmpeg tells: the QP of H.264, and the step of MPEG-1, -2 and -4, twice its number there.
_H264, _MPEG = 1, 2


@dataclass(frozen=True, slots=True)
class Glimpse:
    """Successive frames, and how coarsely they are coded: the mean QP on H.264's scale, None if the decoder is silent.

    Of pictures larger than `WINDOW` the frames hold the middle.
    """

    frames: tuple[Frame, ...]
    quantiser: float | None


def glimpses(path: Path, *, max_pixels: int = MAX_PIXELS) -> Iterator[Glimpse]:
    """Up to `GLIMPSES` pieces of the file, in order; only the first where it cannot be sought in.

    Raises `BadInput` as `Reader` does for what cannot be opened; what cannot be decoded is left out.
    """
    for number in range(GLIMPSES):
        with open_input(path, max_pixels=max_pixels) as container:
            stream = main_stream(container, path)
            refuse_too_large(path, stream.codec_context.width, stream.codec_context.height, max_pixels)
            stream.codec_context.options = {"export_side_data": "venc_params"}
            target = _sought(container, stream, (number + 0.5) / GLIMPSES)
            raws = list(_from(container, stream, target))
            if raws:
                frames = tuple(_frame(raw) for raw in raws)
                known = [level for level in map(_quantiser, raws) if level is not None]
                yield Glimpse(frames, sum(known) / len(known) if known else None)
            if target is None:
                return


def _sought(container: InputContainer, stream: VideoStream, part: float) -> int | None:
    """The time stamp at `part` of the whole, before which decoding will begin; None if one cannot go there."""
    if stream.time_base is None or not (stream.duration or container.duration):
        return None
    length = stream.duration or round((container.duration or 0) / av.time_base / stream.time_base)
    target = (stream.start_time or 0) + round(part * length)
    with suppress(av.error.FFmpegError):
        container.seek(target, stream=stream, backward=True)
        return target
    return None


def _from(container: InputContainer, stream: VideoStream, target: int | None) -> Iterator[av.VideoFrame]:
    """`FRAMES` pictures from the one at `target` on; the last one of a file that ends before."""
    found, raw = 0, None
    for number, raw in enumerate(decode(container, stream, Tally())):
        if target is None or (raw.pts or 0) >= target or number >= APPROACH:
            yield raw
            found += 1
        if found == FRAMES:
            return
    if not found and raw is not None:
        yield raw


def _frame(raw: av.VideoFrame) -> Frame:
    time = (raw.pts or 0) * (raw.time_base or Fraction(0))
    frame = Picture(raw, time, None, False, rotation_of(raw), colour_of(raw)).frame()
    top, left = (_middle(*sizes) for sizes in zip((frame.height, frame.width), WINDOW, strict=True))
    return frame.with_data(frame.data[:3, top, left].clone())


def _middle(size: int, window: int) -> slice:
    """`window` rows or columns of the middle, beginning with a whole block."""
    first = max(size - window, 0) // 2 // BLOCK * BLOCK
    return slice(first, min(first + window, size))


def _quantiser(raw: av.VideoFrame) -> float | None:
    """The mean over a picture's blocks."""
    side: Any = raw.side_data  # whose stubs take it for a dict by names
    told = next((each for each in side if each.type == Type.VIDEO_ENC_PARAMS), None)
    if told is None:
        return None
    data = bytes(told)
    blocks, offset, size, kind, base = _HEAD.unpack_from(data)
    if not blocks or kind not in (_H264, _MPEG):
        return None
    mean = base + sum(_BLOCK.unpack_from(data, offset + size * n)[0] for n in range(blocks)) / blocks
    # The step of H.264 doubles every six QP and is 1 at QP 4.
    return mean if kind == _H264 else 6 * math.log2(max(mean, 1)) + 4
