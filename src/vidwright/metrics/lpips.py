"""LPIPS, version 0.1 on AlexNet: "The unreasonable effectiveness of deep features as a perceptual metric", CVPR 2018.

    picture -> conv 1 -> conv 2 -> conv 3 -> conv 4 -> conv 5      each with ReLU; 3x3 maxima before 2 and 3
                 |         |         |         |         |
               unit length over channels, at each position        both pictures
                 |         |         |         |         |
               squared difference, weighted per channel, mean over positions; the five are added up

Shape suffixes: B pictures, C channels, H rows, W columns.
"""

from __future__ import annotations

from pathlib import Path
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vidwright.metrics.given import load_given
from vidwright.metrics.metric import Direction, PictureMean, refuse_codes, same_shape

#: Mean and deviation that the paper's code takes from pictures in [-1, 1].
_SHIFT, _SCALE = (-0.030, -0.088, -0.188), (0.458, 0.448, 0.450)
#: The convolutions: their names in the usual file, channels in and out, kernel, stride, padding.
_CONVOLUTIONS = {
    "0": (3, 64, 11, 4, 2),
    "3": (64, 192, 5, 1, 2),
    "6": (192, 384, 3, 1, 1),
    "8": (384, 256, 3, 1, 1),
    "10": (256, 256, 3, 1, 1),
}
_POOLED = ("3", "6")
#: Below this the second pooling has no window.
SMALLEST = 31


class LpipsNet(nn.Module):
    """AlexNet's convolutions and the five sets of channel weights, under the names of their usual files.

    `features.{0,3,6,8,10}.{weight,bias}` and `lin{0..4}.model.1.weight` (1, C, 1, 1).
    """

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.ModuleDict({name: nn.Conv2d(*shape) for name, shape in _CONVOLUTIONS.items()})
        for stage, (_, channels, *_) in enumerate(_CONVOLUTIONS.values()):
            weighting = nn.Conv2d(channels, 1, 1, bias=False)
            self.add_module(f"lin{stage}", nn.ModuleDict({"model": nn.ModuleDict({"1": weighting})}))

    def forward(self, x_BCHW: Tensor, y_BCHW: Tensor) -> Tensor:
        """The distance (B,) of pictures (B, 3, H, W) in [0, 1]; 0 for equal ones. Differentiable.

        Raises `ValueError` when shapes differ, or pictures are of integers, have other than 3 channels or a side
        below `SMALLEST`.
        """
        same_shape(x_BCHW, y_BCHW)
        refuse_codes(x_BCHW, y_BCHW)
        _, channels, height, width = x_BCHW.shape
        if channels != 3 or min(height, width) < SMALLEST:
            needed = f"3 channels of at least {SMALLEST}x{SMALLEST} pixels"
            raise ValueError(f"LPIPS needs {needed}, got {channels} of {width}x{height}")
        distance_B = x_BCHW.new_zeros(len(x_BCHW))
        stages = zip(self._unit_features(x_BCHW), self._unit_features(y_BCHW), strict=True)
        for stage, (x, y) in enumerate(stages):
            weighting = cast(nn.Conv2d, self.get_submodule(f"lin{stage}.model.1"))
            distance_B = distance_B + weighting((x - y).square()).mean(dim=(1, 2, 3))
        return distance_B

    def _unit_features(self, x_BCHW: Tensor) -> list[Tensor]:
        shift, scale = (x_BCHW.new_tensor(values)[:, None, None] for values in (_SHIFT, _SCALE))
        x = (2 * x_BCHW - 1 - shift) / scale
        found = []
        for name, convolution in self.features.items():
            if name in _POOLED:
                x = F.max_pool2d(x, 3, 2)
            x = F.relu(convolution(x))
            found.append(x / (torch.linalg.vector_norm(x, dim=1, keepdim=True) + 1e-10))
        return found


class Lpips(PictureMean):
    """Mean over pictures (3, H, W) in [0, 1] of their LPIPS; raises `ModelRefused` without `weights`."""

    name = "lpips"
    unit = ""
    better: Direction = "lower"

    def __init__(self, weights: Path | None, *, device: str = "cpu") -> None:
        super().__init__()
        self._net = LpipsNet()
        load_given(self._net, weights, metric=self.name)
        self._net.to(device)

    def _measure(self, output: Tensor, target: Tensor) -> float:
        device = next(self._net.parameters()).device
        with torch.inference_mode():
            return float(self._net(output[None].to(device), target[None].to(device)))
