"""Steps: what is done to frames, one thing after the other in one pass over the file.

    source --deinterlace--> --clean--> --enlarge--> --resize--> --interpolate--> result

A step is a `Process` for what comes out of the step before it, and steps in a row are again a `Process`: needs add up
in frames of the source, rates and scales multiply. Any of them may be missing; their order is this. Fields become
pictures before anything looks at the pictures. Noise is removed where it is still as the camera or the codec left it,
so before it is enlarged. Interpolation is last, although it then works on the largest frames: the other steps have the
fewer frames to work on, and it alone makes frames at times of its own. What those are made of is a known number of
source frames only as long as no further step looks around among them, and so every segment is planned exactly.
"""

from __future__ import annotations

import itertools
import math
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

import torch
from torch import Tensor

from vidwright.core import Frame, Needs, VideoInfo
from vidwright.core.frame import FieldOrder
from vidwright.core.overlap import spread
from vidwright.io import filters
from vidwright.jobs.job import Process
from vidwright.jobs.retime import LOOKAHEAD, WARMUP, retimed
from vidwright.nn.model import FrameModel, InterpolationModel
from vidwright.nn.resample import lanczos_to

#: A step, once it is known what it is given.
Step = Callable[[VideoInfo], Process]

Frames = Iterable[Frame]
Made = Generator[Frame, None, None]


def chain(info: VideoInfo, steps: Iterable[Step]) -> Process:
    """The steps in a row, for a source like `info`; none at all pass frames on as they are."""
    whole = Process(Needs(), info, lambda frames, begin: (frame for frame in frames))
    for step in steps:
        whole = _then(whole, step(whole.info))
    return whole


def _then(first: Process, second: Process) -> Process:
    # What the first makes before it begins is for the second to be warmed up by, and else thrown away.
    alone = second.needs.warmup == 0

    def stream(frames: Frames, begin: Fraction | None) -> Made:
        with (
            closing(first.stream(frames, begin if alone else None)) as between,
            closing(second.stream(between, begin)) as results,
        ):
            yield from results

    one, other, rate = first.needs, second.needs, first.needs.rate
    needs = Needs(
        scale=one.scale * other.scale,
        rate=rate * other.rate,
        warmup=one.warmup + math.ceil(other.warmup / rate),
        lookahead=one.lookahead + math.ceil(other.lookahead / rate),
    )
    return Process(
        needs, second.info, stream, second.rate, pace=second.pace, notes=lambda: _joined(first.notes(), second.notes())
    )


def _joined(one: dict[str, list[Any]], other: dict[str, list[Any]]) -> dict[str, list[Any]]:
    return {name: one.get(name, []) + other.get(name, []) for name in {**one, **other}}


def through(model: FrameModel) -> Step:
    """Each frame through a network: cleaned, enlarged, or taken apart into its two moments."""

    def step(info: VideoInfo) -> Process:
        scale, rate = model.needs.scale, model.needs.rate
        larger = _resized(info, info.width * scale, info.height * scale)
        return Process(
            model.needs,
            _denser(larger, rate) if rate > 1 else larger,
            lambda frames, begin: _opaque(model.stream, frames),
        )

    return step


def bwdif(info: VideoInfo) -> Process:
    """Two frames for each interlaced one, by FFmpeg's filter, which looks at a frame on either side."""
    needs = Needs(rate=2, warmup=1, lookahead=1)
    return Process(needs, _denser(info, 2), lambda frames, begin: filters.bwdif(frames, info.rate))


def fields(order: FieldOrder) -> Step:
    """Frames whose file does not say that they are interlaced are taken for fields in this order."""

    def told(frames: Frames) -> Made:
        for frame in frames:
            yield replace(frame, field_order=order) if frame.field_order == "progressive" else frame
            del frame

    return lambda info: Process(Needs(), replace(info, field_order=order), lambda frames, begin: told(frames))


def resize(width: int, height: int, *, at_once: int = 1) -> Step:
    """Frames of exactly this size, by Lanczos without aliasing."""

    @torch.inference_mode()
    def resized(frame: Frame) -> Frame:
        return frame.with_data(lanczos_to(frame.data[None], (height, width))[0])

    return lambda info: Process(
        Needs(),
        _resized(info, width, height),
        lambda frames, begin: spread(resized, frames, threads=at_once),
    )


def interpolate(network: InterpolationModel, rate: Fraction) -> Step:
    """Frames at a constant `rate` per second."""

    def stream(frames: Frames, begin: Fraction | None, usual: Fraction) -> Made:
        # Decoders give their last frame no duration.
        lasting = (frame if frame.duration else replace(frame, duration=usual) for frame in frames)
        for first in lasting:
            origin = first.time if begin is None else begin
            whole = itertools.chain([first], lasting)
            del first  # at 4K it is 100 MB
            with closing(retimed(whole, network, rate, origin=origin)) as results:
                yield from results

    def step(info: VideoInfo) -> Process:
        length = None if info.duration is None else math.ceil(info.duration * rate)
        even = replace(info, rate=rate, time_base=1 / rate, length=length)
        needs = Needs(warmup=WARMUP, lookahead=LOOKAHEAD)
        return Process(needs, even, lambda frames, begin: stream(frames, begin, 1 / info.rate), rate)

    return step


def _resized(info: VideoInfo, width: int, height: int) -> VideoInfo:
    """Players guess missing colour tags from the size, so what the old size meant is written down."""
    colour = info.colour.resolved(info.width, info.height)
    return replace(info, width=width, height=height, colour=colour)


def _denser(info: VideoInfo, rate: int) -> VideoInfo:
    """`rate` progressive frames for each one, between whose times the clock has ticks."""
    length = None if info.length is None else info.length * rate
    return replace(
        info, rate=info.rate * rate, time_base=info.time_base / rate, length=length, field_order="progressive"
    )


@dataclass(frozen=True, slots=True)
class _Alpha:
    """The transparency of a frame: (1, H, W), or (0, H, W) where it has none."""

    time: Fraction
    cut: bool
    data: Tensor


def _opaque(stream: Callable[[Iterable[Frame]], Made], frames: Frames) -> Made:
    """The stream of R'G'B' alone, with alpha beside it: enlarged by Lanczos, and of two moments the same for both."""
    alphas: deque[_Alpha] = deque()

    def opaque() -> Iterator[Frame]:
        for frame in frames:
            alphas.append(_Alpha(frame.time, frame.cut, frame.data[3:].clone()))
            yield frame.with_data(frame.data[:3])

    with closing(stream(opaque())) as results:
        for frame in results:
            while len(alphas) > 1 and alphas[1].time <= frame.time:
                alphas.popleft()
            alpha = alphas[0].data
            if len(alpha):
                whole = lanczos_to(alpha[None], (frame.height, frame.width))[0].clamp_(0, 1)
                frame = frame.with_data(torch.cat([frame.data, whole]))
            yield frame
            del frame
