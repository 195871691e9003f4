"""Segments: the unit of memory, resume, parallelism and adaptation.

Frames are counted from 0 over the whole source; ranges are half-open, as in Python.
"""

from __future__ import annotations

import bisect
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from vidwright.core import Needs


@dataclass(frozen=True, slots=True)
class Segment:
    """Frames `start` to `stop` of the source, which need `first` to `last` to be read.

    The difference is the model's warm-up and look-ahead; it never reaches across a cut. `time` is when frame
    `start` is shown in the output, in seconds.
    """

    number: int
    start: int
    stop: int
    first: int
    last: int
    time: Fraction

    @property
    def frames(self) -> int:
        return self.stop - self.start


def plan(
    times: Sequence[Fraction],
    cuts: Sequence[int],
    needs: Needs,
    *,
    start: int = 0,
    stop: int | None = None,
    origin: Fraction = Fraction(0),
    seconds: Fraction = Fraction(8),
) -> tuple[Segment, ...]:
    """Divide frames `start` to `stop` into segments of at most `seconds`, at a cut wherever there is one to use.

    `times` are the times of all frames of the source and rise, `cuts` the numbers of frames that begin a shot.
    Short shots share a segment; a boundary inside a shot gets the warm-up and look-ahead of `needs`, which may lie
    outside the range asked for, so that part of a job gives the frames that the whole job would. `origin` is the
    source's time at which the output begins.
    """
    stop = len(times) if stop is None else min(stop, len(times))
    segments: list[Segment] = []
    at = start
    while at < stop:
        end = _boundary(times, cuts, at, stop, seconds)
        first = max(at - needs.warmup, _shot_start(cuts, at))
        last = min(end + needs.lookahead, _shot_stop(cuts, end, len(times)))
        segments.append(Segment(len(segments), at, end, first, last, times[at] - origin))
        at = end
    return tuple(segments)


def _boundary(times: Sequence[Fraction], cuts: Sequence[int], at: int, stop: int, seconds: Fraction) -> int:
    """The last cut within reach unless that leaves a stub, else as far as reach goes."""
    reach = max(bisect.bisect_left(times, times[at] + seconds, at, stop), at + 1)
    if reach == stop:
        return stop
    candidates = cuts[bisect.bisect_right(cuts, at) : bisect.bisect_right(cuts, reach)]
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
