"""Which CRF gives a size or a quality, learned from what has been encoded.

The CRF of a shot is on a grid. Over the logarithm of the quantiser's step, to which a CRF leads, the logarithm of its
bytes and its quality are nearly straight lines, each shot's with its own slope (over the CRF itself AV1's are bent at
both ends). So few encodings of a shot, or of samples of a film, tell which to try next.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

#: Octaves of bytes that an octave of the quantiser's step saves, and quality that it costs, where nothing is known yet.
SAVED, COST = 0.9, 3.0
#: Octaves of the quantiser's step between two encodings from which their slope is believed half: over less, encoders'
#: whims count for more.
WHIMS = 0.06


@dataclass(frozen=True, slots=True)
class Grid:
    """The CRFs that a codec tells apart: from `least` to `most` in steps.

    `octaves` is the logarithm to base 2 of the quantiser's step at a CRF.
    """

    least: float
    most: float
    step: float
    octaves: Callable[[float], float]

    def down(self, crf: float) -> float:
        """The next CRF of the grid that is not above `crf`."""
        steps = math.floor((min(crf, self.most) - self.least) / self.step + 1e-6)
        return round(self.least + self.step * max(steps, 0), 6)  # so that equal ones are equal

    def near(self, crf: float) -> float:
        """The CRF of the grid that is nearest to `crf`."""
        return self.down(crf + self.step / 2)


@dataclass(frozen=True, slots=True)
class Point:
    """What an encoding at `crf` came to; `key` bytes of it are those of its first frame."""

    crf: float
    bytes: int
    quality: float
    key: int = 0


class Curve:
    """Bytes and quality over the CRF, through the points that were measured and straight on beyond them.

    `cost` is how much quality an octave of the quantiser's step costs where there is one point only.
    """

    def __init__(self, points: Iterable[Point], grid: Grid, *, cost: float = COST) -> None:
        found = {point.crf: point for point in sorted(points, key=lambda point: point.crf)}
        self._grid = grid
        self._steps = [grid.octaves(crf) for crf in found]
        self._qualities = [point.quality for point in found.values()]
        self._octaves_at = _through(self._steps, [math.log2(point.bytes) for point in found.values()], -SAVED)
        self._quality_at = _through(self._steps, self._qualities, -cost)
        self._cost = cost

    def octaves(self, crf: float) -> float:
        """The logarithm to base 2 of the bytes at `crf`."""
        return self._octaves_at(self._grid.octaves(crf))

    def quality(self, crf: float) -> float:
        """The quality at `crf`."""
        return self._quality_at(self._grid.octaves(crf))

    def crf_of_octaves(self, octaves: float) -> float:
        """The CRF, not rounded, at which there are so many."""
        return _solved(lambda crf: self.octaves(crf) - octaves, self._grid)

    def crf_of_quality(self, quality: float) -> float:
        """The CRF, not rounded, at which the quality is this."""
        return _solved(lambda crf: self.quality(crf) - quality, self._grid)

    @property
    def cost(self) -> float:
        """How much quality an octave of the quantiser's step costs, in the mean."""
        if len(self._steps) < 2:
            return self._cost
        return (self._qualities[0] - self._qualities[-1]) / (self._steps[-1] - self._steps[0])


def for_quality(points: Sequence[Point], target: float, grid: Grid, *, near: float, curve: Curve) -> float | None:
    """The CRF to try next for a shot, so that its quality becomes the least that is not below `target`.

    None when it is found: a quality that is less than `near` above the target, or neighbours on the grid of which one
    is above and one below, or an end of the grid. `curve` is what is known of other shots, for the first steps.
    """
    good = max((point for point in points if point.quality >= target), key=lambda p: p.crf, default=None)
    bad = min((point for point in points if point.quality < target), key=lambda p: p.crf, default=None)
    if good is None and bad is None:
        return grid.down(curve.crf_of_quality(target))
    if good is not None and (good.quality - target < near or good.crf >= grid.most):
        return None
    if good is not None and bad is not None:
        if bad.crf - good.crf <= 1.01 * grid.step:
            return None
        share = (good.quality - target) / (good.quality - bad.quality) if math.isfinite(good.quality) else 0.5
        between = grid.down(good.crf + share * (bad.crf - good.crf))
        return min(max(between, grid.down(good.crf + 1.01 * grid.step)), grid.down(bad.crf - 0.99 * grid.step))
    known = Curve(points, grid, cost=max(curve.cost, 1e-3))
    if good is not None:
        return max(grid.down(known.crf_of_quality(target)), grid.down(good.crf + 1.01 * grid.step))
    assert bad is not None
    if bad.crf <= grid.least:
        return None
    return max(min(grid.down(known.crf_of_quality(target)), grid.down(bad.crf - 0.99 * grid.step)), grid.least)


def for_size(tried: Mapping[int, Sequence[Point]], aim: float, grid: Grid, *, shape: Curve) -> dict[int, float]:
    """CRFs for all shots, as equal as the grid allows, with which they should come to not more than `aim` bytes.

    `shape` is how the bytes of the whole film fall.
    """

    bytes_at = {shot: _bytes(points, grid, shape) for shot, points in tried.items()}

    def total(crf: float) -> float:
        return sum(each(crf) for each in bytes_at.values())

    common = _solved(lambda crf: math.log2(total(crf)) - math.log2(aim), grid)
    low = grid.down(common)
    high = grid.near(low + grid.step)
    chosen = dict.fromkeys(tried, high)
    spent = total(high)
    steps = {shot: each(low) - each(high) for shot, each in bytes_at.items()}
    for shot, more in sorted(steps.items(), key=lambda step: -step[1]):  # the small ones fill what the large ones leave
        if spent + more <= aim:
            chosen[shot], spent = low, spent + more
    return chosen


def best_fit(tried: Mapping[int, Sequence[Point]], budget: int) -> dict[int, Point] | None:
    """Of what was tried of each shot one each, together as large as `budget` allows; None if even the least is above.

    Sums are exact to a ten-thousandth of the budget, rounded to the safe side.
    """
    least = sum(min(point.bytes for point in points) for points in tried.values())
    if least > budget:
        return None
    unit = max(budget // 10_000, 1)
    # What each shot adds to its least, in units rounded up: the sum of all of them must stay within what is left.
    room = budget // unit - sum(min(_units(point, unit) for point in points) for points in tried.values())
    if room < 0:
        return {shot: min(points, key=lambda p: p.bytes) for shot, points in tried.items()}
    reached = np.zeros(room + 1, dtype=bool)
    reached[0] = True
    choices: list[np.ndarray[Any, np.dtype[np.int16]]] = []
    for points in tried.values():
        steps = [_units(point, unit) for point in points]
        choice = np.full(room + 1, -1, dtype=np.int16)
        for number, step in enumerate(steps):
            more = step - min(steps)
            if more <= room:
                free = reached[: room + 1 - more] & (choice[more:] < 0)
                choice[more:][free] = number
        reached = choice >= 0
        choices.append(choice)
    at = int(reached.nonzero()[0][-1])
    chosen: dict[int, Point] = {}
    for (shot, points), choice in zip(list(tried.items())[::-1], choices[::-1], strict=True):
        chosen[shot] = point = points[int(choice[at])]
        at -= _units(point, unit) - min(_units(each, unit) for each in points)
    return dict(reversed(chosen.items()))


def _units(point: Point, unit: int) -> int:
    return -(-point.bytes // unit)


def _bytes(points: Sequence[Point], grid: Grid, shape: Curve) -> Callable[[float], float]:
    """Bytes of a shot at a CRF: bent as the film is, through the points that the shot itself has."""
    known = {point.crf: point.bytes for point in sorted(points, key=lambda point: point.crf)}
    steps = [grid.octaves(crf) for crf in known]
    apart = _through(steps, [math.log2(size) - shape.octaves(crf) for crf, size in known.items()], 0.0)
    return lambda crf: 2 ** (shape.octaves(crf) + apart(grid.octaves(crf)))


def _through(xs: Sequence[float], ys: Sequence[float], slope: float) -> Callable[[float], float]:
    """A curve through all points that keeps to their monotony, and straight on beyond them.

    Its slope is `slope` where there is one point only, and nearly that beyond two that are close together. Without any
    point it is not to be asked.
    """
    if len(xs) < 2:
        return lambda x: ys[0] + slope * (x - xs[0])

    @cache
    def inside() -> Callable[[float], Any]:
        # Half a second, which commands without a target need not wait.
        from scipy.interpolate import PchipInterpolator  # pyright: ignore[reportMissingTypeStubs]

        return PchipInterpolator(np.asarray(xs), np.asarray(ys))

    def at(x: float) -> float:
        if x <= xs[0]:
            return ys[0] + (x - xs[0]) * _slope(xs[:2], ys[:2], slope)
        if x >= xs[-1]:
            return ys[-1] + (x - xs[-1]) * _slope(xs[-2:], ys[-2:], slope)
        return float(inside()(x))

    return at


def _slope(xs: Sequence[float], ys: Sequence[float], usual: float) -> float:
    """The slope between two points, and the `usual` one the closer they are."""
    apart = xs[1] - xs[0]
    return usual + ((ys[1] - ys[0]) / apart - usual) * apart**2 / (apart**2 + WHIMS**2)


def _solved(falling: Callable[[float], float], grid: Grid) -> float:
    """Where a falling function of the CRF is 0, or the end of the grid that is nearer to it."""
    low, high = grid.least, grid.most
    if falling(low) <= 0:
        return low
    if falling(high) >= 0:
        return high
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (middle, high) if falling(middle) > 0 else (low, middle)
    return low
