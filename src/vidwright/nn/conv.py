"""Convolutions whose kernel is chosen anew for each picture, with the activation in the same pass over memory, or wide.

Shapes: B batch, C channels, H height, W width; kernels are OIHW; K parts that a dynamic kernel is mixed of; P places.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vidwright.nn.activation import LEAK

#: In what oneDNN, where it is there, applies an activation while it writes a convolution's results.
_FUSED: frozenset[torch.dtype] = frozenset()
if torch.backends.mkldnn.is_available() and hasattr(torch.ops.mkldnn, "_convolution_pointwise"):
    _FUSED = frozenset({torch.float32})
    if torch.ops.mkldnn._is_mkldnn_bf16_supported():
        _FUSED |= {torch.bfloat16}


def conv_leaky(x_BCHW: Tensor, kernel_OIHW: Tensor, bias_O: Tensor) -> Tensor:
    """The leaky rectifier of a 3x3 convolution that keeps H and W.

    Differentiable; where no gradient is asked for, a CPU does both at once: on small networks in bf16 the activation
    alone takes longer than the convolution.
    """
    alike = x_BCHW.dtype == kernel_OIHW.dtype
    if x_BCHW.device.type == "cpu" and alike and x_BCHW.dtype in _FUSED and not torch.is_grad_enabled():
        ones = [1, 1]  # padding, stride and dilation
        return torch.ops.mkldnn._convolution_pointwise(
            x_BCHW, kernel_OIHW, bias_O, ones, ones, ones, 1, "leaky_relu", [LEAK], ""
        )
    return F.leaky_relu(F.conv2d(x_BCHW, kernel_OIHW, bias_O, padding=1), LEAK, inplace=True)


#: Up to so many places of a phase a CPU is faster with a wide convolution as products of matrices: 20 times at 36.
FEW_PLACES = 256


def wide_depthwise(x_BCHW: Tensor, kernel_C1KK: Tensor, bias_C: Tensor, dilation: int) -> Tensor:
    """The dilated convolution of each channel by itself, which keeps H and W; `kernel` is odd.

    Every `dilation`-th row and column make up a phase of the picture that never meets another. On a CPU a small
    phase is a vector of P places, which a matrix (P, P) of each channel turns into the result; torch's own dilated
    convolution is the slowest part of a network there, above all backwards. The same up to rounding.
    """
    batch, channels, height, width = x_BCHW.shape
    rows, columns = -(-height // dilation), -(-width // dilation)
    if x_BCHW.device.type != "cpu" or rows * columns > FEW_PLACES:
        reach = dilation * (kernel_C1KK.shape[-1] // 2)
        return F.conv2d(x_BCHW, kernel_C1KK, bias_C, padding=reach, dilation=dilation, groups=channels)
    x_BCHW = F.pad(x_BCHW, (0, dilation * columns - width, 0, dilation * rows - height))
    phases_CNP = (
        x_BCHW.unflatten(3, (columns, dilation))
        .unflatten(2, (rows, dilation))
        .permute(1, 0, 3, 5, 2, 4)  # (C, B, phase down, phase across, rows, columns)
        .reshape(channels, -1, rows * columns)
    )
    y_CNP = torch.baddbmm(bias_C[:, None, None], phases_CNP, _as_matrices(kernel_C1KK, rows, columns))
    y = y_CNP.view(channels, batch, dilation, dilation, rows, columns).permute(1, 4, 2, 5, 3, 0)
    return y.reshape(batch, rows * dilation, columns * dilation, channels).movedim(-1, 1)[..., :height, :width]


def _as_matrices(kernel_C1KK: Tensor, rows: int, columns: int) -> Tensor:
    """What each channel's kernel does to a picture of `rows` and `columns`, (C, P in, P out)."""
    side = kernel_C1KK.shape[-1]
    offsets = [torch.arange(n)[:, None] - torch.arange(n) + side // 2 for n in (rows, columns)]
    down, across = offsets[0][:, None, :, None], offsets[1][None, :, None, :]
    inside = (down >= 0) & (down < side) & (across >= 0) & (across < side)
    taps = torch.where(inside, down * side + across, side * side).flatten()  # the one after the last is 0
    kernel_CK = F.pad(kernel_C1KK.flatten(1), (0, 1))
    return kernel_CK[:, taps].unflatten(1, (rows * columns, rows * columns))


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

    def forward(self, x_BCHW: Tensor, gates_K: Tensor, *, leaky: bool = False) -> Tensor:
        """With `leaky` the leaky rectifier of it."""
        kernel, bias = (part.to(x_BCHW.dtype) for part in self.mixed(gates_K))
        return conv_leaky(x_BCHW, kernel, bias) if leaky else F.conv2d(x_BCHW, kernel, bias, padding=1)

    def mixed(self, gates_K: Tensor) -> tuple[Tensor, Tensor]:
        """The kernel (O, I, 3, 3) and the bias (O,) for these gates, in fp32."""
        gates_K = gates_K.float()
        parts_OKIxy = self.parts.float().unflatten(1, (len(gates_K), -1))
        kernel = self.shared.float() + torch.einsum("okixy,k->oixy", parts_OKIxy, gates_K)
        return kernel, self.bias.float() + self.part_bias.float() @ gates_K
