"""The quality of a coded video, picture by picture, by any of the measures that it can be asked for.

Shapes: H rows, W columns.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from types import MappingProxyType
from typing import Literal

import torch
from torch import Tensor

from vidwright.core import Planes
from vidwright.metrics.align import align
from vidwright.metrics.ms_ssim import ms_ssim
from vidwright.metrics.psnr import mean_psnr, psnr
from vidwright.metrics.ssim import ssim
from vidwright.metrics.vmaf import vmaf
from vidwright.metrics.xpsnr import xpsnr

Name = Literal["psnr", "ssim", "vmaf", "xpsnr"]
#: How the figures of many pictures become one: their mean, or the figure that 95 or 99 % of them reach, or all.
At = Literal["mean", "p5", "p1", "worst"]


@dataclass(frozen=True, slots=True)
class Measure:
    """A measure of luma: its unit, the figure of an equal picture, and the least difference that anybody sees."""

    unit: str
    perfect: float
    step: float


MEASURES: Mapping[Name, Measure] = MappingProxyType(
    {
        "psnr": Measure("dB", math.inf, 0.05),
        "ssim": Measure("", 1.0, 0.0005),
        "vmaf": Measure("", 100.0, 0.25),
        "xpsnr": Measure("dB", math.inf, 0.05),
    }
)
#: What equal pictures count as where an infinite PSNR cannot be reckoned with.
CEILING = 100.0
_PERCENT: Mapping[At, int] = MappingProxyType({"p5": 5, "p1": 1, "worst": 0})


def measured(
    name: Name, output: Iterable[Planes], target: Iterable[Planes], *, rate: Fraction = Fraction(25)
) -> list[float]:
    """The figure of each picture of `output`, whose luma is brought to one depth with that of `target`.

    `rate` in frames per second is what XPSNR weighs motion by. Raises `ValueError` when lengths or sizes differ, and
    as `vmaf` and `xpsnr` do for what they cannot measure.
    """
    pairs = _pairs(output, target)
    if name == "psnr":
        return [psnr(a_HW, b_HW, peak=peak) for a_HW, b_HW, peak in pairs]
    if name == "ssim":
        return [ssim(a_HW, b_HW, peak=peak) for a_HW, b_HW, peak in pairs]
    first = next(pairs, None)
    if first is None:
        raise ValueError("no picture has been measured")
    left, right = itertools.tee(itertools.chain([first], pairs))  # which are read in turn, so that neither is stored
    luma = (_codes(a_HW, peak) for a_HW, _, peak in left), (_codes(b_HW, peak) for _, b_HW, peak in right)
    bits = 8 if first[2] <= 255 else 10
    return list(vmaf(*luma, bits=bits).frames if name == "vmaf" else xpsnr(*luma, bits=bits, rate=rate))


def likeness(output: Planes, target: Planes) -> float:
    """MS-SSIM of luma. Raises `ValueError` when sizes differ or are too small for it."""
    pair = align(output, target)
    a_HW, b_HW = (plane_HW.to(torch.float32) for plane_HW in pair.luma)
    return float(ms_ssim(a_HW[None, None], b_HW[None, None], peak=pair.peak))


def summary(name: Name, figures: Sequence[float], at: At = "mean") -> float:
    """One figure of many: their mean, or a low percentile by nearest rank. Raises `ValueError` without any.

    Equal pictures, whose PSNR is infinite, are left out of a mean.
    """
    if at == "mean":
        return mean_psnr(figures) if MEASURES[name].perfect == math.inf else math.fsum(figures) / len(figures)
    return nearest_rank(figures, _PERCENT[at])


def nearest_rank(figures: Sequence[float], percent: int) -> float:
    """The smallest figure that at least `percent` of all do not exceed: one of them, never a mixture.

    All but fewer than `percent` of the figures are at least as good.
    """
    return sorted(figures)[max(math.ceil(Fraction(percent * len(figures), 100)) - 1, 0)]


def _pairs(output: Iterable[Planes], target: Iterable[Planes]) -> Iterator[tuple[Tensor, Tensor, float]]:
    for a, b in zip(output, target, strict=True):
        if a.y.shape != b.y.shape:
            raise ValueError(f"sizes differ: {tuple(a.y.shape)} and {tuple(b.y.shape)}")
        pair = align(a, b)
        yield *pair.luma, pair.peak


def _codes(plane_HW: Tensor, peak: float) -> Tensor:
    """Integers again, where a change of depth has left fractions."""
    return plane_HW.round().to(torch.uint8 if peak <= 255 else torch.uint16)
