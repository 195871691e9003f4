"""Residual stages of 3x3 convolutions, without normalisation unless asked for.

    x_BCHW --[norm]--act--conv3x3--[* scale + shift by condition]--act--conv3x3--* depth^-0.5--(+)-- ...
       |                                                                                        |
       '----------------------------------------------------------------------------------------'

Normalisation keeps a deep stage's numbers in bounds. So does the factor depth^-0.5: the variance grows to at most
(1 + 1/depth)^depth < e times the input's, and not to 2^depth times; and it costs nothing (a norm: see `nn/norm.py`).

Shapes: B batch, C channels, H height, W width, D channels of the condition.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vidwright.nn.activation import Activation, activation
from vidwright.nn.conv import conv_leaky

Norm = Callable[[int], nn.Module]


class ResidualBlock(nn.Module):
    """x + gain * branch(x): two 3x3 convolutions, each after an activation (He et al. 2016b, pre-activation).

    `condition` is the width of a vector c_BD, such as a noise level's or a class's, that scales and shifts the channels
    in the middle (Perez et al. 2018); 0 for none. `norm` stands before the first activation.
    """

    def __init__(
        self, channels: int, *, gain: float, act: Activation = "relu", norm: Norm | None = None, condition: int = 0
    ) -> None:
        super().__init__()
        self.gain = gain
        self.norm = norm(channels) if norm else nn.Identity()
        self.first = nn.Conv2d(channels, channels, 3, padding=1)
        self.second = nn.Conv2d(channels, channels, 3, padding=1)
        self.act, self.leaky = activation(act), act == "leaky"
        self.modulation = nn.Linear(condition, 2 * channels) if condition else None
        for conv in (self.first, self.second):
            nn.init.kaiming_normal_(conv.weight)
            nn.init.zeros_(conv.bias)  # pyright: ignore[reportArgumentType]
        if self.modulation:
            nn.init.zeros_(self.modulation.bias)
            nn.init.normal_(self.modulation.weight, std=0.02)

    def forward(self, x_BCHW: Tensor, c_BD: Tensor | None = None) -> Tensor:
        """Raises `ValueError` if a condition is missing, or given to a block that has none."""
        if (c_BD is None) != (self.modulation is None):
            raise ValueError("a block takes a condition if and only if it was built with one")
        y_BCHW = self._activated(self.act(self.norm(x_BCHW)), c_BD)
        return torch.add(x_BCHW, self.second(y_BCHW), alpha=self.gain)

    def _activated(self, x_BCHW: Tensor, c_BD: Tensor | None) -> Tensor:
        """What the second convolution is given: the first, scaled and shifted, after the activation."""
        kernel, bias = self.first.weight, self.first.bias
        assert bias is not None
        if self.modulation is None:
            return self._convolved(x_BCHW, kernel, bias)
        scale_BC, shift_BC = self.modulation(c_BD).chunk(2, dim=1)
        if len(x_BCHW) == 1:  # then the kernel can be scaled, which is smaller than the picture
            scale_C, shift_C = 1 + scale_BC[0].float(), shift_BC[0].float()
            scaled = kernel.float() * scale_C.view(-1, 1, 1, 1), bias.float() * scale_C + shift_C
            return self._convolved(x_BCHW, *(part.to(kernel.dtype) for part in scaled))
        y_BCHW = self.first(x_BCHW)
        scale_BC11, shift_BC11 = scale_BC[..., None, None], shift_BC[..., None, None]
        return self.act(torch.addcmul(shift_BC11, y_BCHW, 1 + scale_BC11))  # one pass over memory, not two

    def _convolved(self, x_BCHW: Tensor, kernel: Tensor, bias: Tensor) -> Tensor:
        if self.leaky:
            return conv_leaky(x_BCHW, kernel, bias)
        return self.act(F.conv2d(x_BCHW, kernel, bias, padding=1))


class ResidualStage(nn.Module):
    """`depth` residual blocks, which leave numbers of about the input's size whatever the depth."""

    def __init__(
        self, channels: int, depth: int, *, act: Activation = "relu", norm: Norm | None = None, condition: int = 0
    ) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(
            ResidualBlock(channels, gain=depth**-0.5, act=act, norm=norm, condition=condition) for _ in range(depth)
        )

    def forward(self, x_BCHW: Tensor, c_BD: Tensor | None = None) -> Tensor:
        for block in self.blocks:
            x_BCHW = block(x_BCHW, c_BD)
        return x_BCHW
