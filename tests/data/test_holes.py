"""Holes have the kind, the area and the motion that were asked for, and are a function of their generator."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from vidwright.data.holes import KINDS, hole
from vidwright.data.seeding import generator


def drawn(kind: str, seed: int = 0, size: tuple[int, int] = (48, 80), area: float = 0.1, steps=()) -> Tensor:
    return hole(kind, size, area, generator(seed), steps)


@pytest.mark.parametrize("kind", KINDS)
def test_a_hole_covers_as_much_as_was_asked_for_wherever_it_lies(kind):
    for seed in range(12):
        for area in (0.03, 0.2, 0.4):
            found = drawn(kind, seed, area=area)
            assert found.shape == (1, 1, 48, 80) and found.dtype == torch.bool
            more = 80 / 48 / 80 if kind == "border" else 0.02  # a whole column more, and places equally far out
            assert area - 1e-3 <= float(found.float().mean()) <= area + more + 1e-3


@pytest.mark.parametrize("kind", KINDS)
def test_holes_are_a_function_of_their_generator(kind):
    assert torch.equal(drawn(kind, 3), drawn(kind, 3))
    others = [drawn(kind, seed) for seed in range(8)]
    assert sum(not torch.equal(drawn(kind, 3), other) for other in others) >= 4


@pytest.mark.parametrize("kind", ["box", "ellipse", "stroke", "blob"])
def test_a_hole_moves_by_the_steps_that_were_asked_for(kind):
    for seed in range(6):
        first, second, third = drawn(kind, seed, steps=((5.0, -3.0), (0.0, 0.0)))[:, 0]
        assert torch.equal(first, third)
        assert torch.equal(second[:-3, 5:], first[3:, :-5])


def test_kinds_look_as_they_are_called():
    for seed in range(8):
        box, ellipse, blob = (drawn(kind, seed)[0, 0] for kind in ("box", "ellipse", "blob"))
        border = drawn("border", seed)[0, 0]
        edge = torch.cat([border[0], border[-1], border[:, 0], border[:, -1]])
        assert edge.any() and not border[20:28, 36:44].any()
        assert (border.all(dim=0) | ~border.any(dim=0)).all() or (border.all(dim=1) | ~border.any(dim=1)).all()
        assert len({each.numpy().tobytes() for each in (box, ellipse, blob)}) == 3


@pytest.mark.parametrize("area", [0.0, 1.0, -0.1, 3.0])
def test_areas_out_of_range_are_refused(area):
    with pytest.raises(ValueError, match="from 0 to 1"):
        drawn("box", area=area)


def test_a_kind_that_is_none_is_refused_with_those_that_are():
    with pytest.raises(ValueError, match="no hole 'star': box"):
        drawn("star")
