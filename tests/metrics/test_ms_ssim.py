"""MS-SSIM against pytorch-msssim, which implements the same paper independently."""

from __future__ import annotations

import pytest
import pytorch_msssim
import torch
from torch import Tensor

from vidwright.metrics.ms_ssim import MsSsim, ms_ssim


def _pair(height: int, width: int, noise: float, pictures: int = 1) -> tuple[Tensor, Tensor]:
    torch.manual_seed(height + width)
    rows, columns = torch.arange(height)[:, None] / 9, torch.arange(width) / 6
    phase = torch.rand(pictures, 3, 1, 1) * 6
    clean = 0.5 + 0.3 * torch.sin(rows + phase) * torch.cos(columns - phase)
    return clean, (clean + noise * torch.randn(clean.shape)).clamp(0, 1)


@pytest.mark.parametrize("noise", [0.01, 0.3])
@pytest.mark.parametrize("size", [(161, 161), (176, 184), (171, 245)])
def test_agrees_with_pytorch_msssim(size: tuple[int, int], noise: float):
    clean, noisy = _pair(*size, noise, pictures=2)
    theirs = pytorch_msssim.ms_ssim(noisy.double(), clean.double(), data_range=1.0, size_average=False)
    assert torch.allclose(ms_ssim(noisy, clean).double(), theirs, atol=1e-5)


def test_the_peak_scales_with_the_pictures():
    clean, noisy = ((plane * 255).round() for plane in _pair(164, 170, 0.1))
    expected = ms_ssim(noisy / 255, clean / 255)
    assert torch.allclose(ms_ssim(noisy.to(torch.uint8), clean.to(torch.uint8), peak=255), expected, atol=1e-6)


def test_gradients_are_those_of_pytorch_msssim_and_climb():
    clean, noisy = (plane.double() for plane in _pair(161, 163, 0.1))
    ours, theirs = noisy.clone().requires_grad_(), noisy.clone().requires_grad_()
    ms_ssim(ours, clean).sum().backward()
    pytorch_msssim.ms_ssim(theirs, clean, data_range=1.0).backward()
    assert ours.grad is not None and theirs.grad is not None
    assert torch.allclose(ours.grad, theirs.grad, atol=1e-9)
    assert ms_ssim(noisy + ours.grad, clean) > ms_ssim(noisy, clean)


def test_negative_correlation_is_zero_with_a_finite_gradient():
    clean, _ = _pair(161, 161, 0)
    inverse = (1 - clean).requires_grad_()
    value = ms_ssim(inverse, clean)
    value.sum().backward()
    assert value.item() == 0
    assert inverse.grad is not None and bool(torch.isfinite(inverse.grad).all())


def test_one_for_equal_pictures_and_too_small_ones_are_refused():
    clean, _ = _pair(161, 200, 0)
    assert ms_ssim(clean, clean.clone()).item() == pytest.approx(1, abs=1e-6)
    with pytest.raises(ValueError, match="161x161 pixels, got 200x160"):
        ms_ssim(clean[..., :160, :], clean[..., :160, :])
    with pytest.raises(ValueError, match="shapes differ"):
        ms_ssim(clean, clean[:, :1])


def test_the_metric_is_the_mean_over_pictures():
    clean, noisy = _pair(161, 161, 0.1, pictures=3)
    metric = MsSsim()
    for output, target in zip(noisy, clean, strict=True):
        metric.update(output, target)
    assert metric.result() == pytest.approx(float(ms_ssim(noisy, clean).mean()), abs=1e-6)
