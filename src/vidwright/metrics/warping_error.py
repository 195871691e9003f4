"""Warping error: temporal consistency as in "Learning blind video temporal consistency", ECCV 2018.

Occlusions are found as in "Artistic style transfer for videos", GCPR 2016. The flow is OpenCV's and not that of a
network, so figures are comparable among each other and not with those of the papers.
Shape suffixes: B pictures (here 1), C channels, H rows, W columns, 2 is (dx, dy) in pixels.
"""

from __future__ import annotations

import torch
from torch import Tensor

from vidwright.metrics.metric import Direction, Moment, PairMean
from vidwright.nn.warp import inside, warp
from vidwright.vision.flow import optical_flow


def warping_error(first_CHW: Tensor, second_CHW: Tensor, flow_2HW: Tensor, visible_HW: Tensor) -> float | None:
    """Mean squared difference of the first picture and the second warped onto it, where `visible` is true.

    `flow` leads from the first to the second. None when nothing is visible.
    """
    warped_CHW = warp(second_CHW[None].float(), flow_2HW[None])[0]
    errors = (warped_CHW - first_CHW).square()[:, visible_HW]
    return float(errors.sum(dtype=torch.float64)) / errors.numel() if errors.numel() else None


def unoccluded(forward_2HW: Tensor, backward_2HW: Tensor) -> Tensor:
    """Where the first picture's pixels are seen in the second one as well, bool (H, W).

    Not occluded: the flow there and the flow back cancel out. Not at a motion boundary: the flow is smooth. And the
    flow does not lead out of the picture.
    """
    returned_2HW = warp(backward_2HW[None], forward_2HW[None])[0]
    length_HW = _square(forward_2HW)
    cancels_HW = _square(forward_2HW + returned_2HW) <= 0.01 * (length_HW + _square(returned_2HW)) + 0.5
    down_2HW, across_2HW = torch.gradient(forward_2HW, dim=(1, 2))
    smooth_HW = _square(down_2HW) + _square(across_2HW) <= 0.01 * length_HW + 0.002
    return cancels_HW & smooth_HW & inside(forward_2HW[None])[0, 0]


def _square(flow_2HW: Tensor) -> Tensor:
    return flow_2HW.square().sum(dim=0)


class WarpingError(PairMean):
    """Mean over pairs of successive pictures of the output's warping error along the target's motion.

    Pictures are (C, H, W) in [0, 1]; a pair of which nothing is seen twice is left out.
    """

    name = "warping_error"
    unit = ""
    better: Direction = "lower"

    def _measure(self, before: Moment, after: Moment) -> float | None:
        forward_2HW = optical_flow(before.target, after.target)
        backward_2HW = optical_flow(after.target, before.target)
        visible_HW = unoccluded(forward_2HW, backward_2HW)
        return warping_error(before.output.cpu(), after.output.cpu(), forward_2HW, visible_HW)
