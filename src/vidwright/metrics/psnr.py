"""Peak signal-to-noise ratio."""

from __future__ import annotations

import math
from collections.abc import Iterable

import torch
from torch import Tensor

from vidwright.metrics.metric import Direction, PictureMean, same_shape

#: Luma of 8-bit R'G'B' in BT.601 studio swing is 16 + (R, G, B) @ these / 255, as in MATLAB's rgb2ycbcr.
_STUDIO_LUMA = (65.481, 128.553, 24.966)


def mse(output: Tensor, target: Tensor) -> float:
    """Mean squared error of two tensors of one shape; integer tensors are compared exactly.

    Differences are taken in fp32, in which code values of up to 16 bits are exact, and summed in fp64.
    Raises `ValueError` when shapes differ.
    """
    same_shape(output, target)
    wide = torch.promote_types(output.dtype, torch.float32)
    difference = output.to(wide) - target.to(wide)
    return float(difference.square_().sum(dtype=torch.float64)) / output.numel()


def psnr(output: Tensor, target: Tensor, *, peak: float) -> float:
    """10 log10(peak^2 / MSE) in dB over all elements; infinite for equal tensors.

    `peak` is the largest value the format can hold: 1.0 for `Frame.data`, 2^bits - 1 for `Planes`.
    Raises `ValueError` when shapes differ.
    """
    error = mse(output, target)
    return 10 * math.log10(peak * peak / error) if error > 0 else math.inf


def psnr_y(output: Tensor, target: Tensor, *, border: int = 4) -> float:
    """PSNR in dB of the luma of 8-bit R'G'B' pictures, as papers on super-resolution print it.

    Tensors are (..., 3, H, W), uint8, or float in [0, 1] which is clipped and rounded to 8 bits first. Luma is
    BT.601 studio swing and not rounded, the peak is 255, and `border` pixels are cut from each side.
    Raises `ValueError` when shapes differ or the border leaves nothing.
    """
    same_shape(output, target)
    return psnr(_inner(studio_luma(output), border), _inner(studio_luma(target), border), peak=255.0)


def studio_luma(rgb: Tensor) -> Tensor:
    """BT.601 studio-swing luma (..., H, W) in code values 16..235, not rounded, of (..., 3, H, W) R'G'B'."""
    if rgb.ndim < 3 or rgb.shape[-3] != 3:
        raise ValueError(f"expected (..., 3, H, W) R'G'B', got {tuple(rgb.shape)}")
    codes = rgb if rgb.dtype == torch.uint8 else rgb.clamp(0, 1).mul(255).add_(0.5).floor_()
    red, green, blue = (codes.to(torch.float64) / 255).unbind(-3)
    return 16 + red * _STUDIO_LUMA[0] + green * _STUDIO_LUMA[1] + blue * _STUDIO_LUMA[2]


def _inner(plane: Tensor, border: int) -> Tensor:
    height, width = plane.shape[-2:]
    return plane[..., border : height - border, border : width - border] if border else plane


def mean_psnr(values: Iterable[float]) -> float:
    """Mean of per-picture PSNRs in dB over the pictures that differ at all; infinite when none does.

    One equal picture would otherwise make the mean of any video infinite. Raises `ValueError` without pictures.
    """
    seen = list(values)
    if not seen:
        raise ValueError("no picture has been measured")
    finite = [value for value in seen if math.isfinite(value)]
    return math.fsum(finite) / len(finite) if finite else math.inf


class Psnr(PictureMean):
    """Mean over pictures of their PSNR, over all channels together; the mean is `mean_psnr`."""

    name = "psnr"
    unit = "dB"
    better: Direction = "higher"

    def __init__(self, *, peak: float = 1.0) -> None:
        super().__init__()
        self._peak = peak

    def result(self) -> float:
        """Mean PSNR in dB; raises `ValueError` when no picture has been seen."""
        return mean_psnr(self._values)

    def _measure(self, output: Tensor, target: Tensor) -> float:
        return psnr(output, target, peak=self._peak)


class PsnrY(Psnr):
    """Mean over pictures of `psnr_y`: R'G'B' in, luma compared, a border cut."""

    name = "psnr_y"

    def __init__(self, *, border: int = 4) -> None:
        super().__init__(peak=255.0)
        self._border = border

    def _measure(self, output: Tensor, target: Tensor) -> float:
        return psnr_y(output, target, border=self._border)
