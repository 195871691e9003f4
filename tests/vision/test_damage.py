"""Noise and blocks are measured as they were put in, and are not found where there is only a picture."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

import scenes
from vidwright.io.roundtrip import roundtrip
from vidwright.vision.damage import grid_steps, noise_level

SIZE = (128, 96)


def noisy(x_TCHW: torch.Tensor, sigma: float) -> torch.Tensor:
    """White noise of `sigma` code values in each channel, as an 8-bit file holds it."""
    random = torch.Generator().manual_seed(1)
    codes = x_TCHW * 255 + sigma * torch.randn(x_TCHW.shape, generator=random)
    return codes.round().clamp(0, 255) / 255


@pytest.mark.parametrize("pace", [0, 3])
@pytest.mark.parametrize("sigma", [2, 5, 15])
def test_noise_is_measured_on_still_and_moving_pictures(pace, sigma):
    in_luma = sigma * (0.299**2 + 0.587**2 + 0.114**2) ** 0.5
    assert noise_level(noisy(scenes.scene(0, 3, SIZE, pace=pace), sigma)) == pytest.approx(in_luma, rel=0.15, abs=0.25)


@pytest.mark.parametrize("pace", [0, 3])
def test_a_picture_is_not_noise(pace):
    assert noise_level(scenes.scene(0, 3, SIZE, pace=pace)) < 0.3
    still = torch.rand(1, 3, 96, 128, generator=torch.Generator().manual_seed(2)).expand(3, -1, -1, -1)
    assert noise_level(still) == 0  # the finest texture, such as a page of text, as long as it stands still


def test_the_bars_of_a_letter_box_hide_no_noise():
    film = noisy(scenes.scene(0, 3, SIZE), 10)
    boxed = F.pad(film, (0, 0, 48, 48))
    assert noise_level(boxed) == pytest.approx(noise_level(film), rel=0.1)


@pytest.mark.parametrize("size", [(64, 8), (8, 64), (5, 5), (20, 20)])
def test_pictures_too_small_to_tell_are_taken_for_good(size):
    frames = noisy(scenes.scene(0, 3, size), 10)
    assert noise_level(frames) >= 0 and grid_steps(frames) < 1.2
    assert noise_level(scenes.scene(0, 1, SIZE)) == 0  # nor does a single picture tell


def test_blocks_are_found_on_the_grid_and_nowhere_else():
    scene = scenes.scene(0, 2, SIZE) * 0.3 + 0.35
    blocks = F.interpolate(F.avg_pool2d(scene, 8), scale_factor=8, mode="nearest")
    assert grid_steps(blocks) > 1.2 and abs(grid_steps(scene)) < 0.1
    assert grid_steps(blocks[..., 4:, 4:]) < 0.1
    assert grid_steps(noisy(scene, 10)) < 0.5
    assert grid_steps((blocks > 0.5).float()) == 0  # edges of black and white are of the picture, wherever they are


def test_coarse_coding_without_a_filter_leaves_them():
    codes = noisy(scenes.scene(0, 3, SIZE), 10).mul(255).to(torch.uint8)
    assert grid_steps(roundtrip(codes, "mpeg4", 20).float() / 255) > 2 * grid_steps(
        roundtrip(codes, "mpeg4", 2).float() / 255
    )
