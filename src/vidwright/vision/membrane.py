"""Values that are known in places spread smoothly over all others, as a membrane hung from them would.

By a pyramid: "The lumigraph", Gortler et al. 1996 (push-pull). Places near known ones follow those, places far from any
take means over wide surroundings.

Shapes: C channels, H rows, W columns.
"""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F


def membrane(values_CHW: Tensor, known_HW: Tensor) -> Tensor:
    """The values where they are known, and in all other places what the known ones around them lead to; fp32.

    `known_HW` is bool, or weights from 0 on. Zeros where nothing at all is known.
    """
    weight_11HW = known_HW.float().clamp(max=1)[None, None]
    return _filled(values_CHW.float() * weight_11HW, weight_11HW)[0]


def _filled(weighted_1CHW: Tensor, weight_11HW: Tensor) -> Tensor:
    """From values times weights up to 1: a level is as sure as its weights, and what is unsure comes from the next."""
    height, width = weight_11HW.shape[-2:]
    mean_1CHW = weighted_1CHW / weight_11HW.clamp(min=1e-6)
    if max(height, width) == 1 or bool((weight_11HW >= 1).all()):
        return mean_1CHW
    sums = [4 * F.avg_pool2d(each, 2, ceil_mode=True, divisor_override=4) for each in (weighted_1CHW, weight_11HW)]
    sure_11hw = sums[1].clamp(max=1)
    coarse_1Chw = _filled(sums[0] / sums[1].clamp(min=1e-6) * sure_11hw, sure_11hw)
    size = (2 * coarse_1Chw.shape[-2], 2 * coarse_1Chw.shape[-1])
    below_1CHW = F.interpolate(coarse_1Chw, size, mode="bilinear", align_corners=False)[..., :height, :width]
    return weight_11HW * mean_1CHW + (1 - weight_11HW) * below_1CHW
