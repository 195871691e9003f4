"""Blocks whose work depends on a condition: scaled, shifted and gated by what is known besides the pixels.

    condition --linear--> scale, shift (, gate) --> x + gate * work(x * (1 + scale) + shift)

Shapes: N pictures, B clips, T frames, C channels, H height, W width; V width of the condition.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vidwright.nn.activation import LEAK
from vidwright.nn.attention import SpaceTimeAttention
from vidwright.nn.norm import RMSNorm


class ConvBlock(nn.Module):
    """Two convolutions beside the identity; the first's result is scaled and shifted by the condition."""

    def __init__(self, width: int, condition: int) -> None:
        super().__init__()
        self.inner, self.outer = nn.Conv2d(width, width, 3, padding=1), nn.Conv2d(width, width, 3, padding=1)
        self.modulate = nn.Linear(condition, 2 * width)
        nn.init.normal_(self.modulate.weight, std=0.05)
        nn.init.zeros_(self.modulate.bias)
        nn.init.normal_(self.outer.weight, std=1e-3)
        nn.init.zeros_(self.outer.bias)  # pyright: ignore[reportArgumentType]

    def forward(self, x_NCHW: Tensor, told_NV: Tensor) -> Tensor:
        scale_NC, shift_NC = self.modulate(told_NV).chunk(2, dim=1)
        inner_NCHW = self.inner(F.leaky_relu(x_NCHW, LEAK))
        inner_NCHW = inner_NCHW * (1 + scale_NC[..., None, None]) + shift_NC[..., None, None]
        return x_NCHW + self.outer(F.leaky_relu(inner_NCHW, LEAK))


class TokenBlock(nn.Module):
    """A transformer block whose two parts are scaled, shifted and gated by the condition (adaLN: Peebles and Xie 2023).

    What the condition says is the same for all blocks, plus a constant of each (PixArt: Chen et al. 2023).
    """

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.constant = nn.Parameter(torch.zeros(6, width))
        self.attention = SpaceTimeAttention(width, heads, over="space-time")
        self.norms = nn.ModuleList(RMSNorm(width) for _ in range(2))
        self.perceptron = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))

    def forward(self, x_BTHWC: Tensor, told_BT6C: Tensor) -> Tensor:
        scale, shift, gate, scale2, shift2, gate2 = (told_BT6C + self.constant)[:, :, None, None].unbind(-2)
        x_BTHWC = x_BTHWC + gate * self.attention(self.norms[0](x_BTHWC) * (1 + scale) + shift)
        return x_BTHWC + gate2 * self.perceptron(self.norms[1](x_BTHWC) * (1 + scale2) + shift2)
