"""One figure over time as a small inline SVG that scales to any width."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape

from vidwright.core.curve import path, thinned

_WIDTH, _HEIGHT = 1000, 100


def plot(values: Sequence[float], marks: Sequence[int], *, name: str, step: float, digits: int, unit: str = "") -> str:
    """HTML of a plot of `values` against their number, between multiples of `step`, with a dot at each of `marks`.

    Long series are thinned to the lowest and the highest value of each stretch, so that no dip is lost; an
    infinite value lies on the upper edge.
    """
    floor, ceiling = bounds(values, step=step)
    dots = "".join(_dot(mark, values, floor, ceiling) for mark in marks)
    top, low = (f"{bound:.{digits}f}{unit and ' '}{unit}" for bound in (ceiling, floor))
    return (
        f'<div class="plot"><svg viewBox="0 0 {_WIDTH} {_HEIGHT}" preserveAspectRatio="none" role="img" '
        f'aria-label="{escape(name)} of each frame, from {low} to {top}">'
        f'<path class="grid" d="M0 0H{_WIDTH}"/><path class="trace" d="{_trace(values, floor, ceiling)}"/></svg>'
        f'<span class="label top">{escape(name)} {top}</span><span class="label low">{low}</span>{dots}</div>'
    )


def bounds(values: Sequence[float], *, step: float) -> tuple[float, float]:
    """Multiples of `step` that hold all finite values and leave the plot a height; (0, step) without any."""
    finite = [value for value in values if math.isfinite(value)]
    if not finite:
        return 0.0, step
    floor, ceiling = math.floor(min(finite) / step) * step, math.ceil(max(finite) / step) * step
    return floor, max(ceiling, floor + step)


def _dot(number: int, values: Sequence[float], floor: float, ceiling: float) -> str:
    across, down = 100 * number / max(len(values) - 1, 1), _height(values[number], floor, ceiling)
    return f'<i class="dot" style="left: {across:.2f}%; top: {down:.2f}%"></i>'


def _trace(values: Sequence[float], floor: float, ceiling: float) -> str:
    last = max(len(values) - 1, 1)
    points = [(_WIDTH * n / last, _height(values[n], floor, ceiling)) for n in thinned(values)]
    if len(points) == 1:
        points.append((float(_WIDTH), points[0][1]))
    return path(points)


def _height(value: float, floor: float, ceiling: float) -> float:
    share = (min(max(value, floor), ceiling) - floor) / (ceiling - floor)
    return _HEIGHT * (1 - share)
