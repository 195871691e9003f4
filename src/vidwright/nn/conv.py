"""Convolutions whose kernel is chosen anew for each picture.

Shapes: B batch, C channels, H height, W width; kernels are OIHW; K parts that a dynamic kernel is mixed of.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class DynamicConv2d(nn.Module):
    """A 3x3 convolution whose kernel depends on what is known of the picture: shared + sum of K parts by their gates.

    The gates are of the whole batch, so it costs one convolution however many parts there are. Conditionally
    parameterised convolutions: Yang et al. 2019 (CondConv); the shared kernel learns from every picture, so that the
    parts only learn how pictures differ. It begins as the identity where inputs and outputs are as many.
    """

    def __init__(self, inputs: int, outputs: int, *, parts: int) -> None:
        super().__init__()
        self.shared = nn.Parameter(torch.empty(outputs, inputs, 3, 3))
        self.parts = nn.Parameter(torch.zeros(outputs, parts * inputs, 3, 3))
        self.bias = nn.Parameter(torch.zeros(outputs))
        self.part_bias = nn.Parameter(torch.zeros(outputs, parts))
        nn.init.kaiming_normal_(self.shared, a=0.0)
        with torch.no_grad():
            self.shared.mul_(0.5)
            if inputs == outputs:
                self.shared[:, :, 1, 1] += torch.eye(inputs)

    def forward(self, x_BCHW: Tensor, gates_K: Tensor) -> Tensor:
        kernel, bias = self.mixed(gates_K)
        return F.conv2d(x_BCHW, kernel.to(x_BCHW.dtype), bias.to(x_BCHW.dtype), padding=1)

    def mixed(self, gates_K: Tensor) -> tuple[Tensor, Tensor]:
        """The kernel (O, I, 3, 3) and the bias (O,) for these gates, in fp32."""
        gates_K = gates_K.float()
        parts_OKIxy = self.parts.float().unflatten(1, (len(gates_K), -1))
        kernel = self.shared.float() + torch.einsum("okixy,k->oixy", parts_OKIxy, gates_K)
        return kernel, self.bias.float() + self.part_bias.float() @ gates_K
