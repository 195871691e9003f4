"""Figures of a run over its steps, as inline SVG that scales to any width."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Literal

from vidwright.core.curve import decades, path, round_step, thinned

_WIDTH, _HEIGHT = 1000, 100

#: Up to so many values each gets a dot; more would touch.
_DOTS = 40

#: Of a long noisy series this share may lie beyond each edge of the chart, so that one spike does not flatten it.
_CLIPPED, _LONG = 0.01, 200

#: A positive series is drawn on a logarithmic scale from this ratio of its highest and lowest on.
_DECADES = 20.0


@dataclass(frozen=True, slots=True)
class Curve:
    """Values at steps, both ascending in time; NaN is a gap. `raw` is drawn lightly, behind the others."""

    steps: Sequence[float]
    values: Sequence[float]
    look: Literal["trace", "raw"] = "trace"


def chart(title: str, curves: Sequence[Curve], *, last: int, note: str = "", best: int | None = None) -> str:
    """HTML of a chart of curves between step 0 and `last`, at most 1,000 points each.

    The scale is logarithmic where positive values span more than a decade. `note` is said beside the title; the
    value at step `best` is marked. Values beyond the edges lie on them.
    """
    scale = _Scale.of(curves)
    end = max(last, 1)
    lines = "".join(_line(curve, scale, end) for curve in curves)
    grid = "".join(f'<path class="grid" d="M0 {scale.down(tick):.2f}H{_WIDTH}"/>' for tick in scale.ticks)
    labels = "".join(f'<span class="tick" style="top: {scale.down(t):.2f}%">{number(t)}</span>' for t in scale.ticks)
    dots = "".join(_dots(curve, scale, end, best) for curve in curves if curve.look == "trace")
    said = f"{title}, from {number(scale.low)} to {number(scale.high)}"
    caption = f'<b>{escape(title)}</b><span class="figures">{escape(note)}</span>'
    return (
        f'<figure class="chart"><figcaption>{caption}</figcaption>'
        f'<div class="plot figures"><svg viewBox="0 0 {_WIDTH} {_HEIGHT}" preserveAspectRatio="none" role="img" '
        f'aria-label="{escape(said)}">{grid}{lines}</svg>{labels}{dots}</div>'
        f'<p class="axis figures"><span>0</span><span>step</span><span>{end:,}</span></p></figure>'
    )


def number(value: float) -> str:
    """Four significant digits, without what a reader does not need: 0.0015, 12.5, 3e-5, 1.2e6."""
    mantissa, mark, exponent = f"{value:.4g}".partition("e")
    return mantissa if not mark else f"{mantissa}e{int(exponent)}"


def smoothed(values: Sequence[float]) -> list[float]:
    """An exponential average over about a fiftieth of the series, not biased towards its beginning; gaps stay."""
    keep = 1 - 1 / max(len(values) / 50, 1)
    total = weight = 0.0
    found: list[float] = []
    for value in values:
        if math.isnan(value):
            found.append(value)
            continue
        total, weight = keep * total + value, keep * weight + 1
        found.append(total / weight)
    return found


@dataclass(frozen=True, slots=True)
class _Scale:
    low: float
    high: float
    ticks: tuple[float, ...]
    logarithmic: bool

    @staticmethod
    def of(curves: Sequence[Curve]) -> _Scale:
        low, high = _range(curves)
        if 0 < low <= high / _DECADES:
            return _Scale(low, high, tuple(decades(low, high)), True)
        step = round_step((high - low) or abs(high) or 1.0)
        first, final = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
        final = max(final, first + 1)
        ticks = tuple(n * step for n in range(first, final + 1))
        return _Scale(ticks[0], ticks[-1], ticks, False)

    def down(self, value: float) -> float:
        """Distance from the upper edge in hundredths of the height; NaN stays NaN."""
        if math.isnan(value):
            return value
        value = min(max(value, self.low), self.high)
        if self.logarithmic:
            low, high = math.log(self.low), math.log(self.high)  # their quotient may be too large for a float
            return _HEIGHT * (high - math.log(value)) / (high - low)
        return _HEIGHT * (1 - (value - self.low) / (self.high - self.low))


def _range(curves: Sequence[Curve]) -> tuple[float, float]:
    """Lowest and highest to be shown; (0, 1) of nothing."""
    ends: list[float] = []
    for curve in curves:
        known = sorted(value for value in curve.values if math.isfinite(value))
        beyond = int(_CLIPPED * len(known)) if curve.look == "raw" and len(known) >= _LONG else 0
        ends += [known[beyond], known[-1 - beyond]] if known else []
    return (min(ends), max(ends)) if ends else (0.0, 1.0)


def _line(curve: Curve, scale: _Scale, end: int) -> str:
    points = [(_WIDTH * curve.steps[n] / end, scale.down(curve.values[n])) for n in thinned(curve.values)]
    return f'<path class="{curve.look}" d="{path(points)}"/>'


def _dots(curve: Curve, scale: _Scale, end: int, best: int | None) -> str:
    few = len(curve.values) <= _DOTS
    parts: list[str] = []
    for step, value in zip(curve.steps, curve.values, strict=True):
        if math.isnan(value) or not (few or step == best):
            continue
        look = "dot best" if step == best else "dot"
        parts.append(f'<i class="{look}" style="left: {100 * step / end:.2f}%; top: {scale.down(value):.2f}%"></i>')
    return "".join(parts)
