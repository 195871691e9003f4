"""Bjontegaard's deltas between two rate curves, "Calculation of average PSNR differences", ITU-T VCEG-M33, 2001.

Each curve is a handful of (rate, score) points joined by an interpolation; the delta is the mean distance of the two
over the interval that both cover. Rates are compared as logarithms, so that a delta of rates is a ratio.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.polynomial import Polynomial
from scipy.interpolate import Akima1DInterpolator, PchipInterpolator

#: `cubic` is the report's own, one polynomial of third degree through all points; it swings between points that lie
#: far apart. `pchip` keeps to the data's monotony and is what standards bodies use now; `akima` swings least.
Method = Literal["cubic", "pchip", "akima"]
Points = Sequence[float]
_FEWEST = 4


def bd_rate(rates_a: Points, scores_a: Points, rates_b: Points, scores_b: Points, *, method: Method = "pchip") -> float:
    """Mean difference in percent of the rate that B needs for A's score: -20 means that B saves a fifth.

    Rates in any unit, the same for both; scores of any metric, which must rise or fall with the rate throughout.
    Raises `ValueError` for fewer than 4 points, values that are not finite, rates that are not positive, scores
    that turn back, and curves whose scores do not overlap.
    """
    rate_a, score_a = _curve(rates_a, scores_a)
    rate_b, score_b = _curve(rates_b, scores_b)
    return float(np.expm1(_mean_distance(score_a, rate_a, score_b, rate_b, method)) * 100)


def bd_metric(
    rates_a: Points, scores_a: Points, rates_b: Points, scores_b: Points, *, method: Method = "pchip"
) -> float:
    """Mean difference of B's score from A's at equal rate, in the unit of the score; with PSNR it is BD-PSNR.

    Raises `ValueError` as `bd_rate` does, but the scores may turn and the rates must overlap.
    """
    return _mean_distance(*_curve(rates_a, scores_a), *_curve(rates_b, scores_b), method)


def _curve(rates: Points, scores: Points) -> tuple[np.ndarray, np.ndarray]:
    """Natural logarithms of the rates, ascending, and their scores."""
    if len(rates) != len(scores):
        raise ValueError(f"a curve has {len(rates)} rates and {len(scores)} scores")
    if len(rates) < _FEWEST:
        raise ValueError(f"a curve needs at least {_FEWEST} points, got {len(rates)}")
    rate, score = np.asarray(rates, dtype=np.float64), np.asarray(scores, dtype=np.float64)
    if not (np.isfinite(rate).all() and np.isfinite(score).all() and (rate > 0).all()):
        raise ValueError("rates must be positive, and rates and scores finite")
    order = np.argsort(rate)
    return np.log(rate[order]), score[order]


def _mean_distance(xa: np.ndarray, ya: np.ndarray, xb: np.ndarray, yb: np.ndarray, method: Method) -> float:
    """Mean of B's y minus A's over the x that both curves cover."""
    (xa, ya), (xb, yb) = _ascending(xa, ya), _ascending(xb, yb)
    low, high = max(xa[0], xb[0]), min(xa[-1], xb[-1])
    if low >= high:
        raise ValueError(
            f"the curves do not overlap: one ends at {min(xa[-1], xb[-1]):.6g}, the other begins at {low:.6g}"
        )
    return (_integral(xb, yb, low, high, method) - _integral(xa, ya, low, high, method)) / (high - low)


def _ascending(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    x, y = (x[::-1], y[::-1]) if x[0] > x[-1] else (x, y)
    if not (np.diff(x) > 0).all():
        raise ValueError("a curve turns back: its points must be distinct, and its scores rise or fall throughout")
    return x, y


def _integral(x: np.ndarray, y: np.ndarray, low: float, high: float, method: Method) -> float:
    if method == "cubic":
        antiderivative = Polynomial.fit(x, y, 3).integ()
        return float(antiderivative(high) - antiderivative(low))
    interpolation = {"pchip": PchipInterpolator, "akima": Akima1DInterpolator}[method]
    return float(interpolation(x, y).integrate(low, high))
