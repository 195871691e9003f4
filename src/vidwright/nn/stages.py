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

from vidwright.nn.activation import Activation, activation

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
        self.act = activation(act)
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
        y_BCHW = self.first(self.act(self.norm(x_BCHW)))
        if self.modulation is not None:
            scale_BC11, shift_BC11 = self.modulation(c_BD)[..., None, None].chunk(2, dim=1)
            y_BCHW = torch.addcmul(shift_BC11, y_BCHW, 1 + scale_BC11)  # one pass over memory, where * and + take two
        return torch.add(x_BCHW, self.second(self.act(y_BCHW)), alpha=self.gain)


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
