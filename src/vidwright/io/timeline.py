"""Turn the time stamps that a decoder hands out into times that always increase."""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction

#: (time stamp, duration) in seconds of a frame in presentation order; None where the file has none.
Stamp = tuple[Fraction | None, Fraction | None]

#: In containers whose clock may break (MPEG-TS), a gap longer than this is a break and not a pause; as in FFmpeg.
BREAK = Fraction(10)
#: In all others a picture may stand for minutes; only nonsense is longer than this. As in FFmpeg.
NONSENSE = Fraction(30 * 3600)


@dataclass(frozen=True, slots=True)
class Moment:
    """When a frame is shown, and whether that is not what its file says."""

    time: Fraction
    retimed: bool = False


def repair(
    stamps: Iterable[Stamp], interval: Fraction, *, window: int = 0, longest_gap: Fraction = NONSENSE
) -> Iterator[Moment]:
    """Give each frame a time, later than that of the frame before and exact; memory is constant.

    Times start at 0 or later, and a timeline that increases without a gap over `longest_gap` passes unchanged.
    Otherwise: a missing stamp is where the frame before ends (its duration, or `interval`, after its start); a doubled
    or slightly late one lies half way there, and the next good stamp counts again; a second such stamp in a row, a
    step back of over a second, a gap over `longest_gap` or a negative start is a break of the clock, after which all
    later stamps are moved by the same amount. Both may not be mixed up: a doubled stamp must not shift the rest
    against the sound, a restarted clock must.

    `window` is for containers that store decoding times only (AVI, ASF): the stamps are right but in another order, by
    at most that many places, so that many are looked at ahead and handed out sorted.
    """
    last: Fraction | None = None
    shift = Fraction(0)
    step = interval
    doubtful = False
    for stamp, duration, moved in _sorted(stamps, window):
        due = Fraction(0) if last is None else last + step
        time = due if stamp is None else stamp + shift
        retimed = moved or stamp is None
        late = last is not None and time <= last
        broken = time < 0 if last is None else time > due + longest_gap or last - time > 1
        if late and not broken and not doubtful and last is not None:
            time, doubtful, retimed = last + step / 2, True, True
        else:
            if late or broken:
                shift, time, retimed = shift + due - time, due, True
            doubtful = False
        last = time
        step = duration if duration is not None and duration > 0 else interval
        yield Moment(time, retimed)


def _sorted(stamps: Iterable[Stamp], window: int) -> Iterator[tuple[Fraction | None, Fraction | None, bool]]:
    """The stamps with the known ones in order, `window` places looked ahead, and whether each was moved."""
    held: deque[Stamp] = deque()
    known: list[Fraction] = []

    def release() -> tuple[Fraction | None, Fraction | None, bool]:
        stamp, duration = held.popleft()
        if stamp is None:
            return None, duration, False
        first = heapq.heappop(known)
        return first, duration, first != stamp

    for stamp in stamps:
        held.append(stamp)
        if stamp[0] is not None:
            heapq.heappush(known, stamp[0])
        if len(held) > window:
            yield release()
    while held:
        yield release()
