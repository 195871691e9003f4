"""The colours of one picture given to another, against SciPy's square roots of matrices."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.linalg
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from vidwright.vision.colours import Palette, recoloured

MIX = torch.tensor([[0.2, 0.05, 0.0], [0.03, 0.1, -0.05], [0.0, 0.02, 0.15]])


def picture(seed: int, mix_33: Tensor = MIX, level: float = 0.5) -> Tensor:
    """(3, 20, 30) whose channels hang together."""
    noise_CN = torch.randn(3, 600, generator=torch.Generator().manual_seed(seed))
    return (mix_33 @ noise_CN + level).reshape(3, 20, 30)


def other(seed: int) -> Tensor:
    random = torch.Generator().manual_seed(seed + 10**7)
    return picture(seed + 1, 0.2 * torch.randn(3, 3, generator=random), float(torch.rand((), generator=random)))


def spread(picture_CHW: Tensor) -> tuple[np.ndarray, np.ndarray]:
    values_CN = picture_CHW.flatten(1).double().numpy()
    return values_CN.mean(1), np.cov(values_CN, bias=True)


@given(st.integers(0, 10**6))
@settings(max_examples=20, deadline=None)
def test_the_result_has_the_mean_and_the_covariance_that_are_wanted(seed: int) -> None:
    own_CHW, wanted_CHW = picture(seed), other(seed)
    made_CHW = recoloured(own_CHW, Palette.of(own_CHW), Palette.of(wanted_CHW))
    assert made_CHW.dtype == torch.float32
    for found, wanted in zip(spread(made_CHW), spread(wanted_CHW), strict=True):
        np.testing.assert_allclose(found, wanted, atol=1e-3)


@given(st.integers(0, 10**6))
@settings(max_examples=10, deadline=None)
def test_it_is_the_map_of_the_paper(seed: int) -> None:
    own_CHW, wanted_CHW = picture(seed), other(seed)
    (own_mean, own), (wanted_mean, wanted) = spread(own_CHW), spread(wanted_CHW)
    own, wanted = own + 1e-5 * np.eye(3), wanted + 1e-5 * np.eye(3)
    root = np.real(scipy.linalg.sqrtm(own))
    inverse = np.linalg.inv(root)
    expected = inverse @ np.real(scipy.linalg.sqrtm(root @ wanted @ root)) @ inverse
    np.testing.assert_allclose(expected, expected.T, atol=1e-6)  # a map without a turn: it changes colours least
    truth = expected @ (own_CHW.double().flatten(1).numpy() - own_mean[:, None]) + wanted_mean[:, None]
    made = recoloured(own_CHW, Palette.of(own_CHW), Palette.of(wanted_CHW)).flatten(1).numpy()
    np.testing.assert_allclose(made, truth, atol=1e-4)


def test_a_picture_with_its_own_palette_is_itself() -> None:
    own_CHW = picture(3)
    assert torch.allclose(recoloured(own_CHW, Palette.of(own_CHW), Palette.of(own_CHW)), own_CHW, atol=1e-5)


@pytest.mark.parametrize("level", [0.0, 0.7])
def test_a_flat_picture_gets_the_mean_and_a_flat_reference_flattens(level: float) -> None:
    flat_CHW, wanted_CHW = torch.full((3, 20, 30), level), picture(5)
    made_CHW = recoloured(flat_CHW, Palette.of(flat_CHW), Palette.of(wanted_CHW))
    assert torch.allclose(made_CHW, wanted_CHW.mean((1, 2))[:, None, None].expand_as(made_CHW), atol=1e-5)
    made_CHW = recoloured(wanted_CHW, Palette.of(wanted_CHW), Palette.of(flat_CHW))
    assert made_CHW.isfinite().all() and (made_CHW - level).abs().max() < 0.02


def test_grey_and_single_pixels_have_finite_colours() -> None:
    grey_CHW, wanted_CHW = picture(6)[:1].expand(3, 20, 30), picture(7)
    made_CHW = recoloured(grey_CHW, Palette.of(grey_CHW), Palette.of(wanted_CHW))
    np.testing.assert_allclose(made_CHW.mean((1, 2)), wanted_CHW.mean((1, 2)), atol=1e-3)
    one_CHW = wanted_CHW[:, :1, :1]
    assert torch.allclose(recoloured(one_CHW, Palette.of(one_CHW), Palette.of(one_CHW)), one_CHW, atol=1e-5)


def test_a_palette_of_a_part_is_that_of_its_pixels_alone() -> None:
    picture_CHW, part_HW = picture(8), torch.zeros(20, 30, dtype=torch.bool)
    part_HW[3:9, 4:20] = True
    cropped = Palette.of(picture_CHW[:, 3:9, 4:20])
    found = Palette.of(torch.where(part_HW, picture_CHW, 50.0), part_HW)
    assert torch.allclose(found.mean, cropped.mean) and torch.allclose(found.covariance, cropped.covariance)
    assert found.mean.dtype == found.covariance.dtype == torch.float64


def test_the_mean_of_palettes_is_of_means_and_of_spreads() -> None:
    one, two = Palette.of(picture(1)), Palette.of(other(2))
    both = Palette.mean_of([one, two])
    assert torch.allclose(both.mean, (one.mean + two.mean) / 2)
    assert torch.allclose(both.covariance, (one.covariance + two.covariance) / 2)
