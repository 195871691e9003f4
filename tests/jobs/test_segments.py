"""Segments tile the range, end at cuts where that helps, and are given all they need but nothing across a cut."""

from __future__ import annotations

import bisect
import itertools
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vidwright.core import Needs
from vidwright.jobs.segments import HAIR, Segment, plan

SECOND = Fraction(1)


def even(count: int, rate: int = 10) -> list[Fraction]:
    return [Fraction(n, rate) for n in range(count)]


def over(times: list[Fraction]) -> Fraction:
    """When the last frame has been shown, if it is shown as long as in `even`."""
    return times[-1] + Fraction(1, 10) if times else Fraction(0)


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


@given(video=videos(), warmup=st.integers(0, 9), lookahead=st.integers(0, 9), rate=st.integers(1, 2))
def test_what_holds_of_every_plan(video, warmup, lookahead, rate):
    times, cuts, start, stop = video
    needs, end = Needs(rate=rate, warmup=warmup, lookahead=lookahead), times[stop] if stop < len(times) else over(times)
    segments = plan(times, cuts, needs, end=end, start=start, stop=stop, seconds=SECOND)
    assert [n for segment in segments for n in range(segment.start, segment.stop)] == list(range(start, stop))
    assert [segment.number for segment in segments] == list(range(len(segments)))
    shot = [bisect.bisect_right(cuts, n) for n in range(len(times))]
    for segment in segments:
        assert segment.stop - segment.start == 1 or times[segment.stop - 1] - times[segment.start] < SECOND
        assert segment.frames == rate * (segment.stop - segment.start)
        assert (segment.begin, segment.end) == (
            times[segment.start],
            times[segment.stop] if segment.stop < len(times) else end,
        )
        before, after = range(segment.first, segment.start), range(segment.stop, segment.last)
        assert {shot[n] for n in before} <= {shot[segment.start]}
        assert {shot[n] for n in after} <= {shot[segment.stop - 1]}
        # As many as were asked for, unless the shot ends there.
        assert len(before) == warmup or segment.first == 0 or shot[segment.first - 1] != shot[segment.start]
        assert len(after) == lookahead or segment.last == len(times) or shot[segment.last] != shot[segment.stop - 1]
        assert len(before) <= warmup and len(after) <= lookahead


@given(
    video=videos(),
    rate=st.fractions(Fraction(1, 4), Fraction(60), max_denominator=1001),
    seconds=st.fractions(Fraction(1, 10), Fraction(9), max_denominator=10),
)
def test_every_beat_belongs_to_one_segment(video, rate, seconds):
    times, cuts, start, stop = video
    end = times[stop] if stop < len(times) else over(times)
    segments = plan(times, cuts, Needs(), end=end, rate=rate, start=start, stop=stop, seconds=seconds)
    owned = [segment.begin + n / rate for segment in segments for n in range(segment.frames)]
    beats = [times[0] + n / rate for n in range(int((end - times[0]) * rate) + 1)]
    assert owned == [beat for beat in beats if times[start] - HAIR <= beat < end - HAIR]
    assert [segment.number for segment in segments] == list(range(len(segments)))
    assert all(segment.frames and times[segment.start] - HAIR <= segment.begin < segment.end for segment in segments)


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
    assert ranges(plan(even(count), cuts, Needs(), end=over(even(count)), seconds=SECOND)) == expected


def test_warm_up_lies_before_and_look_ahead_behind():
    needs = Needs(warmup=3, lookahead=2)
    first, second, third = plan(even(30), [20], needs, end=Fraction(3), seconds=SECOND)
    assert (first.first, first.start, first.stop, first.last) == (0, 0, 10, 12)
    assert (second.first, second.start, second.stop, second.last) == (7, 10, 20, 20)
    assert (third.first, third.start, third.stop, third.last) == (20, 20, 30, 30)


def test_a_range_borrows_frames_from_outside_itself():
    needs, end = Needs(warmup=3, lookahead=2), Fraction(3, 2)
    (segment,) = plan(even(30), [], needs, end=end, start=10, stop=15, seconds=SECOND)
    assert (segment.first, segment.start, segment.stop, segment.last) == (7, 10, 15, 17)


def test_a_frame_longer_than_the_cap_has_a_segment_of_its_own():
    times = [Fraction(0), Fraction(7), Fraction(20), Fraction(41, 2)]
    segments = plan(times, [], Needs(), end=Fraction(21), seconds=SECOND)
    assert ranges(segments) == [(0, 1), (1, 2), (2, 4)]


def test_beats_are_those_of_the_first_frame_wherever_a_range_begins():
    times = [Fraction(5) + at for at in even(30)]
    segments = plan(times, [], Needs(), end=Fraction(8), rate=Fraction(25), start=3, stop=30, seconds=SECOND)
    assert [(segment.begin, segment.frames) for segment in segments] == [
        (Fraction(5) + Fraction(8, 25), 25),  # no beat falls on the frame at 5.3 s
        (Fraction(5) + Fraction(33, 25), 25),
        (Fraction(5) + Fraction(58, 25), 17),
    ]


def test_shots_have_segments_of_their_own_but_flashes():
    def planned(cuts, count=60, seconds=2):
        times = even(count)
        return ranges(plan(times, cuts, Needs(), end=over(times), seconds=Fraction(seconds), shots=True))

    assert planned([10, 30]) == [(0, 10), (10, 30), (30, 50), (50, 60)]
    assert planned([10, 12, 14, 30], seconds=8) == [(0, 10), (10, 30), (30, 60)]  # two of 0.2 s share the next one's
    assert planned([]) == [(0, 20), (20, 40), (40, 60)]
