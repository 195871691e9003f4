"""Motion as distributions over whole-pixel shifts: seen in two frames, and applied to maps.

Shapes: N pictures, C channels, G groups of them, M motions, H height, W width; R = 2 * reach + 1 shifts along an axis.
"""

from __future__ import annotations

import itertools

import torch
from torch import Tensor
from torch.nn import functional as F

#: By how many e-folds a shift is less likely for each pixel, from black to white, that it leaves unexplained.
CERTAINTY = 0.25


def votes(now_N1HW: Tensor, before_N1HW: Tensor, *, reach: int, cell: int) -> Tensor:
    """Where each cell of a frame may have come from: (N, R * R, H / cell, W / cell), steps down the slower.

    Per cell of `cell` x `cell` pixels, a softmax over the shifts of what they leave unexplained of it, times the mean
    of its pixels: black cells do not vote. Frames are in [0, 1] and whole cells in size. Nothing here is learned.
    """
    height, width = now_N1HW.shape[-2:]
    wide_N1HW = F.pad(before_N1HW, (reach, reach, reach, reach))
    agree: list[Tensor] = []
    for down, across in itertools.product(range(2 * reach, -1, -1), repeat=2):
        shifted_N1HW = wide_N1HW[..., down : down + height, across : across + width]
        # Minus half the squared error, without the share that is the same for all shifts.
        agree.append(F.avg_pool2d((now_N1HW - 0.5 * shifted_N1HW) * shifted_N1HW, cell))
    likely_NRHW = (torch.cat(agree, dim=1) * (cell**2 * 2 * CERTAINTY)).softmax(dim=1)
    return likely_NRHW * F.avg_pool2d(now_N1HW, cell)


def shift_matrices(kernels_NMR: Tensor, length: int) -> Tensor:
    """Matrices (N, M, length, length) that move a line by kernels over the shifts -reach to reach.

    Kernels need not sum to one. What leaves the line is lost, and zeros come in. As matrices, because a product of
    small matrices is much faster on a CPU than a convolution with a kernel of its own for each picture.
    """
    reach = kernels_NMR.shape[-1] // 2
    place_L = torch.arange(length, device=kernels_NMR.device)
    shift_LL = place_L[:, None] - place_L + reach
    inside_LL = (shift_LL >= 0) & (shift_LL <= 2 * reach)
    return torch.where(inside_LL, kernels_NMR[..., shift_LL.clamp(0, 2 * reach)], 0.0)


def moved(x_NGMHW: Tensor, down_NMHH: Tensor, across_NMWW: Tensor) -> Tensor:
    """Maps (N, G, M, H, W), or (N, G, 1, H, W) for all motions alike, each moved by its motion's matrices.

    In the dtype of the maps. The transformation by kernels over shifts of Finn et al. 2016 (CDNA), of any channels and
    with separable kernels.
    """
    x_NGMHW = x_NGMHW.expand(-1, -1, down_NMHH.shape[1], -1, -1)
    x_NGMHW = torch.einsum("nmij,ngmjw->ngmiw", down_NMHH.to(x_NGMHW.dtype), x_NGMHW)
    return torch.einsum("nmij,ngmhj->ngmhi", across_NMWW.to(x_NGMHW.dtype), x_NGMHW)
