"""Structural similarity as a sum of squares, so that the filter which keeps most of it is found in closed form.

    lost = 1 - structure = error / energy,   error = var(missing),   energy = var(truth) + var(seen) + C2

are of the window around a place (Brunet, Vrscay and Wang 2012, "On the mathematical properties of the structural
similarity index"). What is added changes both: error / energy becomes less by as much as

    ((missing - added)^2 - lost * (detail + added)^2) / energy

does, to first order and with each place standing for its window, where detail is what a place differs by from the mean
around it. The second square counts for detail where structure was lost: the estimate of least error is smoother than
what it estimates, and this is how much of its energy comes back (Blau and Michaeli 2018, "The perception-distortion
tradeoff"). Structure is greatest below the energy of the truth, so this does not sharpen beyond it. Both squares are
one, of another target:

    (1 - lost) / energy * (added - (missing + lost * detail) / (1 - lost))^2

Shapes: H rows and W columns of luma, M of its places with a whole window.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from vidwright.data.neighbours import BITS
from vidwright.metrics.ssim import K2, WINDOW, windowed
from vidwright.nn.least_squares import Sums, sums

PEAK = 2**BITS - 1
#: The most that may be lost at a place: where all is, no target is far enough.
MOST_LOST = 0.9
#: A window's half, which is missing on each side.
INNER = slice(WINDOW // 2, -(WINDOW // 2))


class Structure:
    """How a filter's taps (K, H, W) keep the structure of luma that is seen so, with what is missing of it.

    The second square counts `back` times.
    """

    def __init__(self, taps_KHW: Tensor, seen_HW: Tensor, missing_HW: Tensor, *, back: float = 1.0) -> None:
        self._lost_HW, energy_HW, detail_HW = _measured(seen_HW + missing_HW, seen_HW)
        kept_HW = 1 - (back * self._lost_HW).clamp(0, MOST_LOST)
        by_HW = (kept_HW / energy_HW).sqrt_()
        self._target_M = ((missing_HW[INNER, INNER] + (1 - kept_HW) * detail_HW) / kept_HW * by_HW).flatten()
        self._taps_KM = (taps_KHW[:, INNER, INNER] * by_HW).flatten(1)

    def sums(self, class_HW: Tensor, count: int) -> Sums:
        """The sums of places that are each of one of `count` classes; what is missing in them is the structure lost."""
        class_M = class_HW[INNER, INNER].flatten()
        lost_L = torch.bincount(class_M, weights=self._lost_HW.flatten().double(), minlength=count)
        return replace(sums(self._taps_KM, self._target_M, class_M, count), missing=lost_L)


def lost(truth_HW: Tensor, seen_HW: Tensor) -> float:
    """What of the structure of luma is lost, in the mean over places."""
    return float(_measured(truth_HW, seen_HW)[0].mean())


def _measured(truth_HW: Tensor, seen_HW: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """What is lost at each place with a whole window, the energy there, and the detail that is seen."""
    x_HW, y_HW = truth_HW - PEAK / 2, seen_HW - PEAK / 2  # variances are differences of squares, which lose least here
    maps = torch.stack((x_HW, y_HW, x_HW.square() + y_HW.square(), x_HW * y_HW))
    mean_x, mean_y, power, product = windowed(maps)
    least = (K2 * PEAK) ** 2
    energy_HW = power - mean_x.square() - mean_y.square() + least
    structure_HW = (2 * (product - mean_x * mean_y) + least) / energy_HW
    return 1 - structure_HW, energy_HW, y_HW[INNER, INNER] - mean_y
