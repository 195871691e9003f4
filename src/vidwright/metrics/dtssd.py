"""Temporal difference: dtSSD of "Perceptually motivated benchmark for video matting", BMVC 2015.

The paper's sum of squares is divided by the number of elements, as is usual, so that it does not grow with the size.
"""

from __future__ import annotations

import math

from torch import Tensor

from vidwright.metrics.metric import Direction, Moment, PairMean, refuse_codes
from vidwright.metrics.psnr import mse


def dtssd(output_before: Tensor, output: Tensor, target_before: Tensor, target: Tensor) -> float:
    """Root mean square of (output - output_before) - (target - target_before), floating-point tensors of one shape.

    0 when the output changes just as the target does, whatever constant error it has; flicker makes it grow.
    Raises `ValueError` when shapes differ or tensors are of integers.
    """
    refuse_codes(output_before, output, target_before, target)
    return math.sqrt(mse(output - output_before, target - target_before))


class DtSsd(PairMean):
    """Mean over pairs of successive pictures of their dtSSD; pictures (C, H, W) in [0, 1]."""

    name = "dtssd"
    unit = ""
    better: Direction = "lower"

    def _measure(self, before: Moment, after: Moment) -> float:
        return dtssd(before.output, after.output, before.target, after.target)
