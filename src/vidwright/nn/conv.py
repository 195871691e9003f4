"""Convolutions whose kernel is made of several: fixed after training, or chosen anew for each picture.

Shapes: B batch, C channels, H height, W width; kernels are OIHW; K parts that a dynamic kernel is mixed of.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class RepConv2d(nn.Module):
    """A 3x3 convolution that is the sum of three linear branches: 3x3, 1x1 then 3x3, and identity.

    The branches are summed into one kernel before the convolution and not after it, so training costs one
    3x3 convolution and folding is exact. Structural re-parameterisation: Ding et al. 2021 (RepVGG), Zhang et al.
    2021 (ECBSR); summing the kernels while training: Hu et al. 2022 (OREPA). `expand` is the second branch's width.
    """

    def __init__(self, inputs: int, outputs: int, *, expand: int) -> None:
        super().__init__()
        self.inputs, self.outputs = inputs, outputs
        self.direct = nn.Parameter(torch.empty(outputs, inputs, 3, 3))
        self.widen = nn.Parameter(torch.empty(expand, inputs))
        self.narrow = nn.Parameter(torch.zeros(outputs, expand, 3, 3))
        self.bias = nn.Parameter(torch.zeros(outputs))
        nn.init.kaiming_normal_(self.direct, a=0.0)
        nn.init.normal_(self.widen, std=inputs**-0.5)
        with torch.no_grad():
            self.direct.mul_(0.5)

    @property
    def weight(self) -> Tensor:
        """The one kernel (O, I, 3, 3) that the branches amount to, under the name it has in any convolution."""
        kernel = self.direct + torch.einsum("oexy,ei->oixy", self.narrow, self.widen)
        if self.inputs == self.outputs:
            identity = torch.eye(self.inputs, device=kernel.device, dtype=kernel.dtype)
            kernel = kernel + F.pad(identity[:, :, None, None], (1, 1, 1, 1))
        return kernel

    def forward(self, x_BCHW: Tensor) -> Tensor:
        return F.conv2d(x_BCHW, self.weight, self.bias, padding=1)

    @torch.no_grad()
    def folded(self) -> nn.Conv2d:
        """The same function as an ordinary convolution."""
        conv = nn.Conv2d(self.inputs, self.outputs, 3, padding=1, device=self.bias.device, dtype=self.bias.dtype)
        conv.weight.copy_(self.weight)
        conv.bias.copy_(self.bias)  # pyright: ignore[reportOptionalMemberAccess]
        return conv


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


def fold(module: nn.Module) -> nn.Module:
    """Replace every `RepConv2d` inside `module` by its ordinary convolution; returns `module`."""
    for name, child in module.named_children():
        if isinstance(child, RepConv2d):
            setattr(module, name, child.folded())
        else:
            fold(child)
    return module
