"""The search for a CRF, with encoders whose bytes and quality are known."""

from __future__ import annotations

import itertools
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vidwright.jobs.rate import Curve, Grid, Point, best_fit, for_quality, for_size

AIM = 0.99
GRID = Grid(1, 63, 0.25, lambda crf: crf / 6)  # an octave of the quantiser every six


def encode(crf: float, *, size: float = 2e6, octaves: float = 0.15, bend: float = 0.0, fall: float = 0.4) -> Point:
    """An encoder with a rate and a distortion of known slopes, the rate's a little bent."""
    return Point(crf, round(size * 2 ** (-octaves * crf - bend * crf * crf)), 60 - fall * crf - 0.002 * crf * crf)


@given(st.floats(1, 63))
def test_the_grid_rounds_to_itself(crf):
    on = GRID.down(crf)
    assert on <= crf + 1e-6 < on + GRID.step + 1e-5 and GRID.down(on) == on == GRID.near(on)


def test_curves_go_through_their_points_and_straight_on():
    points = [encode(crf) for crf in (20, 30, 45)]
    curve = Curve(points, GRID)
    for point in points:
        assert curve.octaves(point.crf) == pytest.approx(math.log2(point.bytes))
        assert curve.crf_of_quality(point.quality) == pytest.approx(point.crf, abs=1e-6)
    assert curve.octaves(50) == pytest.approx(curve.octaves(45) - 5 * 0.15, abs=1e-3)
    assert Curve(points[:1], GRID, cost=3).crf_of_quality(points[0].quality - 2) == pytest.approx(24)


@settings(deadline=None)
@given(target=st.floats(15, 59.6), fall=st.floats(0.05, 1), first=st.floats(1, 63))
def test_a_quality_is_met_by_the_largest_crf_that_meets_it(target, fall, first):
    points = [encode(GRID.down(first), fall=fall)]
    for _ in range(16):
        crf = for_quality(points, target, GRID, near=0.05, curve=Curve([], GRID))
        if crf is None:
            break
        assert crf not in [point.crf for point in points]
        points.append(encode(crf, fall=fall))
    else:
        pytest.fail("it does not come to an end")
    good = [point for point in points if point.quality >= target]
    if not good:
        assert encode(1, fall=fall).quality < target and min(point.crf for point in points) == 1
        return
    best = max(good, key=lambda point: point.crf)
    above = encode(best.crf + GRID.step, fall=fall)
    assert best.quality - target < 0.05 or above.quality < target or best.crf == GRID.most
    assert len(points) <= 9


@settings(deadline=None, max_examples=40)
@given(
    sizes=st.lists(st.floats(1e5, 1e7), min_size=1, max_size=12),
    octaves=st.floats(0.1, 0.2),
    bend=st.floats(0, 0.0005),
    part=st.floats(0.1, 0.95),
    wrong=st.floats(0.7, 1.4),
)
def test_a_size_is_met_within_two_percent_after_three_passes(sizes, octaves, bend, part, wrong):
    def made(shot: int, crf: float) -> Point:
        return encode(crf, size=sizes[shot], octaves=octaves, bend=bend)

    budget = int(part * sum(made(shot, 20).bytes for shot in range(len(sizes))))
    sample = Curve(
        [encode(crf, size=wrong * sum(sizes), octaves=octaves, bend=0.8 * bend) for crf in (20, 35, 50)], GRID
    )
    first = GRID.near(sample.crf_of_octaves(math.log2(AIM * budget)))
    tried = {shot: [made(shot, first)] for shot in range(len(sizes))}
    for _ in range(2):
        for shot, crf in for_size(tried, AIM * budget, GRID, shape=sample).items():
            tried[shot].append(made(shot, crf))
    found = best_fit(tried, budget)
    assert found is not None and list(found) == list(tried)
    total = sum(point.bytes for point in found.values())
    assert total <= budget
    largest = max(point.bytes for point in found.values())
    coarse = largest * (2 ** ((octaves + 2 * bend * 63) * GRID.step) - 1)  # what the grid leaves where shots are few
    assert budget - total <= max(0.02 * budget, (1 - AIM) * budget + coarse)


@settings(deadline=None)
@given(st.lists(st.lists(st.integers(1000, 9000), min_size=1, max_size=3), min_size=1, max_size=5), st.floats(0.2, 1.2))
def test_the_best_fit_is_the_best_of_all_choices(options, part):
    tried = {n: [Point(k, size, 0) for k, size in enumerate(each)] for n, each in enumerate(options)}
    budget = int(part * sum(max(each) for each in options))
    sums = [sum(choice) for choice in itertools.product(*options)]
    found = best_fit(tried, budget)
    fitting = [total for total in sums if total <= budget]
    assert (found is None) == (not fitting)
    if found is not None:
        total = sum(point.bytes for point in found.values())
        assert total in sums and total <= budget
        rounded = (len(options) + 1) * max(budget // 10_000, 1)  # a unit up for each, and the rest of the budget's own
        assert total >= max((each for each in fitting if each <= budget - rounded), default=0) - rounded


def test_sizes_aim_a_little_below():
    tried = {0: [encode(30)], 1: [encode(30)]}
    chosen = for_size(tried, AIM * encode(25).bytes * 2, GRID, shape=Curve([encode(20), encode(40)], GRID))
    total = sum(encode(crf).bytes for crf in chosen.values())
    assert 0.97 < total / (encode(25).bytes * 2) <= AIM + 1e-3
    assert set(chosen.values()) <= {25.0, 25.25}
