"""Interlaced frames and the two moments that each of them holds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction

from vidwright.core.frame import Frame

#: Seconds that a frame is taken to last if nothing tells, neither its own duration nor a neighbour: PAL's.
LASTING = Fraction(1, 25)


def two_moments(window: Sequence[Frame]) -> tuple[Frame, Frame]:
    """The middle one of three frames twice, as progressive: at its time, and half its duration later.

    `window` is the frame between its neighbours in the shot, or itself where it has none. A duration that is not known,
    or longer than the gap to the frame after, is that gap, else the one from the frame before. Only the first of the
    two may be a cut.
    """
    before, frame, after = window
    lasts = min((each for each in (frame.duration, after.time - frame.time) if each), default=None)
    half = (lasts or frame.time - before.time or LASTING) / 2
    early = replace(frame, duration=frame.duration and half, field_order="progressive")
    return early, replace(early, time=frame.time + half, cut=False)
