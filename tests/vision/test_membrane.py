"""Values spread from where they are known."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from vidwright.vision.membrane import membrane

SIZES = [(32, 48), (37, 51), (1, 1), (1, 9), (7, 1), (2, 3), (5, 5)]


def drawn(seed: int, size: tuple[int, int], share: float) -> tuple[Tensor, Tensor]:
    random = torch.Generator().manual_seed(seed)
    return torch.randn(3, *size, generator=random), torch.rand(size, generator=random) < share


@pytest.mark.parametrize("size", SIZES)
@given(st.integers(0, 10**6), st.sampled_from([0.01, 0.3, 0.9, 1.0]))
@settings(max_examples=8, deadline=None)
def test_what_is_known_stays_to_the_bit_and_all_lies_between(size: tuple[int, int], seed: int, share: float) -> None:
    values_CHW, known_HW = drawn(seed, size, share)
    known_HW[seed % size[0], seed % size[1]] = True
    found_CHW = membrane(values_CHW, known_HW)
    assert found_CHW.dtype == torch.float32 and found_CHW.shape == values_CHW.shape
    assert torch.equal(found_CHW[:, known_HW], values_CHW[:, known_HW])
    least_C, most_C = values_CHW[:, known_HW].amin(1), values_CHW[:, known_HW].amax(1)
    assert (found_CHW >= least_C[:, None, None] - 1e-5).all() and (found_CHW <= most_C[:, None, None] + 1e-5).all()


@pytest.mark.parametrize("size", SIZES)
def test_a_single_known_value_is_everywhere(size: tuple[int, int]) -> None:
    known_HW = torch.zeros(size, dtype=torch.bool)
    known_HW[size[0] // 2, size[1] // 3] = True
    found_CHW = membrane(torch.where(known_HW, torch.tensor([0.3, -2.0, 7.0])[:, None, None], 99.0), known_HW)
    assert torch.allclose(found_CHW, torch.tensor([0.3, -2.0, 7.0])[:, None, None].expand(3, *size), atol=1e-5)


@pytest.mark.parametrize("size", SIZES)
def test_without_anything_known_it_is_zero(size: tuple[int, int]) -> None:
    assert not membrane(torch.full((2, *size), 5.0), torch.zeros(size)).any()


def test_what_is_not_known_does_not_count() -> None:
    values_CHW, known_HW = drawn(1, (33, 20), 0.2)
    other_CHW = torch.where(known_HW, values_CHW, 1e6)
    assert torch.equal(membrane(values_CHW, known_HW), membrane(other_CHW, known_HW))


@pytest.mark.parametrize("size", [(40, 60), (41, 67)])
def test_a_slope_goes_on_through_a_hole(size: tuple[int, int]) -> None:
    y_H1, x_1W = torch.arange(size[0])[:, None] / size[1], torch.arange(size[1])[None] / size[1]
    plane_1HW = (0.2 + 0.5 * x_1W - 0.3 * y_H1)[None]
    known_HW = torch.ones(size, dtype=torch.bool)
    known_HW[12:28, 20:40] = False
    error_1HW = (membrane(plane_1HW, known_HW) - plane_1HW).abs()
    level = (plane_1HW[:, known_HW].mean() - plane_1HW).abs()[:, ~known_HW].max()
    assert error_1HW.max() < 0.05 < level


def test_places_near_a_value_follow_it() -> None:
    known_HW = torch.zeros(16, 64, dtype=torch.bool)
    known_HW[:, 0] = known_HW[:, -1] = True
    row_W = membrane(torch.linspace(0, 1, 64).expand(1, 16, 64), known_HW)[0, 8]
    assert row_W[1] < 0.2 and row_W[-2] > 0.8 and row_W[24:40].sub(0.5).abs().max() < 0.25
    assert (row_W.diff() > -0.02).all()


def test_what_is_sure_in_small_is_put_between_as_in_a_larger_picture() -> None:
    """Two values in two halves: what lies between is bilinear, and the next smaller picture is not asked."""
    known_HW = torch.tensor([[1, 0, 0, 1]])
    found = membrane(torch.tensor([[[2.0, 9, 9, 6]]]), known_HW)
    assert found.flatten().tolist() == [2, 3, 5, 6]


def test_a_weight_says_how_much_a_value_counts() -> None:
    weight_HW = torch.zeros(1, 8)
    weight_HW[0, 0], weight_HW[0, 4] = 1, 0.1
    values_1HW = torch.where(weight_HW[None] == 0.1, 1.0, 0.0)
    weak = membrane(values_1HW, weight_HW)[0, 0]
    even = membrane(values_1HW, (weight_HW > 0).float())[0, 0]
    assert 0 < weak[4] < 1 and even[4] == 1 and weak[0] == 0
    assert weak[7] < even[7]
    assert torch.equal(membrane(values_1HW, 7 * (weight_HW > 0))[0, 0], even)  # more than sure is sure
