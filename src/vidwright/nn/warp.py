"""Moving pictures along optical flow.

Shapes: B batch, C channels, H height, W width; flow is (dx, dy) in pixels, so B2HW.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F


def warp(x_BCHW: Tensor, flow_B2HW: Tensor, *, mode: Literal["bilinear", "bicubic"] = "bilinear") -> Tensor:
    """Backward warping: out(p) = x(p + flow(p)), the border repeated outside the picture.

    `flow` is in pixels, at the size of `x`. Between pixels `mode` blurs (bilinear), or rings a little (bicubic, with
    a = -0.75, in four times as long). Positions are computed in fp32 at least (bf16 cannot tell one column of a
    wide picture from the next); the result has the dtype of `x`. Differentiable in both.
    """
    precision = torch.promote_types(x_BCHW.dtype, torch.float32)
    positions_2HW = _positions(flow_B2HW.to(precision))
    size_2 = torch.tensor(x_BCHW.shape[:-3:-1], device=x_BCHW.device, dtype=precision)
    # Pixels as areas (align_corners=False): whole positions then stay exact where a side is a power of two. The flow is
    # scaled and added in one pass: as much time goes by in memory here as in reading the pixels.
    centres_HW2 = (2 * positions_2HW.movedim(0, -1) + 1) / size_2 - 1
    grid_BHW2 = torch.addcmul(centres_HW2, flow_B2HW.to(precision).movedim(1, -1), 2 / size_2)
    with torch.autocast(x_BCHW.device.type, enabled=False):
        out_BCHW = F.grid_sample(x_BCHW.to(precision), grid_BHW2, mode=mode, padding_mode="border", align_corners=False)
    return out_BCHW.to(x_BCHW.dtype)


def inside(flow_B2HW: Tensor) -> Tensor:
    """Where `warp` reads from inside the picture: bool (B, 1, H, W), false where the border is repeated."""
    height, width = flow_B2HW.shape[-2:]
    flow_B2HW = flow_B2HW.to(torch.promote_types(flow_B2HW.dtype, torch.float32))
    x_BHW, y_BHW = (_positions(flow_B2HW) + flow_B2HW).unbind(1)
    return ((x_BHW >= 0) & (x_BHW <= width - 1) & (y_BHW >= 0) & (y_BHW <= height - 1))[:, None]


def _positions(flow_B2HW: Tensor) -> Tensor:
    """Where each pixel of a flow's picture is, (x, y)."""
    height, width = flow_B2HW.shape[-2:]
    x_W = torch.arange(width, device=flow_B2HW.device, dtype=flow_B2HW.dtype)
    y_H = torch.arange(height, device=flow_B2HW.device, dtype=flow_B2HW.dtype)
    return torch.stack(torch.meshgrid(x_W, y_H, indexing="xy"))
