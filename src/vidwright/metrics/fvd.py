"""FVD and KVD: "Towards accurate generative models of video", 2018, on the logits of I3D for Kinetics-400.

I3D, the network, is from "Quo vadis, action recognition?", CVPR 2017:

    clip -> conv 7, /2 -> max, /2 in space -> conv 1, conv 3 -> max, /2 in space -> 2 mixed -> max, /2 -> 5 mixed
         -> max, /2 -> 2 mixed -> mean over 2 x 7 x 7 -> logits, mean over time

    mixed: four branches side by side: conv 1 | conv 1, conv 3 | conv 1, conv 3 | max 3, conv 1

Shape suffixes: B clips, T pictures, N pictures of all clips, C channels, H rows, W columns.
"""

from __future__ import annotations

from collections import OrderedDict
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vidwright.metrics.frechet import FrechetDistance
from vidwright.metrics.given import load_given
from vidwright.metrics.kernel import KernelDistance
from vidwright.metrics.metric import refuse_codes

_SIDE = 224
#: Below this, too little time is left for the last mean.
SHORTEST = 9

Extent = tuple[int, int, int]


def _padded_like_tensorflow(x_BCTHW: Tensor, kernel: Extent, stride: Extent) -> Tensor:
    """Zeros around, so that ceil(size / stride) places remain; the odd one goes to the end."""
    padding: list[int] = []
    for size, extent, step in zip(x_BCTHW.shape[2:], kernel, stride, strict=True):
        total = max((-(-size // step) - 1) * step + extent - size, 0)
        padding = [total // 2, total - total // 2, *padding]  # F.pad begins with the last axis
    return F.pad(x_BCTHW, padding)


class _Norm(nn.Module):
    """Batch normalisation as training left it; torch's own wants a counter, which the usual file lacks."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.ones(channels)), nn.Parameter(torch.zeros(channels))
        self.register_buffer("running_mean", torch.zeros(channels))
        self.register_buffer("running_var", torch.ones(channels))

    def forward(self, x_BCTHW: Tensor) -> Tensor:
        mean, variance = self.get_buffer("running_mean"), self.get_buffer("running_var")
        return F.batch_norm(x_BCTHW, mean, variance, self.weight, self.bias, eps=1e-3)


class _Unit(nn.Module):
    def __init__(self, channels: int, out: int, kernel: int, stride: int = 1) -> None:
        super().__init__()
        self._extents: tuple[Extent, Extent] = (kernel, kernel, kernel), (stride, stride, stride)
        self.conv3d = nn.Conv3d(channels, out, kernel, stride, bias=False)
        self.bn = _Norm(out)

    def forward(self, x_BCTHW: Tensor) -> Tensor:
        return F.relu(self.bn(self.conv3d(_padded_like_tensorflow(x_BCTHW, *self._extents))))


class _Maximum(nn.Module):
    """Zeros may win where all is negative; nothing is, after a ReLU."""

    def __init__(self, kernel: Extent, stride: Extent) -> None:
        super().__init__()
        self._extents = kernel, stride

    def forward(self, x_BCTHW: Tensor) -> Tensor:
        return F.max_pool3d(_padded_like_tensorflow(x_BCTHW, *self._extents), *self._extents)


class _Mixed(nn.Module):
    def __init__(self, channels: int, b0: int, b1a: int, b1b: int, b2a: int, b2b: int, b3b: int) -> None:
        super().__init__()
        self.b0 = _Unit(channels, b0, 1)
        self.b1a, self.b1b = _Unit(channels, b1a, 1), _Unit(b1a, b1b, 3)
        self.b2a, self.b2b = _Unit(channels, b2a, 1), _Unit(b2a, b2b, 3)
        self.b3a, self.b3b = _Maximum((3, 3, 3), (1, 1, 1)), _Unit(channels, b3b, 1)

    def forward(self, x_BCTHW: Tensor) -> Tensor:
        branches = (
            self.b0(x_BCTHW),
            self.b1b(self.b1a(x_BCTHW)),
            self.b2b(self.b2a(x_BCTHW)),
            self.b3b(self.b3a(x_BCTHW)),
        )
        return torch.cat(branches, dim=1)


class _Logits(nn.Module):
    def __init__(self, channels: int, out: int) -> None:
        super().__init__()
        self.conv3d = nn.Conv3d(channels, out, 1)

    def forward(self, x_BCTHW: Tensor) -> Tensor:
        return self.conv3d(x_BCTHW)


class I3d(nn.Sequential):
    """I3D on RGB; its tensors bear the names of the usual file in PyTorch, `rgb_imagenet`."""

    name = "i3d"

    def __init__(self) -> None:
        stages: OrderedDict[str, nn.Module] = OrderedDict(
            Conv3d_1a_7x7=_Unit(3, 64, 7, 2),
            MaxPool3d_2a_3x3=_Maximum((1, 3, 3), (1, 2, 2)),
            Conv3d_2b_1x1=_Unit(64, 64, 1),
            Conv3d_2c_3x3=_Unit(64, 192, 3),
            MaxPool3d_3a_3x3=_Maximum((1, 3, 3), (1, 2, 2)),
            Mixed_3b=_Mixed(192, 64, 96, 128, 16, 32, 32),
            Mixed_3c=_Mixed(256, 128, 128, 192, 32, 96, 64),
            MaxPool3d_4a_3x3=_Maximum((3, 3, 3), (2, 2, 2)),
            Mixed_4b=_Mixed(480, 192, 96, 208, 16, 48, 64),
            Mixed_4c=_Mixed(512, 160, 112, 224, 24, 64, 64),
            Mixed_4d=_Mixed(512, 128, 128, 256, 24, 64, 64),
            Mixed_4e=_Mixed(512, 112, 144, 288, 32, 64, 64),
            Mixed_4f=_Mixed(528, 256, 160, 320, 32, 128, 128),
            MaxPool3d_5a_2x2=_Maximum((2, 2, 2), (2, 2, 2)),
            Mixed_5b=_Mixed(832, 256, 160, 320, 32, 128, 128),
            Mixed_5c=_Mixed(832, 384, 192, 384, 48, 128, 128),
            avg_pool=nn.AvgPool3d((2, 7, 7), stride=1),
            logits=_Logits(1024, 400),
        )
        super().__init__(stages)

    def forward(self, clips_BTCHW: Tensor) -> Tensor:
        """Logits (B, 400) of clips (B, T, 3, H, W) in [0, 1], resized to 224x224 bilinearly.

        Raises `ValueError` for integers, other than 3 channels, or fewer than `SHORTEST` pictures.
        """
        refuse_codes(clips_BTCHW)
        clips, pictures, channels, height, width = clips_BTCHW.shape
        if channels != 3 or pictures < SHORTEST:
            raise ValueError(f"I3D needs {SHORTEST} pictures of 3 channels or more, got {pictures} of {channels}")
        like = next(self.parameters())
        pictures_NCHW = clips_BTCHW.to(like).reshape(-1, 3, height, width)
        sized = F.interpolate(pictures_NCHW, (_SIDE, _SIDE), mode="bilinear")
        x_BCTHW = (2 * sized - 1).view(clips, pictures, 3, _SIDE, _SIDE).transpose(1, 2)
        return super().forward(x_BCTHW).mean(dim=(2, 3, 4))


def fvd(weights: Path | None, *, device: str = "cpu") -> FrechetDistance:
    """The Fréchet distance on I3D, whose weights are given; raises `ModelRefused` without them."""
    return FrechetDistance(_i3d(weights, "fvd").to(device), name="fvd")


def kvd(weights: Path | None, *, device: str = "cpu") -> KernelDistance:
    """The kernel distance on I3D, whose weights are given; raises `ModelRefused` without them."""
    return KernelDistance(_i3d(weights, "kvd").to(device), name="kvd")


def _i3d(weights: Path | None, metric: str) -> I3d:
    net = I3d()
    load_given(net, weights, metric=metric)
    return net
