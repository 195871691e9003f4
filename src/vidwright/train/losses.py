"""Losses as functions: tensors in, a differentiable scalar out, in fp32 at least whatever comes in.

An objective adds them up under names of its own. The loss of rectified flow is `vidwright.process.flow.loss`.

Shapes: B batch, T frames, C channels, K classes, H height, W width; ... any axes.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from vidwright.metrics.ms_ssim import ms_ssim

#: Below this difference, in units of the peak, Charbonnier's loss is a parabola.
EPSILON = 1e-3

#: Weights of R', G' and B' in BT.601 luma.
LUMA = torch.tensor([0.299, 0.587, 0.114])

#: Samples better than this mean squared error (40 dB) count less and less in `log_mse`.
MSE_FLOOR = 1e-4


def l1(output: Tensor, target: Tensor) -> Tensor:
    """Mean absolute difference of two tensors of one shape; `ValueError` if they are of two."""
    output, target = _pair(output, target)
    return (output - target).abs().mean()


def charbonnier(output: Tensor, target: Tensor, *, epsilon: float = EPSILON) -> Tensor:
    """Mean of sqrt(difference^2 + epsilon^2), L1 with a smooth bottom; Charbonnier et al. 1994, Lai et al. 2017."""
    output, target = _pair(output, target)
    return ((output - target).square() + epsilon**2).sqrt().mean()


def laplace(output: Tensor, target: Tensor, width: Tensor) -> Tensor:
    """Mean negative log-likelihood in nats of a target under Laplace distributions, less log 2.

    `width`, above 0, is how far off the output is expected to be in the mean; Kendall and Gal 2017.
    """
    output, target = _pair(output, target)
    return ((output - target).abs() / width + width.log()).mean()


def log_mse(output_Bx: Tensor, target_Bx: Tensor, *, floor: float = MSE_FLOOR) -> Tensor:
    """Mean over samples of ln(MSE + `floor`), by which each counts in decibels: easy ones as much as hard ones.

    Chen et al. 2021 (HINet), minus PSNR but for a factor.
    """
    output_Bx, target_Bx = _pair(output_Bx, target_Bx)
    return ((output_Bx - target_Bx).square().flatten(1).mean(dim=1) + floor).log().mean()


def fft(output_xHW: Tensor, target_xHW: Tensor) -> Tensor:
    """Mean absolute difference (..., H, W) of 2-D spectra, which weighs fine detail more than L1 does.

    Over the half spectrum of a real picture, orthonormal, so that the value does not grow with the picture; Cho et al.
    2021.
    """
    output_xHW, target_xHW = _pair(output_xHW, target_xHW)
    return torch.fft.rfft2(output_xHW - target_xHW, norm="ortho").abs().mean()


def temporal_difference(output_BTCHW: Tensor, target_BTCHW: Tensor) -> Tensor:
    """Mean absolute difference of what changes from frame to frame; 0 for clips of one frame.

    An error that stands still costs nothing, one that flickers twice what L1 asks for it.
    """
    output_BTCHW, target_BTCHW = _pair(output_BTCHW, target_BTCHW)
    changes = (output_BTCHW - target_BTCHW).diff(dim=1)
    return changes.abs().sum() / max(changes.numel(), 1)


def structural(output_BCHW: Tensor, target_BCHW: Tensor, *, peak: float = 1.0) -> Tensor:
    """1 - MS-SSIM, mean over pictures of at least 161x161; conditions as in `metrics.ms_ssim.ms_ssim`."""
    return 1 - ms_ssim(output_BCHW, target_BCHW, peak=peak).mean()


def cross_entropy(logits_BKx: Tensor, classes_Bx: Tensor) -> Tensor:
    """Mean negative log-likelihood in nats of integer classes (B, ...) under softmax of logits (B, K, ...)."""
    return F.cross_entropy(_wide(logits_BKx), classes_Bx)


def hinge_discriminator(real: Tensor, fake: Tensor) -> Tensor:
    """What a discriminator minimises: scores of real clips above 1, of made ones below -1; Lim and Ye 2017."""
    return (1 - _wide(real)).relu().mean() + (1 + _wide(fake)).relu().mean()


def hinge_generator(fake: Tensor) -> Tensor:
    """What its generator minimises: the negative of the scores of made clips."""
    return -_wide(fake).mean()


def rate_distortion(bits_per_pixel: Tensor, distortion: Tensor, *, tradeoff: float) -> Tensor:
    """R + lambda D: means of the rate in bits per pixel and of `tradeoff` times the distortion, in its own unit."""
    return _wide(bits_per_pixel).mean() + tradeoff * _wide(distortion).mean()


def luma(rgb_xCHW: Tensor) -> Tensor:
    """BT.601 luma (..., H, W) of R'G'B' (..., 3, H, W), of differences as well as of pictures."""
    return torch.einsum("...chw,c->...hw", rgb_xCHW, LUMA.to(rgb_xCHW.device))


def _pair(output: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    if output.shape != target.shape:
        raise ValueError(f"shapes differ: output {tuple(output.shape)}, target {tuple(target.shape)}")
    return _wide(output), _wide(target)


def _wide(x: Tensor) -> Tensor:
    return x.to(torch.promote_types(x.dtype, torch.float32))
