"""Long series as short SVG paths."""

from __future__ import annotations

import math
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
