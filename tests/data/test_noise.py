"""Noise: its strength, its shape, and what it hangs on."""

from __future__ import annotations

import pytest
import torch

from vidwright.data import noise
from vidwright.data.seeding import generator

GREY = torch.full((4, 3, 96, 96), 120, dtype=torch.uint8)


def test_gaussian_noise_has_its_strength_and_no_neighbours():
    added = noise.gaussian(GREY, 9.0, generator(0)) - 120
    assert added.std() == pytest.approx(9, rel=0.02) and abs(added.mean()) < 0.15
    assert abs(correlation(added, 1)) < 0.02


@pytest.mark.parametrize("electrons", [20.0, 1000.0])
def test_photon_noise_grows_with_the_light(electrons):
    for level in (10, 200):
        seen = noise.poisson(torch.full_like(GREY, level), electrons, generator(1))
        assert seen.mean() == pytest.approx(level, rel=0.03)
        assert seen.var() == pytest.approx(level * 255 / electrons, rel=0.06)  # Poisson: variance = mean, in electrons
    assert (noise.poisson(torch.zeros_like(GREY), electrons, generator(1)) == 0).all()


@pytest.mark.parametrize("width", [0.7, 1.5])
def test_blots_have_their_strength_and_width(width):
    added = noise.correlated(GREY, 9.0, width, generator(2)) - 120
    assert added.shape == GREY.shape
    assert added.std() == pytest.approx(9, rel=0.05)
    for lag in (1, 2):  # white noise through a Gaussian has a Gaussian autocorrelation, wider by the root of 2
        expected = torch.exp(torch.tensor(-(lag**2) / (4 * width**2))).item()
        assert correlation(added, lag) == pytest.approx(expected, abs=0.05)
        assert correlation(added.mT, lag) == pytest.approx(expected, abs=0.05)
    assert abs(float((added[0] * added[1]).mean()) / 81) < 0.1  # new in each frame


def correlation(x: torch.Tensor, lag: int) -> float:
    return float((x[..., lag:] * x[..., :-lag]).mean() / x.square().mean())


@pytest.mark.parametrize(
    "add",
    [
        lambda r: noise.gaussian(GREY, 5, r),
        lambda r: noise.poisson(GREY, 50, r),
        lambda r: noise.correlated(GREY, 5, 1, r),
    ],
)
def test_noise_hangs_on_its_generator_alone(add):
    assert torch.equal(add(generator(3)), add(generator(3)))
    assert not torch.equal(add(generator(3)), add(generator(4)))
