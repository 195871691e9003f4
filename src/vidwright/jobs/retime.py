"""Frames at another rate: those of the source where they are on the beat, and else made between two of them.

    source    a     b     b'    c     d | e          b' repeats b, e begins a new shot
    beats     |  |  |  |  |  |  |  |  |  |  |
    results   a  ab b  bc bc bc c  cd d  d  e

What is shown at a beat depends on the two source frames around it, and on which frames near them repeat the one before.
So a run that begins anywhere gives the frames of the whole run, if it is given `WARMUP` frames before and `LOOKAHEAD`
frames after those whose time it fills.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Generator, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from fractions import Fraction

import torch
from torch.nn import functional as F

from vidwright.core import Frame
from vidwright.core.errors import UsageError
from vidwright.core.overlap import spread
from vidwright.jobs.segments import HAIR
from vidwright.nn.model import InterpolationModel

#: Repeats of one frame that are replaced. Film in television repeats one of four or five, animation is drawn for two or
#: three frames; what stands still for longer was meant to.
MOST_REPEATS = 3

#: Source frames before and after those whose time is filled.
WARMUP = LOOKAHEAD = MOST_REPEATS + 1

#: A frame repeats the one before if no block of so many pixels differs by more, on average, in [0, 1]: one 8-bit code
#: value, more than codecs leave of a repeat, and less than a mouse pointer that moves.
BLOCK = 16
SAME = 1 / 255

#: Nobody knows what moved in longer gaps than this, in seconds: the frame before is held.
LONGEST_GAP = Fraction(1, 2)

#: Frames that are made from one look at a pair, which bounds what is in memory.
TOGETHER = 4

#: Frames per second that are more than any display shows, and two beats of which are further apart than two hairs.
HIGHEST_RATE = 480


def target_rate(text: str, source_rate: Fraction) -> Fraction:
    """The rate that `text` asks for: "60", "60000/1001", "59.94" (which is the same as that), or "x2.5" of the source.

    Raises `UsageError` for what is no rate, and for one that makes nothing because it is not above the source's.
    """
    number = text.strip().lower()
    try:
        rate = source_rate * Fraction(number[1:]) if number.startswith("x") else _exact(number)
    except (ValueError, ZeroDivisionError):
        raise UsageError(f"--fps {text}", "this is no frame rate", "write 60, 59.94, 60000/1001 or x2") from None
    if rate <= source_rate:
        cause = f"this makes nothing: the input has {float(source_rate):.5g} frames per second"
        raise UsageError(f"--fps {text}", cause, "ask for more, such as --fps x2")
    if rate > HIGHEST_RATE:
        cause = f"these are {float(rate):.5g} frames per second"
        raise UsageError(f"--fps {text}", cause, f"ask for at most {HIGHEST_RATE}")
    return rate


def _exact(number: str) -> Fraction:
    """A rate as written; decimals that stand for one of NTSC's (23.98, 59.94) are that."""
    rate = Fraction(number)
    _, point, decimals = number.partition(".")
    nominal = round(rate * Fraction(1001, 1000))
    ntsc = Fraction(1000 * nominal, 1001)
    of_ntsc = re.fullmatch(r"\d{2,3}", decimals) and (nominal % 24 == 0 or nominal % 30 == 0)
    rounding = Fraction(1, 2 * 10 ** len(decimals)) if point else 0
    return ntsc if of_ntsc and abs(ntsc - rate) <= rounding else rate


def retimed(
    frames: Iterable[Frame], model: InterpolationModel, rate: Fraction, *, origin: Fraction
) -> Generator[Frame, None, None]:
    """One frame at each of the times `origin` + k / `rate`, k = 0, 1, 2 ..., until the last of `frames` ends.

    `frames` have any times that rise; what lies before `origin` is only looked at. A frame that is on a beat passes
    unchanged, to the bit, also with alpha, which is blended where frames are made. Nothing is made across a cut, over
    more than `LONGEST_GAP` or in a still picture: there the frame before is held.
    """

    def shown(part: _Part) -> list[Frame]:
        made = _made(model, part.span, part.beats)
        return [replace(each, duration=1 / rate, cut=part.cut and n == 0) for n, each in enumerate(made)]

    parts = _parts(_spans(frames, 1 / rate), rate, origin)
    with closing(spread(shown, parts, threads=model.at_once)) as results:
        for made in results:
            yield from made


@dataclass(frozen=True, slots=True)
class _Span:
    """From the time of `first` until `until` frames are made between `first` and `second`; without that it is held."""

    first: Frame
    second: Frame | None
    until: Fraction


@dataclass(frozen=True, slots=True)
class _Part:
    """Some beats of one span; `cut` says that the first of them is the first of a shot."""

    span: _Span
    beats: tuple[Fraction, ...]
    cut: bool


def _spans(frames: Iterable[Frame], shortest: Fraction) -> Iterator[_Span]:
    """The source as spans from each frame that is not a repeat to the next; the last frame is shown for its duration.

    No span but the last is without another frame at its end; that one takes `shortest` at least.
    """
    run: deque[Frame] = deque()  # a frame and its repeats, or what is left of a still picture
    still = False
    for frame in frames:
        if run and not frame.cut and _repeats(run[-1], frame):
            run.append(frame)
            still = still or len(run) > 1 + MOST_REPEATS
            if still:
                yield _Span(run.popleft(), None, run[0].time)
            continue
        if run:
            yield from _ended(run, frame, still)
        run, still = deque([frame]), False
    if run:
        yield _Span(run[0], None, run[-1].time + max(run[-1].duration or 0, shortest))


def _ended(run: deque[Frame], after: Frame, still: bool) -> Iterator[_Span]:
    """The spans of a run that ends with `after`."""
    while still and len(run) > 1:
        yield _Span(run.popleft(), None, run[0].time)
    known = not after.cut and after.time - run[0].time <= LONGEST_GAP
    yield _Span(run[0], after if known else None, after.time)


def _repeats(before: Frame, frame: Frame) -> bool:
    change_1CHW = (frame.data - before.data).abs_()[None]
    blocks = F.avg_pool2d(change_1CHW, BLOCK, ceil_mode=True, count_include_pad=False)
    return float(blocks.amax()) <= SAME


def _parts(spans: Iterator[_Span], rate: Fraction, origin: Fraction) -> Iterator[_Part]:
    """Which beats fall into which span, at most `TOGETHER` at once."""
    number, shot = 0, None
    for span in spans:
        shot = span.first.time if span.first.cut else shot
        beats: list[Fraction] = []
        while (beat := origin + number / rate) < span.until - HAIR:
            beats.append(beat)
            number += 1
        for at in range(0, len(beats), TOGETHER):
            part = tuple(beats[at : at + TOGETHER])
            yield _Part(span, part, shot is not None and part[0] - 1 / rate < shot - HAIR)


def _made(model: InterpolationModel, span: _Span, beats: Iterable[Fraction]) -> list[Frame]:
    """What is shown at each beat of a span."""
    first, second = span.first, span.second
    between = [beat for beat in beats if second is not None and beat > first.time + HAIR]
    held = [replace(first, time=beat) for beat in beats if beat not in between]
    if second is None or not between:
        return held
    made = model.between(_opaque(first), _opaque(second), between)
    return held + [_with_alpha(frame, first, second) for frame in made]


def _opaque(frame: Frame) -> Frame:
    return frame.with_data(frame.data[:3])


def _with_alpha(frame: Frame, first: Frame, second: Frame) -> Frame:
    """A frame that was made between two, with their alpha, if they have any, blended to its time."""
    t = float((frame.time - first.time) / (second.time - first.time))
    alpha = torch.lerp(first.data[3:], second.data[3:], t)
    return frame.with_data(torch.cat([frame.data, alpha])) if len(alpha) else frame
