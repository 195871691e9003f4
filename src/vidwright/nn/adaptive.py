"""An adaptive filter after a decoder: what may be added to each plane, of which an encoder says how much.

    plane, its neighbours in space ----- differences, clipped ----.
    plane before and after, aligned ---- differences, clipped ----+--> taps --> * coefficients of the class --> + plane
    luma around a place of chroma ------ differences, clipped ----'

It is linear in its coefficients, so that an encoder finds them by least squares, and they are some dozens of bytes. A
difference is clipped so that what lies beyond an edge does not count, at several levels, which makes a curve of their
sum. Places are told apart by how much goes on around them. References: Tsai et al. 2013 (adaptive loop filter of HEVC),
Taquet et al. 2019 (clipping) and Misra et al. 2019 (chroma from luma), both in H.266; the neighbours in time are ours.

Shapes: H rows and W columns of a plane, K taps, L classes.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Iterator, Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

#: Half of the places around one, (rows, columns); each stands for itself and the opposite one.
DIAMOND = ((0, 1), (1, 0), (1, 1), (1, -1), (0, 2), (2, 0))
REACH = 2
#: Levels of clipping, in units of a plane's RMS error: of places around, and of the same place in other frames.
AROUND, IN_TIME = (0.7, 2.0, 6.0), (0.3, 0.8, 2.0)
#: Those of chroma, whose taps are more.
CHROMA_AROUND, CHROMA_IN_TIME, FROM_LUMA = (1.0, 4.0), (0.5, 1.5), (1.0, 4.0)
#: Luma of the four places that share one of chroma.
LUMA_PHASES, PHASE_CLIP = 4, 4.0

LUMA_TAPS = len(DIAMOND) * len(AROUND) + len(IN_TIME)
CHROMA_TAPS = len(DIAMOND) * (len(CHROMA_AROUND) + len(FROM_LUMA)) + len(CHROMA_IN_TIME) + LUMA_PHASES

#: Rows that are filtered at a time.
STRIPE_ROWS = 48
#: Side of the square over which activity is a mean.
SQUARE = 5


def luma_taps(y_HW: Tensor, near: Sequence[Tensor], error: float) -> Iterator[Tensor]:
    """What may be added to luma, (H, W) each, `LUMA_TAPS` of them.

    `near` are the planes before and after, moved to where this one has the same things; `error` is the RMS error of the
    decoded plane, in its own unit.
    """
    yield from _around(y_HW, [level * error for level in AROUND])
    yield from _in_time(y_HW, near, [level * error for level in IN_TIME])


def chroma_taps(
    c_HW: Tensor, near: Sequence[Tensor], luma_4HW: Tensor, error: float, luma_error: float
) -> Iterator[Tensor]:
    """What may be added to a plane of chroma, (H, W) each, `CHROMA_TAPS` of them; `luma_4HW` are luma's phases."""
    yield from _around(c_HW, [level * error for level in CHROMA_AROUND])
    yield from _in_time(c_HW, near, [level * error for level in CHROMA_IN_TIME])
    mean_HW = luma_4HW.mean(dim=0)
    yield from _around(mean_HW, [level * luma_error for level in FROM_LUMA])
    most = PHASE_CLIP * luma_error
    yield from ((phase_HW - mean_HW).clamp_(-most, most) for phase_HW in luma_4HW)


def activity(y_HW: Tensor) -> Tensor:
    """How much goes on around each place: the mean of the magnitudes of second differences, across and down."""
    across_HW, down_HW = (one_HW.add_(other_HW).abs_() for one_HW, other_HW in _opposite(y_HW, DIAMOND[:2]))
    return _mean(across_HW.add_(down_HW))


def unrest(c_HW: Tensor, near: Sequence[Tensor]) -> Tensor:
    """How little each place is like itself before and after: the mean magnitude of what changes; 0 without others."""
    changes = [(other_HW - c_HW).abs_() for other_HW in near]
    if not changes:
        return torch.zeros_like(c_HW)
    return _mean(functools.reduce(Tensor.add_, changes).div_(len(changes)))


def classes(activity_HW: Tensor, thresholds: Sequence[float]) -> Tensor:
    """The class of each place, (H, W) int64: how many of the rising `thresholds` its activity is above."""
    return torch.bucketize(activity_HW, torch.tensor(thresholds, dtype=activity_HW.dtype))


def combined(taps: Callable[[slice], Iterable[Tensor]], coefficients_LK: Tensor, class_HW: Tensor) -> Tensor:
    """The sum of the taps, each by the coefficient that the class of a place has for it, (H, W).

    `taps` are asked for some rows at a time, so that what is worked on stays in the processor's cache.
    """
    sum_HW = torch.empty(class_HW.shape)
    columns_KL = coefficients_LK.T.contiguous()
    for top in range(0, len(sum_HW), STRIPE_ROWS):
        rows = slice(top, min(top + STRIPE_ROWS, len(sum_HW)))
        part_HW, own_M = sum_HW[rows].zero_(), class_HW[rows].flatten()
        for tap_HW, coefficient_L in zip(taps(rows), columns_KL, strict=True):
            part_HW.addcmul_(tap_HW, coefficient_L.index_select(0, own_M).view_as(part_HW))  # 4 times faster than [...]
    return sum_HW


def in_rows(rows: slice, planes: Sequence[Tensor]) -> tuple[slice, list[Tensor]]:
    """These rows of planes with as many around as taps reach, and where in the result the rows themselves are."""
    first = max(rows.start - REACH, 0)
    return slice(rows.start - first, rows.stop - first), [plane[..., first : rows.stop + REACH, :] for plane in planes]


def blurred(x_HW: Tensor) -> Tensor:
    """By [1 2 1] / 4, down and across; the border is repeated."""
    padded = F.pad(x_HW[None], (1, 1, 1, 1), mode="replicate")[0]
    down = (padded[:-2] + padded[2:]).add_(padded[1:-1], alpha=2)
    return (down[:, :-2] + down[:, 2:]).add_(down[:, 1:-1], alpha=2).div_(16)


def _mean(x_HW: Tensor) -> Tensor:
    """Over the square around each place, with zeros beyond the border: `F.avg_pool2d` in a tenth of its time."""
    height, width = x_HW.shape
    half = SQUARE // 2
    padded = F.pad(x_HW, (half, half, half, half))
    down = functools.reduce(Tensor.add_, [padded[n : n + height] for n in range(1, SQUARE)], padded[:height].clone())
    across = [down[:, n : n + width] for n in range(1, SQUARE)]
    return functools.reduce(Tensor.add_, across, down[:, :width].clone()).div_(SQUARE**2)


def _around(c_HW: Tensor, levels: Sequence[float]) -> Iterator[Tensor]:
    """Clipped differences of the places around, of each and its opposite together, level by level."""
    for one_HW, other_HW in _opposite(c_HW, DIAMOND):
        for level in levels:
            yield one_HW.clamp(-level, level).add_(other_HW.clamp(-level, level))


def _opposite(c_HW: Tensor, places: Sequence[tuple[int, int]]) -> Iterator[tuple[Tensor, Tensor]]:
    """Differences of a place around and of its opposite; the border is repeated."""
    height, width = c_HW.shape
    padded = F.pad(c_HW[None], (REACH, REACH, REACH, REACH), mode="replicate")[0]
    for dy, dx in places:
        one_HW = padded[REACH + dy : REACH + dy + height, REACH + dx : REACH + dx + width]
        other_HW = padded[REACH - dy : REACH - dy + height, REACH - dx : REACH - dx + width]
        yield one_HW - c_HW, other_HW - c_HW


def _in_time(c_HW: Tensor, near: Sequence[Tensor], levels: Sequence[float]) -> Iterator[Tensor]:
    """Clipped differences of the same place before and after, of all together, level by level."""
    changes = [other_HW - c_HW for other_HW in near] or [torch.zeros_like(c_HW)]
    for level in levels:
        yield functools.reduce(Tensor.add_, [change_HW.clamp(-level, level) for change_HW in changes])
