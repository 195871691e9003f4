"""The timeline: unchanged when healthy, strictly increasing whatever comes."""

from __future__ import annotations

from fractions import Fraction
from itertools import accumulate, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vidwright.io.timeline import BREAK, NONSENSE, Moment, repair

TICK = Fraction(1, 25)


def run(stamps, **options) -> list[Moment]:
    pairs = [(None if s is None else s * TICK, None) for s in stamps]
    return list(repair(pairs, TICK, **options))


def ticks(moments) -> list[Fraction]:
    return [moment.time / TICK for moment in moments]


seconds = st.fractions(min_value=-100, max_value=100, max_denominator=1000)
anything = st.lists(
    st.tuples(
        st.none() | seconds | st.sampled_from([Fraction(0), TICK, 2 * TICK]),
        st.none() | st.fractions(min_value=-1, max_value=3, max_denominator=100),
    )
)


@given(anything, st.integers(0, 5), st.sampled_from([BREAK, NONSENSE]))
def test_any_input_gives_as_many_increasing_times(stamps, window, gap):
    times = [moment.time for moment in repair(stamps, TICK, window=window, longest_gap=gap)]
    assert len(times) == len(stamps)
    assert all(time >= 0 for time in times)
    assert all(before < after for before, after in pairwise(times))


@given(
    st.fractions(0, 2000, max_denominator=90000),
    st.lists(st.fractions(Fraction(1, 90000), 9, max_denominator=90000)),
    st.integers(0, 5),
)
def test_a_healthy_timeline_of_any_rate_passes_unchanged(first, steps, window):
    times = list(accumulate(steps, initial=first))
    moments = list(repair([(time, None) for time in times], TICK, window=window, longest_gap=BREAK))
    assert [moment.time for moment in moments] == times
    assert not any(moment.retimed for moment in moments)


def test_no_stamps_at_all_means_the_nominal_rate():
    moments = run([None] * 4)
    assert ticks(moments) == [0, 1, 2, 3]
    assert all(moment.retimed for moment in moments)


def test_missing_stamps_follow_the_duration_of_the_frame_before():
    pairs = [(Fraction(0), Fraction(1, 2)), (None, Fraction(1, 4)), (None, None)]
    assert [m.time for m in repair(pairs, TICK)] == [0, Fraction(1, 2), Fraction(3, 4)]


def test_stamps_in_decoding_order_are_sorted():
    moments = run([1, 4, 3, 5, 2, 7, 6, 10, 9, 11, 8, 12], window=16)
    assert ticks(moments) == list(range(1, 13))
    assert sum(moment.retimed for moment in moments) == 8


def test_a_doubled_stamp_moves_one_frame_and_leaves_the_rest_in_sync():
    moments = run([0, 1, 1, 2, 3])
    assert ticks(moments) == [0, 1, Fraction(3, 2), 2, 3]
    assert [moment.retimed for moment in moments] == [False, False, True, False, False]


def test_a_clock_that_stands_still_gives_the_nominal_rate_in_the_long_run():
    assert ticks(run([0] * 101))[-1] >= 50


def test_a_restarted_clock_goes_on_from_where_it_was():
    moments = run([100, 101, 102, 0, 1, 2])
    assert ticks(moments) == [100, 101, 102, 103, 104, 105]
    assert sum(moment.retimed for moment in moments) == 1


def test_a_jump_is_closed_only_where_clocks_may_jump():
    far = 25 * 11 + 1
    assert ticks(run([0, 1, far, far + 1], longest_gap=BREAK)) == [0, 1, 2, 3]
    assert ticks(run([0, 1, far, far + 1])) == [0, 1, far, far + 1]


def test_a_negative_start_is_moved_to_zero_as_a_whole():
    moments = run([-3, -2, -1, 0, 1])
    assert ticks(moments) == [0, 1, 2, 3, 4]
    assert sum(moment.retimed for moment in moments) == 1


def test_it_works_online():
    def endless():
        number = 0
        while True:
            yield Fraction(number, 25), None
            number += 1

    moments = repair(endless(), TICK, window=16)
    assert [next(moments).time for _ in range(3)] == [0, TICK, 2 * TICK]


@pytest.mark.parametrize("window", [0, 16])
def test_an_empty_timeline_is_empty(window):
    assert run([], window=window) == []
