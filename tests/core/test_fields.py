"""The two moments of an interlaced frame."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import pytest
import torch

from vidwright.core import Frame
from vidwright.core.fields import LASTING, two_moments

FRAME = Frame(torch.zeros(3, 2, 2), Fraction(2), Fraction(1, 25), cut=True, field_order="bottom")


def test_they_share_the_frames_duration():
    early, late = two_moments([FRAME, FRAME, FRAME])
    assert (early.time, early.duration, early.cut) == (2, Fraction(1, 50), True)
    assert (late.time, late.duration, late.cut) == (2 + Fraction(1, 50), Fraction(1, 50), False)
    assert early.field_order == late.field_order == "progressive"


@pytest.mark.parametrize(
    ("before", "after", "gap"),
    [(0, 3, Fraction(1)), (Fraction(3, 2), 2, Fraction(1, 2)), (2, 2, LASTING)],
    ids=["to the next", "from the last", "alone"],
)
def test_a_duration_that_is_not_known_is_a_gap(before, after, gap):
    untold = replace(FRAME, duration=None)
    window = [replace(untold, time=Fraction(before)), untold, replace(untold, time=Fraction(after))]
    early, late = two_moments(window)
    assert late.time - early.time == gap / 2 and late.duration is None


def test_a_duration_beyond_the_next_frame_ends_with_it():
    after = replace(FRAME, time=FRAME.time + Fraction(1, 200))
    assert two_moments([FRAME, FRAME, after])[1].time == FRAME.time + Fraction(1, 400)
