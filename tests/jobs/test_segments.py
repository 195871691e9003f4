"""Segments tile the range, end at cuts where that helps, and are given all they need but nothing across a cut."""

from __future__ import annotations

import bisect
import itertools
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vidwright.core import Needs
from vidwright.jobs.segments import Segment, plan

SECOND = Fraction(1)


def even(count: int, rate: int = 10) -> list[Fraction]:
    return [Fraction(n, rate) for n in range(count)]


def ranges(segments: tuple[Segment, ...]) -> list[tuple[int, int]]:
    return [(segment.start, segment.stop) for segment in segments]


@st.composite
def videos(draw):
    gaps = draw(st.lists(st.fractions(Fraction(1, 100), Fraction(3), max_denominator=100), max_size=60))
    times = list(itertools.accumulate(gaps, initial=Fraction(0)))
    cuts = sorted(draw(st.sets(st.integers(0, len(times) - 1), max_size=12)))
    start = draw(st.integers(0, len(times) - 1))
    stop = draw(st.integers(start + 1, len(times)))
    return times, cuts, start, stop


@given(video=videos(), warmup=st.integers(0, 9), lookahead=st.integers(0, 9))
def test_what_holds_of_every_plan(video, warmup, lookahead):
    times, cuts, start, stop = video
    segments = plan(times, cuts, Needs(warmup=warmup, lookahead=lookahead), start=start, stop=stop, seconds=SECOND)
    assert [n for segment in segments for n in range(segment.start, segment.stop)] == list(range(start, stop))
    assert [segment.number for segment in segments] == list(range(len(segments)))
    shot = [bisect.bisect_right(cuts, n) for n in range(len(times))]
    for segment in segments:
        assert segment.frames == 1 or times[segment.stop - 1] - times[segment.start] < SECOND
        assert segment.time == times[segment.start]
        before, after = range(segment.first, segment.start), range(segment.stop, segment.last)
        assert {shot[n] for n in before} <= {shot[segment.start]}
        assert {shot[n] for n in after} <= {shot[segment.stop - 1]}
        # As many as were asked for, unless the shot ends there.
        assert len(before) == warmup or segment.first == 0 or shot[segment.first - 1] != shot[segment.start]
        assert len(after) == lookahead or segment.last == len(times) or shot[segment.last] != shot[segment.stop - 1]
        assert len(before) <= warmup and len(after) <= lookahead


@pytest.mark.parametrize(
    ("count", "cuts", "expected"),
    [
        (0, [], []),
        (1, [], [(0, 1)]),
        (10, [], [(0, 10)]),
        (11, [], [(0, 10), (10, 11)]),
        (10, [5], [(0, 10)]),  # short shots share a segment
        (12, [5], [(0, 5), (5, 12)]),  # and a long video is divided at a cut
        (12, [0, 5], [(0, 5), (5, 12)]),
        (12, [4, 7], [(0, 7), (7, 12)]),  # at the last one within reach
        (12, [10], [(0, 10), (10, 12)]),
        (12, [2], [(0, 10), (10, 12)]),  # unless that leaves a stub
        (12, [3], [(0, 3), (3, 12)]),
        (30, [5, 15, 25], [(0, 5), (5, 15), (15, 25), (25, 30)]),
    ],
)
def test_where_segments_end(count, cuts, expected):
    assert ranges(plan(even(count), cuts, Needs(), seconds=SECOND)) == expected


def test_warm_up_lies_before_and_look_ahead_behind():
    first, second, third = plan(even(30), [20], Needs(warmup=3, lookahead=2), seconds=SECOND)
    assert (first.first, first.start, first.stop, first.last) == (0, 0, 10, 12)
    assert (second.first, second.start, second.stop, second.last) == (7, 10, 20, 20)
    assert (third.first, third.start, third.stop, third.last) == (20, 20, 30, 30)


def test_a_range_borrows_frames_from_outside_itself():
    (segment,) = plan(even(30), [], Needs(warmup=3, lookahead=2), start=10, stop=15, seconds=SECOND)
    assert (segment.first, segment.start, segment.stop, segment.last) == (7, 10, 15, 17)


def test_times_count_from_the_origin():
    times = [Fraction(5) + at for at in even(12)]
    segments = plan(times, [], Needs(), start=1, origin=Fraction(5), seconds=Fraction(1, 2))
    assert [segment.time for segment in segments] == [Fraction(1, 10), Fraction(6, 10), Fraction(11, 10)]


def test_a_frame_longer_than_the_cap_has_a_segment_of_its_own():
    times = [Fraction(0), Fraction(7), Fraction(20), Fraction(41, 2)]
    assert ranges(plan(times, [], Needs(), seconds=SECOND)) == [(0, 1), (1, 2), (2, 4)]
