"""Structural similarity, Wang, Bovik, Sheikh and Simoncelli, "Image quality assessment", IEEE TIP 13(4), 2004.

Shape suffixes: N planes, H rows, W columns.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from vidwright.metrics.metric import Direction, PictureMean, same_shape

WINDOW = 11
_SIGMA = 1.5
_K1, K2 = 0.01, 0.03
#: Pixels worked on at a time: the dozen maps made of them stay in the processor's cache, which halves the time.
_STRIP_PIXELS = 1 << 17


def _gaussian() -> tuple[float, ...]:
    weights = [math.exp(-((k - WINDOW // 2) ** 2) / (2 * _SIGMA**2)) for k in range(WINDOW)]
    return tuple(w / sum(weights) for w in weights)


_TAPS = _gaussian()


def ssim(output: Tensor, target: Tensor, *, peak: float) -> float:
    """Mean SSIM of planes (..., H, W) of any depth, over all windows that lie inside the picture.

    11x11 Gaussian window of sigma 1.5, K1 = 0.01, K2 = 0.03, statistics of the population, no downscaling
    first; `peak` is the largest value the format can hold. 1 for equal planes, and never above.
    Raises `ValueError` when shapes differ or a side is shorter than the window.
    """
    same_shape(output, target)
    height, width = output.shape[-2:]
    if min(height, width) < WINDOW:
        raise ValueError(f"SSIM needs pictures of at least {WINDOW}x{WINDOW} pixels, got {width}x{height}")
    x_NHW, y_NHW = (plane.reshape(-1, height, width) for plane in (output, target))
    rows = max(_STRIP_PIXELS // width, 1)
    total, windows = 0.0, 0
    for top in range(0, height - WINDOW + 1, rows):
        strip = slice(top, top + rows + WINDOW - 1)
        luminance, structure = similarity(x_NHW[:, strip], y_NHW[:, strip], peak=peak)
        products = luminance * structure
        total += float(products.sum(dtype=torch.float64))
        windows += products.numel()
    return total / windows


def similarity(x_NHW: Tensor, y_NHW: Tensor, *, peak: float) -> tuple[Tensor, Tensor]:
    """SSIM's two factors, luminance and contrast times structure, at each window inside planes (N, H, W).

    Both (N, H - 10, W - 10); differentiable. No shape is checked here.
    """
    x_NHW, y_NHW = _centred(x_NHW, peak), _centred(y_NHW, peak)
    maps = torch.stack((x_NHW, y_NHW, x_NHW.square() + y_NHW.square(), x_NHW * y_NHW))
    mean_x, mean_y, power, product = windowed(maps)
    energy = mean_x.square() + mean_y.square()
    cross = mean_x * mean_y
    # Luminance compares the true means, which lie half a peak above the centred ones.
    shift = 0.5 * (mean_x + mean_y)
    luminance = (2 * (cross + shift) + 0.5 + _K1**2) / (energy + 2 * shift + 0.5 + _K1**2)
    structure = (2 * (product - cross) + K2**2) / (power - energy + K2**2)
    return luminance, structure


def _centred(plane: Tensor, peak: float) -> Tensor:
    """Values in [-0.5, 0.5]: the variances below are differences of squares, which lose least around zero."""
    wide = torch.promote_types(plane.dtype, torch.float32)
    return plane.to(wide) / peak - 0.5


def windowed(maps: Tensor) -> Tensor:
    """Gaussian-weighted means of all windows inside (..., H, W).

    Eleven shifted additions per axis: on a CPU twenty times faster than a convolution of one channel.
    """
    for axis in (-2, -1):
        length = maps.shape[axis] - WINDOW + 1
        blurred = maps.narrow(axis, 0, length) * _TAPS[0]
        for k, weight in enumerate(_TAPS[1:], start=1):
            blurred.add_(maps.narrow(axis, k, length), alpha=weight)
        maps = blurred
    return maps


class Ssim(PictureMean):
    """Mean over pictures of their SSIM; planes (H, W), or (C, H, W) measured per channel and averaged."""

    name = "ssim"
    unit = ""
    better: Direction = "higher"

    def __init__(self, *, peak: float = 1.0) -> None:
        super().__init__()
        self._peak = peak

    def _measure(self, output: Tensor, target: Tensor) -> float:
        return ssim(output, target, peak=self._peak)
