"""Bjontegaard's deltas against the `bjontegaard` package and against curves whose distance is known."""

from __future__ import annotations

import warnings

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vidwright.metrics.bd import Method, bd_metric, bd_rate

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # it loads matplotlib, whose own warnings are not ours
    import bjontegaard

METHODS: list[Method] = ["cubic", "pchip", "akima"]
X265 = [312.4, 640.9, 1310.2, 2704.0], [33.81, 36.12, 38.37, 40.48]
SVT = [271.3, 533.0, 1064.8, 2190.7, 4401.5], [33.97, 36.35, 38.49, 40.39, 41.9]


@pytest.mark.parametrize("method", METHODS)
def test_agrees_with_the_bjontegaard_package(method: Method):
    settings = {"method": method, "require_matching_points": False, "min_overlap": 0}
    assert bd_rate(*X265, *SVT, method=method) == pytest.approx(bjontegaard.bd_rate(*X265, *SVT, **settings), abs=1e-8)
    ours = bd_metric(*X265, *SVT, method=method)
    assert ours == pytest.approx(bjontegaard.bd_psnr(*X265, *SVT, **settings), abs=1e-8)


@pytest.mark.parametrize("method", METHODS)
@given(factor=st.floats(0.2, 5), gain=st.floats(-1, 1))
def test_a_scaled_curve_has_its_scale_and_a_lifted_one_its_lift(method: Method, factor: float, gain: float):
    rates, scores = X265
    scaled = bd_rate(rates, scores, [rate * factor for rate in rates], scores, method=method)
    assert scaled == pytest.approx((factor - 1) * 100, abs=1e-6)
    lifted = bd_metric(rates, scores, rates, [score + gain for score in scores], method=method)
    assert lifted == pytest.approx(gain, abs=1e-9)


@pytest.mark.parametrize("method", METHODS)
def test_swapping_the_curves_inverts_the_ratio_and_order_of_points_is_free(method: Method):
    forth, back = bd_rate(*X265, *SVT, method=method), bd_rate(*SVT, *X265, method=method)
    assert (1 + forth / 100) * (1 + back / 100) == pytest.approx(1, abs=1e-9)
    backwards = X265[0][::-1], X265[1][::-1]
    assert bd_rate(*backwards, *SVT, method=method) == pytest.approx(forth, abs=1e-9)


def test_scores_that_fall_with_the_rate_are_curves_too():
    distances = [-score for score in X265[1]], [-score for score in SVT[1]]
    falling = bd_rate(X265[0], distances[0], SVT[0], distances[1])
    assert falling == pytest.approx(bd_rate(*X265, *SVT), abs=1e-9)


@pytest.mark.parametrize(
    ("rates", "scores", "words"),
    [
        ([1, 2, 3], [30, 31, 32], "at least 4 points, got 3"),
        ([1, 2, 3, 4], [30, 31, 32], "4 rates and 3 scores"),
        ([0, 1, 2, 3], [30, 31, 32, 33], "must be positive"),
        ([1, 2, 3, 4], [30, 31, 32, float("inf")], "finite"),
        ([1, 2, 3, 4], [34, 35, 34.5, 36], "turns back"),
        ([1, 2, 3, 4], [34, 34, 35, 36], "turns back"),
        ([1, 2, 3, 4], [20, 22, 24, 26], "do not overlap: one ends at 26, the other begins at 33.81"),
    ],
)
def test_what_is_no_curve_is_refused(rates: list[float], scores: list[float], words: str):
    with pytest.raises(ValueError, match=words):
        bd_rate(*X265, rates, scores)


def test_rates_that_do_not_overlap_have_no_metric_delta():
    with pytest.raises(ValueError, match="do not overlap"):
        bd_metric(*X265, [rate * 1000 for rate in X265[0]], X265[1])
