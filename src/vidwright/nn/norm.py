"""Normalisations over channels, each position by itself.

No statistic crosses a position, a frame or a sample, so pieces of a video give what the whole gives. Training on a CPU
in bf16, layer norm costs a fifth, RMS norm (like group norm) two fifths of a 3x3 convolution of the same 48 channels:
`stages` shows how to do without.

Shapes: B batch, C channels, H height, W width.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class RMSNorm(nn.Module):
    """x / rms(x) over the last axis, times a learned gain; Zhang and Sennrich 2019.

    Unlike torch's it answers in the dtype of its input, whatever that of its gain, as autocast needs.
    """

    def __init__(self, channels: int, eps: float = 1e-6) -> None:
        super().__init__()
        self.eps = eps
        self.weight = nn.Parameter(torch.ones(channels))

    def forward(self, x: Tensor) -> Tensor:
        return F.rms_norm(x, self.weight.shape, self.weight.to(x.dtype), self.eps)


class ChannelRMSNorm(RMSNorm):
    """`RMSNorm` over the channels of each position of a picture."""

    def forward(self, x_BCHW: Tensor) -> Tensor:
        return super().forward(x_BCHW.movedim(1, -1)).movedim(-1, 1)  # channels_last lies like this already


class ChannelLayerNorm(nn.Module):
    """(x - mean) / std over the channels of each position, with learned gain and offset; Ba, Kiros and Hinton 2016."""

    def __init__(self, channels: int, eps: float = 1e-6) -> None:
        super().__init__()
        self.eps = eps
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, x_BCHW: Tensor) -> Tensor:
        x_BHWC = x_BCHW.movedim(1, -1)
        return F.layer_norm(x_BHWC, self.weight.shape, self.weight, self.bias, self.eps).movedim(-1, 1)


class GDN(nn.Module):
    """Generalised divisive normalisation: y_i = x_i / sqrt(beta_i + sum_j gamma_ij x_j^2); Balle et al. 2016.

    `inverse` multiplies by the root instead (the decoder's approximate inverse, IGDN). `beta` (C,) stays at or above
    1e-6 and `gamma` (C, C) at or above 0 whatever the optimiser does: what it moves are square roots, which also slows
    steps near zero. Computed in fp32, because squares of neighbours are summed.
    """

    _LEAST_BETA = 1e-6
    #: Added before the root, so that its slope stays finite at zero.
    _PEDESTAL = 2.0**-36

    def __init__(self, channels: int, *, inverse: bool = False) -> None:
        super().__init__()
        self.inverse = inverse
        self.beta_root = nn.Parameter((torch.ones(channels) + self._PEDESTAL).sqrt())
        self.gamma_root = nn.Parameter((0.1 * torch.eye(channels) + self._PEDESTAL).sqrt())

    @property
    def beta(self) -> Tensor:
        """(C,), at least 1e-6."""
        return at_least(self.beta_root, (self._LEAST_BETA + self._PEDESTAL) ** 0.5).square() - self._PEDESTAL

    @property
    def gamma(self) -> Tensor:
        """(C, C) as output by input, at least 0."""
        return at_least(self.gamma_root, self._PEDESTAL**0.5).square() - self._PEDESTAL

    def forward(self, x_BCHW: Tensor) -> Tensor:
        with torch.autocast(x_BCHW.device.type, enabled=False):
            x = x_BCHW.float()
            energy = F.conv2d(x.square(), self.gamma.float()[:, :, None, None], self.beta.float())
            y = x * (energy.sqrt() if self.inverse else energy.rsqrt())
        return y.to(x_BCHW.dtype)


def at_least(x: Tensor, floor: float) -> Tensor:
    """max(x, floor), whose gradient still lifts what lies below; a plain clamp would hold it there for ever."""
    return _AtLeast.apply(x, floor)  # pyright: ignore[reportReturnType]


class _AtLeast(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x: Tensor, floor: float) -> Tensor:  # noqa: ANN001
        ctx.save_for_backward(x)
        ctx.floor = floor
        return x.clamp(min=floor)

    @staticmethod
    def backward(ctx, gradient: Tensor) -> tuple[Tensor, None]:  # noqa: ANN001  # pyright: ignore[reportIncompatibleMethodOverride]
        (x,) = ctx.saved_tensors
        return gradient * ((x >= ctx.floor) | (gradient < 0)), None
