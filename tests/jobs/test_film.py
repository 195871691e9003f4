"""The passes that a size takes, with an encoder that has whims."""

from __future__ import annotations

import math
import random
from types import SimpleNamespace
from typing import Any

import pytest

from vidwright.io.codecs import CODECS, CRF_STEP
from vidwright.jobs.film import FREE, NEAR, PASSES, _approach
from vidwright.jobs.rate import Curve, Grid, Point

ROW = CODECS["av1"]
GRID = Grid(1, ROW.crf_max, CRF_STEP, ROW.octaves)


class Made:
    """Shots that have been encoded; each encoding's bytes are off the shot's curve by up to `whim`."""

    def __init__(self, sizes: list[float], slope: float, whim: float, seed: int) -> None:
        self._sizes, self._slope, self._whim, self._seed = sizes, slope, whim, seed
        self.found: dict[int, dict[float, Point]] = {shot: {} for shot in range(len(sizes))}

    def bytes(self, shot: int, crf: float) -> int:
        whim = random.Random(f"{self._seed} {shot} {crf}").uniform(-self._whim, self._whim)
        return round(self._sizes[shot] * 2 ** (self._slope * GRID.octaves(crf)) * (1 + whim))

    def make(self, wanted: dict[int, float]) -> None:
        for shot, crf in wanted.items():
            self.found[shot][crf] = Point(crf, self.bytes(shot, crf), 40.0)

    def points(self, shot: int) -> list[Point]:
        return [self.found[shot][crf] for crf in sorted(self.found[shot])]


def approached(sizes: list[float], wrong: float, whim: float, seed: int) -> tuple[float, int]:
    """The part of a size that is filled, and the passes; samples were `wrong` about how much there is."""
    made = Made(sizes, -0.9, whim, seed)
    film: Any = SimpleNamespace(trials=made, grid=GRID, tried=lambda: {n: made.points(n) for n in made.found})
    budget = sum(made.bytes(shot, 31.4) for shot in made.found)
    about = {crf: wrong * budget * 2 ** (GRID.octaves(31.4) - GRID.octaves(crf)) for crf in (4, 25, 58)}
    shape = Curve([Point(crf, round(size), 40) for crf, size in about.items()], GRID)
    made.make(dict.fromkeys(made.found, GRID.near(shape.crf_of_octaves(math.log2((1 - FREE) * budget)))))
    found = _approach(film, budget, shape, PASSES - 1)
    assert found is not None
    return sum(point.bytes for point in found.values()) / budget, max(len(each) for each in made.found.values())


@pytest.mark.parametrize("sizes", [[3e6], [1e6, 4e6, 2e6, 2e6, 1e6]])
@pytest.mark.parametrize("wrong", [0.7, 0.95, 1.3])
def test_a_size_is_filled_in_three_passes_and_never_exceeded(sizes, wrong):
    came_to = [approached(sizes, wrong, 0.005, seed) for seed in range(10)]
    assert all(part <= 1 and passes <= PASSES for part, passes in came_to)
    assert sum(part >= NEAR for part, _ in came_to) >= 9


def test_great_whims_take_a_further_pass_and_not_the_worst_quality():
    came_to = [approached([3e6], 0.7, 0.04, seed) for seed in range(20)]
    assert all(0.85 < part <= 1 and passes <= PASSES + 2 for part, passes in came_to)
    assert sum(passes > PASSES for _, passes in came_to) > 0
