"""How well an upscaler brings back what was shrunk, for each way of shrinking.

The excerpts of `train/excerpts.py` are shrunk, rounded to 8 bits and enlarged by the model, which sees those frames and
nothing else. PSNR of BT.601 studio luma without a 4-pixel border, mean over frames, then over shots.

Shapes: T frames, C channels, H height, W width.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vidwright.data import degrade
from vidwright.io.roundtrip import roundtrip
from vidwright.metrics.psnr import psnr_y, studio_luma
from vidwright.nn.model import FrameModel
from vidwright.train.excerpts import as_bytes, as_frames

LAPLACIAN = torch.tensor([[0, 1, 0], [1, -4, 1], [0, 1, 0]])

#: A rounding error has a variance of 1/12; the squares of the Laplacian's weights are 20.
ROUNDING = 20 / 12

Shrink = Callable[[Tensor, int], Tensor]

#: The ways of shrinking, from the one of papers to those of users' files.
SHRINKS: dict[str, Shrink] = {
    "bicubic": lambda x_TCHW, scale: degrade.shrink(x_TCHW, scale, degrade.bicubic),
    "cubic": lambda x_TCHW, scale: degrade.shrink(x_TCHW, scale, degrade.cubic),
    "area": lambda x_TCHW, scale: degrade.shrink(x_TCHW, scale, degrade.area),
    "lanczos": lambda x_TCHW, scale: degrade.shrink(x_TCHW, scale, degrade.lanczos),
    "bicubic+crf28": lambda x_TCHW, scale: roundtrip(degrade.shrink(x_TCHW, scale, degrade.bicubic), "h264", 28),
}


def enlarge(model: nn.Module, low_TCHW: Tensor) -> Tensor:
    """What a model makes of uint8 frames, as uint8 frames."""
    assert isinstance(model, FrameModel)
    return as_bytes(model.stream(as_frames(low_TCHW)))


def mean_psnr_y(output_TCHW: Tensor, target_TCHW: Tensor) -> float:
    """Mean over frames of PSNR-Y in dB, of uint8 frames."""
    pairs = zip(output_TCHW.float() / 255, target_TCHW.float() / 255, strict=True)
    values = [float(psnr_y(output, target)) for output, target in pairs]
    return sum(values) / len(values)


def detail(output_TCHW: Tensor, target_TCHW: Tensor) -> float:
    """Energy of fine detail in uint8 frames over that in the true ones: 1 is as sharp, below is softer.

    The mean square of the Laplacian of luma in code values, and what rounding to 8 bits adds to it, so that flat
    frames have a ratio too.
    """
    output, target = (
        F.conv2d(studio_luma(x_TCHW)[:, None], LAPLACIAN.double()[None, None]).square().mean() + ROUNDING
        for x_TCHW in (output_TCHW, target_TCHW)
    )
    return float(output / target)
