"""Segments: the unit of memory, resume, parallelism and adaptation.

Frames are counted from 0 over the whole source; ranges are half-open, as in Python. A segment is made of source frames
and owns results by time, because there may be several for each frame, or frames at a rate of their own.
"""

from __future__ import annotations

import bisect
import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from vidwright.core import Needs

#: Seconds by which a frame may miss a beat and yet be on it: containers with a clock of milliseconds round both.
HAIR = Fraction(1, 1000)
#: Seconds of a shot that is too short to be worth a segment of its own.
FLASH = Fraction(1, 2)


@dataclass(frozen=True, slots=True)
class Segment:
    """The results of frames `start` to `stop` of the source, which need `first` to `last` to be read.

    The difference is the warm-up and look-ahead of the work, which never reach across a cut. There are `frames`
    results, the first of them shown at `begin` and the last before `end`, in seconds of the source.
    """

    number: int
    start: int
    stop: int
    first: int
    last: int
    frames: int
    begin: Fraction
    end: Fraction


def plan(
    times: Sequence[Fraction],
    cuts: Sequence[int],
    needs: Needs,
    *,
    end: Fraction,
    rate: Fraction | None = None,
    start: int = 0,
    stop: int | None = None,
    seconds: Fraction = Fraction(8),
    shots: bool = False,
) -> tuple[Segment, ...]:
    """Divide frames `start` to `stop` into segments of at most `seconds`, at a cut wherever there is one to use.

    `times` are the times of all frames of the source and rise, `cuts` the numbers of frames that begin a shot; `end`
    is when the last frame of the range has been shown. Short shots share a segment, but with `shots` those alone that
    are shorter than `FLASH`; a boundary inside a shot gets the
    warm-up and look-ahead of `needs`, which may lie outside the range asked for, so that part of a job gives the
    frames that the whole job would. Results are `needs.rate` for each frame, or one at each beat of `rate` (per
    second) counted from the source's first frame; a frame that is less than `HAIR` late for a beat owns it, and a
    segment in which no beat falls is left out.
    """
    stop = len(times) if stop is None else min(stop, len(times))
    segments: list[Segment] = []
    at = start
    while at < stop:
        after = _boundary(times, cuts, at, stop, seconds, shots=shots)
        begin, until = times[at], times[after] if after < stop else end
        frames = (after - at) * needs.rate
        if rate is not None:
            beat, beyond = (math.ceil((time - HAIR - times[0]) * rate) for time in (begin, until))
            begin, frames = times[0] + beat / rate, beyond - beat
        first = max(at - needs.warmup, _shot_start(cuts, at))
        last = min(after + needs.lookahead, _shot_stop(cuts, after, len(times)))
        if frames > 0:
            segments.append(Segment(len(segments), at, after, first, last, frames, begin, until))
        at = after
    return tuple(segments)


def shown_at(times: Sequence[Fraction], second: Fraction) -> int:
    """The number of the frame that is shown at a second, of frames at `times`; the first one's before it begins."""
    return max(bisect.bisect_right(times, second + HAIR) - 1, 0)


def _boundary(
    times: Sequence[Fraction], cuts: Sequence[int], at: int, stop: int, seconds: Fraction, *, shots: bool
) -> int:
    """The last cut within reach unless that leaves a stub, or the first of `shots`; else as far as reach goes."""
    reach = max(bisect.bisect_left(times, times[at] + seconds, at, stop), at + 1)
    candidates = cuts[bisect.bisect_right(cuts, at) : bisect.bisect_right(cuts, reach)]
    if shots:
        long_enough = [cut for cut in candidates if cut < stop and times[cut] >= times[at] + FLASH]
        return long_enough[0] if long_enough else reach
    if reach == stop:
        return stop
    far_enough = times[at] + seconds / 4
    return candidates[-1] if candidates and times[candidates[-1]] >= far_enough else reach


def _shot_start(cuts: Sequence[int], frame: int) -> int:
    """The first frame of the shot that `frame` belongs to."""
    index = bisect.bisect_right(cuts, frame)
    return cuts[index - 1] if index else 0


def _shot_stop(cuts: Sequence[int], frame: int, length: int) -> int:
    """Where the shot that the frame before `frame` belongs to ends."""
    index = bisect.bisect_left(cuts, frame)
    return cuts[index] if index < len(cuts) else length
