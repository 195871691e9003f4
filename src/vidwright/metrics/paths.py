"""How things move through a clip: the path of their centre, and whether one that bounces off the edges explains it.

Shapes: B clips, T frames, H height, W width; K possible tracks, F numbers to know them by; the last axis of 2 is (down,
across), in pixels.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

#: Possible tracks: steps of the speed and of the start, in pixels, and the fastest, as a part of the free way.
SPEED_STEP, START_STEP, FASTEST = 0.05, 0.25, 0.125
#: How much a pixel counts by which a thing's centre is not that of its box, beside a pixel off the path: centres lie
#: 0.7 pixels off, and whole places of pixels 0.3.
CENTRED = 0.2
#: Ink below this is noise around a thing and would draw its centre to the middle of the picture.
FAINT = 0.1


@dataclass(frozen=True, slots=True)
class Paths:
    """Of clips with one thing each: how far the nearest bouncing path is, and how even the motion, in pixels.

    `fit` is the median over clips of the mean distance from the path that fits best; `speed` and `bend` are the medians
    of the steps' lengths and of the changes from step to step.
    """

    fit: float
    speed: float
    bend: float


def paths(clip_BTHW: Tensor, box: int) -> Paths:
    """The paths in square clips in [0, 1], in which a thing is in a `box` of so many pixels that stays inside.

    Clips with a black frame have no path and are left out. Raises `ValueError` if none is left.
    """
    centre_BT2 = centres(clip_BTHW)
    centre_BT2 = centre_BT2[centre_BT2.isfinite().all(dim=-1).all(dim=-1)]
    if not len(centre_BT2):
        raise ValueError("nothing is to be seen in any clip")
    step_BT2 = centre_BT2.diff(dim=1)
    error_BT = (centre_BT2 - bouncing(centre_BT2, box, clip_BTHW.shape[-1], centre_BT2.shape[1])).norm(dim=-1)
    return Paths(
        fit=float(error_BT.mean(dim=1).median()),
        speed=float(step_BT2.norm(dim=-1).median()),
        bend=float(step_BT2.diff(dim=1).norm(dim=-1).median()),
    )


def centres(clip_BTHW: Tensor) -> Tensor:
    """The centre of the ink of each frame, (B, T, 2); not a number where there is none."""
    ink_BTHW = torch.where(clip_BTHW >= FAINT, clip_BTHW, 0).double()
    total_BT = ink_BTHW.sum(dim=(-2, -1))
    down_H, across_W = (torch.arange(side, dtype=torch.float64) for side in clip_BTHW.shape[-2:])
    sums = (ink_BTHW.sum(dim=-1) @ down_H, ink_BTHW.sum(dim=-2) @ across_W)
    return torch.stack(sums, dim=-1) / total_BT[..., None]


def bouncing(centre_BT2: Tensor, box: int, side: int, frames: int) -> Tensor:
    """The even motion of a `box` between the edges of a square of `side` that is nearest to each path.

    Found among a grid of speeds and starts, each axis by itself, with an offset, as the centre of a thing is not quite
    that of its box. It is of `frames` frames, and goes on beyond the path if these are more.
    """
    given, free, middle = centre_BT2.shape[1], side - box, (box - 1) / 2
    speed_K = torch.arange(-FASTEST * free, FASTEST * free + SPEED_STEP / 2, SPEED_STEP, dtype=torch.float64)
    start_K = torch.arange(0, free + START_STEP / 2, START_STEP, dtype=torch.float64)
    way_KT = (start_K[:, None, None] + speed_K[:, None] * torch.arange(frames, dtype=torch.float64)).flatten(0, 1)
    track_KT = free - (way_KT % (2 * free) - free).abs()
    place_K1 = track_KT[:, :given].mean(dim=1, keepdim=True)
    weight = (CENTRED * given) ** 0.5
    shape_KF = torch.cat([track_KT[:, :given] - place_K1, weight * (place_K1 + middle)], dim=1)
    found: list[Tensor] = []
    for path_BT in centre_BT2.double().unbind(-1):
        mean_B1 = path_BT.mean(dim=1, keepdim=True)
        best_B = torch.cdist(torch.cat([path_BT - mean_B1, weight * mean_B1], dim=1), shape_KF).argmin(dim=1)
        found.append(track_KT[best_B] + mean_B1 - place_K1[best_B])
    return torch.stack(found, dim=-1)


def straight_on(centre_BT2: Tensor, frames: int) -> Tensor:
    """The last step of each path repeated for `frames` frames after it, (B, frames, 2): no edges."""
    step_B12 = centre_BT2[:, -1:] - centre_BT2[:, -2:-1]
    return centre_BT2[:, -1:] + step_B12 * torch.arange(1, frames + 1, dtype=step_B12.dtype)[:, None]


def distances(centre_BT2: Tensor, truth_BT2: Tensor) -> list[float]:
    """The mean distance from the truth of each frame, over the clips that show something in it."""
    far_BT = (centre_BT2 - truth_BT2).norm(dim=-1)
    return [float(far_B[far_B.isfinite()].mean()) for far_B in far_BT.unbind(1)]
