"""Series as short SVG paths, and the round values of their axes."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterable, Sequence


def thinned(values: Sequence[float], *, most: int = 1000) -> list[int]:
    """The numbers of the values to draw: all of up to `most`, else the lowest and the highest of each stretch.

    So no dip and no peak is lost. NaN is a gap: a stretch that holds nothing else keeps one.
    """
    if len(values) <= most:
        return list(range(len(values)))
    kept: set[int] = set()
    stretches = most // 2
    for part in range(stretches):
        stretch = range(part * len(values) // stretches, (part + 1) * len(values) // stretches)
        known = [n for n in stretch if not math.isnan(values[n])] or [stretch.start]
        kept |= {min(known, key=values.__getitem__), max(known, key=values.__getitem__)}
    return sorted(kept)


def path(points: Iterable[tuple[float, float]]) -> str:
    """SVG path data through (x, y) in the drawing's units, interrupted where y is NaN."""
    parts: list[str] = []
    pen = "M"
    for x, y in points:
        if math.isnan(y):
            pen = "M"
            continue
        parts.append(f"{pen}{x:.2f} {y:.2f}")
        pen = "L"
    return "".join(parts)


def round_step(span: float) -> float:
    """One, two or five times a power of ten, at most four of which fill `span`."""
    power = 10.0 ** math.floor(math.log10(max(span / 4, sys.float_info.min)))  # a quarter of the least number is 0
    return next((k * power for k in (1, 2, 5) if k * power >= span / 4 * (1 - 1e-9)), 10 * power)


def decades(low: float, high: float) -> list[float]:
    """Round values between the two on a logarithmic scale, at most six."""
    exponents = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    for parts in ((1, 2, 5), (1, 3), (1,)):
        found = [k * 10.0**e for e in exponents for k in parts if low <= k * 10.0**e <= high]
        if len(found) <= 6:
            return found
    return found[:: math.ceil(len(found) / 6)]
