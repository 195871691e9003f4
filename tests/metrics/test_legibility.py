"""What a reader says of frames, counted."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from vidwright.metrics.legibility import legibility


def scores(read: list[list[int]], sure: float = 50.0):
    return F.one_hot(torch.tensor(read), 10) * sure


def test_shares_are_counted_by_hand():
    found = legibility(scores([[1, 1, 1, 1], [2, 2, 2, 5], [3, 3, 7, 3], [4, 4, 4, 4]]), torch.tensor([1, 2, 3, 5]))
    assert found.middle == 0.5  # the third is read as 7, the fourth is no 5
    assert found.alike == 0.5
    assert found.frames == (4 + 3 + 3 + 0) / 16
    assert found.confidence == pytest.approx(1)


def test_an_unsure_reader_is_less_confident():
    assert legibility(scores([[1, 1]], 0.0), torch.tensor([1])).confidence == pytest.approx(0.1)


def test_nothing_cannot_be_read():
    with pytest.raises(ValueError, match="as many clips as labels"):
        legibility(torch.zeros(0, 8, 10), torch.zeros(0))
    with pytest.raises(ValueError, match="as many clips as labels"):
        legibility(torch.zeros(2, 8, 10), torch.zeros(3))
