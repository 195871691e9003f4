"""What tells a thing from what is around it, learned where the thing is known.

    colours inside, colours around --histograms--> log ratio ----+
    other cues, such as how much a pixel differs from its        +--logistic regression--> log odds --guided--> smooth
    background -------------------------------------------------+

A cue that is alike inside and around has no weight. That is learned, so that nothing is believed of water and crowds
that holds only where the background stands still.

Shapes: C = 3 channels of CIE L*a*b* as 8-bit codes, H rows, W columns; K cues, N pixels; masks are bool (H, W).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import cv2
import torch
from torch import Tensor
from torch.nn import functional as F

#: Bins of a histogram in each channel, and codes in a bin of a* and b*, of which most are near to grey.
BINS, CHROMA = 16, 6
#: The part of a histogram that each bin has at least, and the largest log ratio.
SOME, SURE = 1e-4, 4.0
#: Newton's steps to the weights; how much those are held near 0, and near known ones; the part of that which the one
#: for itself is held by.
STEPS, DECAY, HOLD, LOOSE = 8, 0.02, 0.1, 1e-3
#: The largest log odds.
CERTAIN = 3.0
#: Radius of the windows in which log odds are smoothed along the picture's edges, and the variance that is no edge.
RADIUS, FLAT = 4, 0.01


def histogram(lab_CHW: Tensor, inside_HW: Tensor) -> Tensor:
    """The colours in a mask: their parts (BINS³,), smoothed over neighbouring bins."""
    counts = torch.bincount(_bins(lab_CHW)[inside_HW], minlength=BINS**3).float().view(1, 1, BINS, BINS, BINS)
    near = torch.tensor([0.25, 0.5, 0.25])
    for shape in ((3, 1, 1), (1, 3, 1), (1, 1, 3)):
        counts = F.conv3d(counts, near.view(1, 1, *shape), padding=[side // 2 for side in shape])
    return counts.flatten() / counts.sum().clamp(min=1)


def log_ratio(lab_CHW: Tensor, inside: Tensor, around: Tensor) -> Tensor:
    """How much likelier each colour is by the histogram of the `inside` than by that `around`: log, (H, W)."""
    ratio = torch.log((inside + SOME) / (around + SOME)).clamp(-SURE, SURE)
    return ratio[_bins(lab_CHW)]


def _bins(lab_CHW: Tensor) -> Tensor:
    codes = lab_CHW.float()
    lightness_HW = codes[0] / (256 / BINS)
    a_HW, b_HW = (codes[1:] - 128) / CHROMA + BINS / 2
    indices = [channel_HW.clamp(0, BINS - 1).long() for channel_HW in (lightness_HW, a_HW, b_HW)]
    return (indices[0] * BINS + indices[1]) * BINS + indices[2]


def fitted(cues: Sequence[Tensor], inside_HW: Tensor, around_HW: Tensor, held_K: Tensor | None = None) -> Tensor:
    """Weights (K + 1,) of cues, the last one for itself, by which they tell pixels inside from those around best.

    Of several pictures' cues (K, H, W); both kinds of pixels count as much altogether. Logistic regression by Newton's
    method, held near 0, or near weights that are known and then more firmly.
    """
    inside_NK, around_NK = (torch.cat([cues_KHW[:, m_HW].mT for cues_KHW in cues]) for m_HW in (inside_HW, around_HW))
    x_NK = torch.cat([inside_NK, around_NK]).double()
    y_N, share_N = torch.zeros(len(x_NK)).double(), torch.full((len(x_NK),), 0.5 / max(len(around_NK), 1)).double()
    y_N[: len(inside_NK)], share_N[: len(inside_NK)] = 1, 0.5 / max(len(inside_NK), 1)
    x_NK = F.pad(x_NK, (0, 1), value=1.0)
    decay_K = torch.full((x_NK.shape[1],), DECAY if held_K is None else HOLD, dtype=torch.float64)
    decay_K[-1] *= LOOSE
    start_K = weights_K = torch.zeros_like(decay_K) if held_K is None else held_K.double()
    for _ in range(STEPS):
        p_N = torch.sigmoid(x_NK @ weights_K)
        slope_K = x_NK.mT @ (share_N * (p_N - y_N)) + decay_K * (weights_K - start_K)
        bend_KK = (x_NK * (share_N * p_N * (1 - p_N))[:, None]).mT @ x_NK + decay_K.diag()
        weights_K = weights_K - torch.linalg.solve(bend_KK, slope_K)
    return weights_K.float()


def log_odds(cues_KHW: Tensor, weights_K: Tensor) -> Tensor:
    """Log odds (H, W) of being inside, by cues and their weights; not beyond `CERTAIN`."""
    return (torch.einsum("khw,k->hw", cues_KHW, weights_K[:-1]) + weights_K[-1]).clamp(-CERTAIN, CERTAIN)


def guided(odds_HW: Tensor, guide_HW: Tensor) -> Tensor:
    """A map smoothed, but not over the edges of a grey picture, uint8 ("Guided image filtering", He et al. 2010)."""

    def mean(plane: Any) -> Any:
        return cv2.blur(plane, (2 * RADIUS + 1,) * 2)

    grey, odds = guide_HW.float().numpy() / 255, odds_HW.numpy()
    grey_mean, odds_mean = mean(grey), mean(odds)
    slope = (mean(grey * odds) - grey_mean * odds_mean) / (mean(grey * grey) - grey_mean**2 + FLAT)
    return torch.from_numpy(mean(slope) * grey + mean(odds_mean - slope * grey_mean))
