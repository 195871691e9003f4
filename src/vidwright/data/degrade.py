"""How footage loses resolution: the downscalers that users' files have been through.

Shapes: T frames, C channels, H height, W width; pixels are 8-bit code values, as uint8 or as float32 in [0, 255].
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F


def bicubic(x_TCHW: Tensor, scale: int) -> Tensor:
    """Antialiased bicubic, a = -0.5: MATLAB's imresize, the convention of super-resolution papers."""
    return _interpolate(x_TCHW, scale, mode="bicubic", antialias=True)


def cubic(x_TCHW: Tensor, scale: int) -> Tensor:
    """Cubic without antialiasing, a = -0.75: the default of fast scalers, and full of aliases."""
    return _interpolate(x_TCHW, scale, mode="bicubic", antialias=False)


def area(x_TCHW: Tensor, scale: int) -> Tensor:
    """Mean over each `scale` x `scale` block."""
    return F.avg_pool2d(x_TCHW, scale)


def lanczos(x_TCHW: Tensor, scale: int) -> Tensor:
    """Antialiased Lanczos with three lobes."""
    return _interpolate(x_TCHW, scale, mode="lanczos", antialias=True)


def blurred(sigma: float) -> Callable[[Tensor, int], Tensor]:
    """A downscaler that blurs with a Gaussian of `sigma` pixels first, as soft lenses do."""
    return lambda x_TCHW, scale: bicubic(blur(x_TCHW, sigma), scale)


def blur(x_TCHW: Tensor, sigma: float) -> Tensor:
    """Float frames through a Gaussian of `sigma` pixels, their border repeated."""
    taps = gaussian_taps(sigma)
    reach = len(taps) // 2
    taps = (taps / taps.sum()).expand(x_TCHW.shape[1], 1, 1, -1)
    padded = F.pad(x_TCHW, (reach,) * 4, mode="replicate")
    soft = F.conv2d(padded, taps, groups=x_TCHW.shape[1])
    return F.conv2d(soft, taps.transpose(-1, -2), groups=x_TCHW.shape[1])


def gaussian_taps(sigma: float) -> Tensor:
    """A Gaussian of `sigma` pixels out to three of them on either side, 1 in the middle."""
    reach = max(1, round(3 * sigma))
    return torch.exp(-0.5 * (torch.arange(-reach, reach + 1) / sigma) ** 2)


def to_bytes(x_TCHW: Tensor) -> Tensor:
    """Clip and round float code values to uint8, halves to even."""
    return x_TCHW.clamp(0, 255).round_().to(torch.uint8)


def shrink(x_TCHW: Tensor, scale: int, downscale: Callable[[Tensor, int], Tensor]) -> Tensor:
    """Downscale uint8 frames to uint8 frames, one at a time to keep memory flat."""
    return torch.cat([to_bytes(downscale(frame.float(), scale)) for frame in x_TCHW.split(1)])


def _interpolate(x_TCHW: Tensor, scale: int, *, mode: str, antialias: bool) -> Tensor:
    size = (x_TCHW.shape[-2] // scale, x_TCHW.shape[-1] // scale)
    return F.interpolate(x_TCHW, size=size, mode=mode, antialias=antialias, align_corners=False)
