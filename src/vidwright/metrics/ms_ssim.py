"""Multi-scale structural similarity, Wang, Simoncelli and Bovik, Asilomar Conference on Signals, 2003.

Shape suffixes: B pictures, C channels, H rows, W columns, N planes (B times C).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from vidwright.metrics.metric import Direction, PictureMean, same_shape
from vidwright.metrics.ssim import WINDOW, similarity

#: Exponents of the five scales, finest first, as the paper's observers set them.
WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
#: The shortest side whose coarsest scale still holds one window.
SMALLEST = (WINDOW - 1) * 2 ** (len(WEIGHTS) - 1) + 1


def ms_ssim(x_BCHW: Tensor, y_BCHW: Tensor, *, peak: float = 1.0) -> Tensor:
    """MS-SSIM (B,) of pictures with values in [0, peak], per channel and averaged; 1 for equal pictures.

    Contrast and structure at five scales, luminance at the coarsest; each scale is the 2x2 mean of the finer one,
    odd sides padded by zeros. A scale of negative correlation counts as 0. Differentiable, the gradient finite
    everywhere. Raises `ValueError` when shapes differ or a side is below `SMALLEST` = 161 pixels.
    """
    same_shape(x_BCHW, y_BCHW)
    height, width = x_BCHW.shape[-2:]
    if min(height, width) < SMALLEST:
        raise ValueError(f"MS-SSIM needs pictures of at least {SMALLEST}x{SMALLEST} pixels, got {width}x{height}")
    x_NHW, y_NHW = _wide(x_BCHW).flatten(0, 1), _wide(y_BCHW).flatten(0, 1)
    factors = []
    for scale, weight in enumerate(WEIGHTS, start=1):
        luminance, structure = similarity(x_NHW, y_NHW, peak=peak)
        last = scale == len(WEIGHTS)
        factors.append(_power((luminance * structure if last else structure).mean((-2, -1)), weight))
        if not last:
            x_NHW, y_NHW = _halved(x_NHW), _halved(y_NHW)
    return torch.stack(factors).prod(dim=0).view(x_BCHW.shape[:2]).mean(dim=1)


def _wide(x: Tensor) -> Tensor:
    return x.to(torch.promote_types(x.dtype, torch.float32))


def _halved(x_NHW: Tensor) -> Tensor:
    height, width = x_NHW.shape[-2:]
    return F.avg_pool2d(x_NHW, 2, padding=(height % 2, width % 2))


def _power(base: Tensor, exponent: float) -> Tensor:
    """`base` to a power below one, 0 where it is not positive: there the slope would be infinite, and is 0."""
    positive = base > 0
    return torch.where(positive, base, 1.0).pow(exponent) * positive


class MsSsim(PictureMean):
    """Mean over pictures (C, H, W) of their MS-SSIM."""

    name = "ms_ssim"
    unit = ""
    better: Direction = "higher"

    def __init__(self, *, peak: float = 1.0) -> None:
        super().__init__()
        self._peak = peak

    def _measure(self, output: Tensor, target: Tensor) -> float:
        with torch.no_grad():
            return float(ms_ssim(output[None], target[None], peak=self._peak))
