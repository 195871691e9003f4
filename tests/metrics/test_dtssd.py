"""dtSSD in cases whose value is known."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from vidwright.data.seeding import generator
from vidwright.metrics.dtssd import DtSsd, dtssd


def test_is_the_formula_of_the_paper_per_element():
    o0, o1, t0, t1 = torch.rand(4, 3, 9, 7, generator=generator(1)).unbind()
    expected = math.sqrt(sum(((o1 - o0) - (t1 - t0)).double().pow(2).flatten().tolist()) / (3 * 9 * 7))
    assert dtssd(o0, o1, t0, t1) == pytest.approx(expected, rel=1e-6)


def test_a_constant_error_is_no_flicker_and_an_alternating_one_counts_twice():
    targets = torch.rand(5, 3, 8, 8, generator=generator(2))
    constant, alternating = DtSsd(), DtSsd()
    for number, target in enumerate(targets):
        constant.update(target + 0.25, target)
        alternating.update(target + 0.1 * (-1) ** number, target)
    assert constant.result() == pytest.approx(0, abs=1e-6)
    assert alternating.result() == pytest.approx(0.2, rel=1e-5)


def test_one_picture_is_not_measured_nor_is_a_pair_across_a_cut():
    metric, picture = DtSsd(), torch.zeros(1, 4, 4)
    metric.update(picture, picture)
    metric.update(picture + 1, picture, cut=True)
    with pytest.raises(ValueError, match="no picture"):
        metric.result()
    metric.update(picture, picture)
    assert metric.result() == 1


def test_a_picture_that_is_overwritten_after_the_update_is_remembered_as_it_was():
    metric, output, target = DtSsd(), torch.zeros(1, 4, 4), torch.zeros(1, 4, 4)
    metric.update(output, target)
    metric.update(output.fill_(0.5), target)
    assert metric.result() == 0.5


@given(st.lists(st.booleans(), min_size=6, max_size=6), st.integers(0, 6))
def test_shots_are_measured_alike_wherever_the_parts_meet(cuts: list[bool], middle: int):
    outputs, targets = torch.rand(2, 6, 1, 4, 4, generator=generator(3))
    whole, first, second = DtSsd(), DtSsd(), DtSsd()
    for number, cut in enumerate(cuts):
        for metric in (whole, first if number < middle else second):
            metric.update(outputs[number], targets[number], cut=cut)
    first.merge(second)
    pairs = [number for number in range(1, 6) if not cuts[number]]
    if not pairs:
        with pytest.raises(ValueError, match="no picture"):
            first.result()
        return
    figures = [dtssd(outputs[n - 1], outputs[n], targets[n - 1], targets[n]) for n in pairs]
    assert first.result() == whole.result() == math.fsum(figures) / len(figures)
