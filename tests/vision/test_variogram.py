"""Variograms of pictures whose statistics are known."""

from __future__ import annotations

import pytest
import torch

from vidwright.vision.variogram import DISTANCES, unlike, variogram


def test_places_of_noise_are_as_unlike_at_every_distance() -> None:
    noise_CHW = torch.randn(3, 256, 256, generator=torch.Generator().manual_seed(0))
    assert variogram(noise_CHW).tolist() == pytest.approx([6.0] * len(DISTANCES), rel=0.05)


def test_of_a_ramp_it_is_the_square_of_the_distance() -> None:
    ramp_CHW = 0.5 * torch.arange(200.0).expand(1, 200, -1)
    # Along the rows it is (d / 2)^2, down the columns nothing.
    assert variogram(ramp_CHW).tolist() == pytest.approx([d**2 / 8 for d in DISTANCES])


def test_what_is_farther_than_half_of_a_picture_is_as_the_farthest_that_it_has() -> None:
    ramp_CHW = torch.arange(16.0).expand(1, 12, -1)
    assert variogram(ramp_CHW).tolist() == [0.5, 2, 8, 32, 32, 32, 32]
    assert variogram(torch.ones(3, 1, 1)).tolist() == [0] * len(DISTANCES)


def test_between_its_distances_it_goes_with_their_logarithm_and_to_nothing_at_none() -> None:
    found_R = torch.tensor([1.0, 3, 5, 7, 9, 11, 13])
    distances = torch.tensor([[0, 0.5, 1, 2, 2**1.5, 64, 1000]])
    assert unlike(found_R, distances)[0].tolist() == pytest.approx([0, 0.25, 1, 3, 4, 13, 13])
