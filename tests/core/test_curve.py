"""Thinned curves keep what the eye looks for, and gaps stay gaps."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from vidwright.core.curve import path, thinned
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


def test_what_is_filled_in_is_not_a_template():
    assert filled("<{{a}}|{{b}}>", {"a": "{{b}}", "b": "\\1"}) == "<{{b}}|\\1>"
