"""SSIM against scikit-image and pytorch-msssim, which implement the same paper independently."""

from __future__ import annotations

import numpy as np
import pytest
import pytorch_msssim
import torch
from skimage.metrics import structural_similarity

from vidwright.metrics.ssim import ssim


def _pair(bits: int, *, smooth: bool, size: tuple[int, int] = (45, 61)) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(bits)
    peak = 2**bits - 1
    rows, columns = np.mgrid[0 : size[0], 0 : size[1]]
    clean = 0.5 + 0.4 * np.sin(rows / 7) * np.cos(columns / 5) if smooth else rng.random(size)
    noisy = clean + rng.normal(0, 0.004 if smooth else 0.1, size)
    kind = np.uint8 if bits == 8 else np.uint16
    return tuple((np.clip(plane, 0, 1) * peak).round().astype(kind) for plane in (clean, noisy))  # type: ignore[return-value]


def _scikit_image(output: np.ndarray, target: np.ndarray, peak: int) -> float:
    _, every = structural_similarity(
        output.astype(np.float64),
        target.astype(np.float64),
        data_range=peak,
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
        full=True,
    )
    return float(every[5:-5, 5:-5].mean())


@pytest.mark.parametrize("smooth", [True, False])
@pytest.mark.parametrize("bits", [8, 10, 16])
def test_agrees_with_scikit_image(bits: int, smooth: bool):
    clean, noisy = _pair(bits, smooth=smooth)
    ours = ssim(torch.from_numpy(noisy), torch.from_numpy(clean), peak=2**bits - 1)
    assert ours == pytest.approx(_scikit_image(noisy, clean, 2**bits - 1), abs=2e-6)


@pytest.mark.parametrize("rows", [1, 7, 35, 36])
def test_working_in_strips_changes_nothing(rows: int, monkeypatch: pytest.MonkeyPatch):
    clean, noisy = (torch.from_numpy(plane) for plane in _pair(8, smooth=False))
    whole = ssim(noisy, clean, peak=255)
    monkeypatch.setattr("vidwright.metrics.ssim._STRIP_PIXELS", rows * clean.shape[1])
    assert ssim(noisy, clean, peak=255) == pytest.approx(whole, abs=1e-7)


def test_agrees_with_pytorch_msssim():
    clean, noisy = (torch.from_numpy(plane).double()[None, None] for plane in _pair(8, smooth=False))
    theirs = float(pytorch_msssim.ssim(noisy, clean, data_range=255))
    assert ssim(noisy[0, 0], clean[0, 0], peak=255) == pytest.approx(theirs, abs=1e-6)


@pytest.mark.parametrize("level", [0, 1, 128, 254])
def test_flat_pictures_a_step_apart_are_accurate_in_fp32(level: int):
    one, other = (torch.full((20, 20), value, dtype=torch.uint8) for value in (level, level + 1))
    constant = (0.01 * 255) ** 2
    expected = (2 * level * (level + 1) + constant) / (level**2 + (level + 1) ** 2 + constant)
    assert ssim(one, other, peak=255) == pytest.approx(expected, abs=1e-5)


def test_one_for_equal_pictures_and_symmetric():
    clean, noisy = (torch.from_numpy(plane) for plane in _pair(8, smooth=False))
    assert ssim(clean, clean.clone(), peak=255) == pytest.approx(1.0, abs=1e-6)
    assert ssim(clean, noisy, peak=255) == pytest.approx(ssim(noisy, clean, peak=255), abs=1e-7)


def test_the_smallest_picture_and_one_too_small():
    eleven = torch.rand(11, 11)
    assert -1 <= ssim(eleven, 1 - eleven, peak=1.0) < 0.5
    with pytest.raises(ValueError, match="11x11 pixels, got 20x10"):
        ssim(torch.zeros(10, 20), torch.zeros(10, 20), peak=1.0)
    with pytest.raises(ValueError, match="shapes differ"):
        ssim(torch.zeros(1, 20, 20), torch.zeros(20, 20), peak=1.0)
