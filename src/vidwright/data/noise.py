"""What sensors and film add to a picture.

Shapes: T frames, C channels, H height, W width; pixels are 8-bit code values, as uint8 or as float32 in [0, 255].
Results are float32 and not clipped: `degrade.to_bytes` does that.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from vidwright.data.degrade import gaussian_taps


def gaussian(x_TCHW: Tensor, sigma: float, random: torch.Generator) -> Tensor:
    """White noise with a standard deviation of `sigma` code values, as read-out adds it."""
    return x_TCHW + sigma * torch.randn(x_TCHW.shape, generator=random)


def poisson(x_TCHW: Tensor, electrons: float, random: torch.Generator) -> Tensor:
    """Photon noise of a sensor that counts `electrons` at white: its variance grows with the light."""
    unit = electrons / 255
    return torch.poisson(x_TCHW.float() * unit, generator=random) / unit


def correlated(x_TCHW: Tensor, sigma: float, width: float, random: torch.Generator) -> Tensor:
    """Noise of `sigma` code values in blots of `width` pixels (standard deviation of a Gaussian), new in each frame.

    Grain, and what demosaicing and denoising leave of white noise, look like it.
    """
    taps = gaussian_taps(width)
    reach = len(taps) // 2
    taps = taps / taps.square().sum().sqrt()  # white noise keeps its variance through each of the two filters
    frames, channels, height, longer = *x_TCHW.shape[:-1], x_TCHW.shape[-1] + 2 * reach
    white = torch.randn(frames * channels, 1, height + 2 * reach, longer, generator=random)
    blots = F.conv2d(F.conv2d(white, taps.view(1, 1, 1, -1)), taps.view(1, 1, -1, 1))
    return x_TCHW + sigma * blots.view(x_TCHW.shape)
