"""Thinned curves keep what the eye looks for, and gaps stay gaps."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vidwright.core.curve import decades, path, round_step, thinned
from vidwright.core.page import filled

values = st.lists(st.floats(-1e6, 1e6) | st.just(math.nan), min_size=1, max_size=200)


@given(values, st.integers(1, 20).map(lambda half: 2 * half))
def test_few_points_are_left_and_both_ends_of_the_range_among_them(series, most):
    kept = thinned(series, most=most)
    assert kept == sorted(set(kept)) and len(kept) <= max(most, 1)
    known = [value for value in series if not math.isnan(value)]
    if known:
        seen = [series[n] for n in kept if not math.isnan(series[n])]
        assert min(seen) == min(known) and max(seen) == max(known)
    if len(series) <= most:
        assert kept == list(range(len(series)))


def test_a_long_gap_stays_a_gap():
    series = [1.0] * 400 + [math.nan] * 200 + [2.0] * 400
    kept = thinned(series, most=10)
    assert [math.isnan(series[n]) for n in kept].count(True) == 1


def test_a_path_is_interrupted_where_there_is_nothing():
    points = [(0, 1.0), (1, 2.0), (2, math.nan), (3, 4.0)]
    assert path(points) == "M0.00 1.00L1.00 2.00M3.00 4.00"
    assert path([(0, math.nan)]) == "" == path([])


@given(st.floats(1e-300, 1e300))
def test_round_steps_fill_a_span_at_most_four_times(span):
    step = round_step(span)
    assert 1.5 < span / step < 4.001
    assert f"{step:.3e}".startswith(("1.000", "2.000", "5.000"))


def test_the_least_of_spans_has_a_step():
    assert 0 < round_step(5e-324) < 1e-300


def test_decades_are_round_and_few():
    assert decades(0.015, 0.14) == pytest.approx([0.02, 0.05, 0.1])
    assert decades(0.9, 400) == pytest.approx([1, 3, 10, 30, 100, 300])
    assert len(decades(1e-9, 1e9)) <= 6


def test_what_is_filled_in_is_not_a_template():
    assert filled("<{{a}}|{{b}}>", {"a": "{{b}}", "b": "\\1"}) == "<{{b}}|\\1>"
