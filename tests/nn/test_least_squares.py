"""Least squares by classes against numpy's, from sums in pieces."""

from __future__ import annotations

import functools
import operator

import numpy as np
import torch

from vidwright.nn.least_squares import Sums, sums

RANDOM = torch.Generator().manual_seed(0)
TAPS = torch.randn(4, 600, generator=RANDOM)
MISSING = torch.randn(600, generator=RANDOM) + TAPS[1]
CLASS = torch.randint(0, 3, (600,), generator=RANDOM)


def in_pieces() -> Sums:
    pieces = zip(TAPS.split(250, dim=1), MISSING.split(250), CLASS.split(250), strict=True)
    return functools.reduce(operator.add, [sums(*piece, 3) for piece in pieces])


def test_the_coefficients_are_those_of_numpy():
    found = in_pieces().solved()
    for number in range(3):
        inside = number == CLASS
        wanted, *_ = np.linalg.lstsq(TAPS[:, inside].T.numpy(), MISSING[inside].numpy(), rcond=None)
        np.testing.assert_allclose(found[number].numpy(), wanted, atol=1e-3)


def test_what_is_left_is_what_is_left():
    coefficients = torch.randn(3, 4, generator=RANDOM)
    wanted = (MISSING - (coefficients[CLASS].T * TAPS).sum(dim=0)).square().sum()
    assert abs(in_pieces().left(coefficients) - float(wanted)) < 1e-2
    assert in_pieces().first().left(torch.zeros(3, 1)) == float(in_pieces().missing.sum())


def test_taps_that_are_zero_and_classes_without_places_get_zero():
    found = sums(torch.zeros(2, 5), torch.ones(5), torch.zeros(5, dtype=torch.long), 2)
    assert not found.solved().any()


def test_a_class_without_places_learns_from_all():
    own = sums(TAPS, MISSING, torch.zeros(600, dtype=torch.long), 2)
    first, second = own.pooled(0.01).solved()
    assert torch.allclose(first, second, atol=1e-3) and float(second[1]) > 0.9
