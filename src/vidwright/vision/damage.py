"""What is wrong with pictures, measured on the pictures themselves.

Shapes: T frames, C = 3 channels R'G'B' in [0, 1], H height, W width.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

#: Blind to flat areas and to slopes; of white noise it leaves the variance as it is (Immerkaer 1996).
DETAIL = ((1 / 6, -2 / 6, 1 / 6), (-2 / 6, 4 / 6, -2 / 6), (1 / 6, -2 / 6, 1 / 6))
#: Sides of the squares of which the quietest speak for the noise, and which part of all squares that is.
SQUARE = 16
QUIETEST = 0.25
#: Code values below which a square is black: the bars of a letter box have no noise.
BLACK = 20
#: Codecs before H.264 transform squares of this side, on a grid that begins in the picture's corner.
GRID = 8
#: Steps above this, in code values, are edges of what is pictured.
EDGE = 24.0


def noise_level(frames_TCHW: Tensor) -> float:
    """Standard deviation of the noise in luma, in code values of 255, from two or more successive frames.

    Detail of a frame that the next one has as well is not noise, and moving detail is not in the picture's quietest
    quarter unless it is everywhere. Coding takes noise away, and the figure follows what is left of it. It is 0 for
    pictures of less than a square.
    """
    if min(frames_TCHW.shape[-2:]) < SQUARE + 2:
        return 0.0
    luma_THW = _luma(frames_TCHW)
    still_THW = luma_THW[1:]
    moving_THW = (luma_THW[1:] - luma_THW[:-1]) / 2**0.5
    quiet = torch.minimum(_energy(still_THW), _energy(moving_THW))[_mean(still_THW) > BLACK]
    return float(quiet.sqrt().quantile(QUIETEST)) if len(quiet) else 0.0


def grid_steps(frames_TCHW: Tensor) -> float:
    """How much steeper, in code values of 255, pictures are across the lines of an 8x8 grid than between them.

    About 0 for camera pictures; 1 and more where a codec without a filter for it left its blocks.
    """
    luma_THW = _luma(frames_TCHW)
    return _steps(luma_THW) + _steps(luma_THW.transpose(1, 2))


def _luma(frames_TCHW: Tensor) -> Tensor:
    return torch.einsum("tchw,c->thw", frames_TCHW[:, :3], torch.tensor([0.299, 0.587, 0.114])) * 255


def _energy(x_THW: Tensor) -> Tensor:
    """Mean square of the detail in each square, in one row."""
    detail_T1HW = F.conv2d(x_THW[:, None], torch.tensor(DETAIL)[None, None])
    return F.avg_pool2d(detail_T1HW.square(), SQUARE).flatten()


def _mean(x_THW: Tensor) -> Tensor:
    return F.avg_pool2d(x_THW[:, None, 1:-1, 1:-1], SQUARE).flatten()


def _steps(luma_THW: Tensor) -> float:
    """From column to column, beyond what the neighbouring steps are."""
    step_THW = (luma_THW[..., 1:] - luma_THW[..., :-1]).abs()
    before, here, after = step_THW[..., :-2], step_THW[..., 1:-1], step_THW[..., 2:]
    plain = torch.maximum(torch.maximum(before, after), here) < EDGE
    beyond_W = ((here - (before + after) / 2) * plain).mean((0, 1))
    place_W = (torch.arange(len(beyond_W)) + 2) % GRID  # of the column that the step leads to
    if len(beyond_W) < GRID:
        return 0.0
    between_W = (place_W >= 2) & (place_W <= GRID - 2)  # not the line's neighbours, which its own step pulls down
    return float(beyond_W[place_W == 0].mean() - beyond_W[between_W].mean())
