"""How well an interpolator brings back the frames that were left out.

Of each excerpt of `train/excerpts.py`, here 17 frames long, the even ones are kept, and the 8 between them are made
again at the time 1/2 from their two neighbours alone. PSNR of R'G'B' without a border, mean over frames, then over
shots.

`hold`, `blend` and `dis_warp` are what an interpolator without a network does, to compare with.

Shapes: T frames, C channels, H height, W width.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import replace
from fractions import Fraction

import torch
from torch import Tensor

from vidwright.core import Frame
from vidwright.metrics.psnr import psnr
from vidwright.nn.warp import warp
from vidwright.train.excerpts import as_bytes
from vidwright.vision.flow import optical_flow

#: Frames of an excerpt: nine are kept and eight made.
FRAMES = 17

#: The frames at some times between two, as `InterpolationModel.between` makes them.
Way = Callable[[Frame, Frame, Sequence[Fraction]], list[Frame]]


def rebuilt(way: Way, truth_TCHW: Tensor) -> Tensor:
    """What `way`, a model's `between` for one, makes for the odd ones of uint8 frames, as uint8 frames."""
    kept = [Frame(data.float() / 255, Fraction(2 * n)) for n, data in enumerate(truth_TCHW[::2])]
    made = [way(first, second, [first.time + 1])[0] for first, second in itertools.pairwise(kept)]
    return as_bytes(made)


def mean_psnr_rgb(output_TCHW: Tensor, truth_TCHW: Tensor) -> float:
    """Mean over frames of PSNR in dB of R'G'B', of uint8 frames."""
    values = [psnr(output, truth, peak=255.0) for output, truth in zip(output_TCHW, truth_TCHW, strict=True)]
    return sum(values) / len(values)


def hold(first: Frame, second: Frame, times: Sequence[Fraction]) -> list[Frame]:
    """The first frame again."""
    return [replace(first, time=time) for time in times]


def blend(first: Frame, second: Frame, times: Sequence[Fraction]) -> list[Frame]:
    """Both frames, weighted by how near they are."""
    return _made(first, second, times, lambda t: torch.lerp(first.data, second.data, t))


def dis_warp(first: Frame, second: Frame, times: Sequence[Fraction]) -> list[Frame]:
    """Both frames moved along optical flow (DIS, medium, at full size), weighted by how near they are."""
    lines = first.height
    there_2HW = optical_flow(first.data, second.data, lines=lines)
    back_2HW = optical_flow(second.data, first.data, lines=lines)

    def moved(t: float) -> Tensor:
        first_CHW = warp(first.data[None], t * back_2HW[None])[0]
        second_CHW = warp(second.data[None], (1 - t) * there_2HW[None])[0]
        return torch.lerp(first_CHW, second_CHW, t)

    return _made(first, second, times, moved)


def _made(first: Frame, second: Frame, times: Sequence[Fraction], make: Callable[[float], Tensor]) -> list[Frame]:
    span = second.time - first.time
    return [replace(first, time=time, data=make(float((time - first.time) / span))) for time in times]
