"""4:2:0 pictures as one tensor at the resolution of chroma.

Shapes: P = 6 phases (luma's four, row by row, then u and v), H height and W width of chroma.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

#: Phases of a picture, and the plane that each belongs to.
PHASES = 6
PLANE_OF_PHASE = (0, 0, 0, 0, 1, 2)


def phases(y: Tensor, u: Tensor, v: Tensor) -> Tensor:
    """(6, H, W) int16 of planes of up to 14 bits; the last row and column of an odd size are repeated.

    Raises `ValueError` for planes that are not 4:2:0.
    """
    height, width = u.shape
    rows, columns = 2 * height - y.shape[0], 2 * width - y.shape[1]
    if u.shape != v.shape or rows not in (0, 1) or columns not in (0, 1):
        raise ValueError(f"not 4:2:0: luma {tuple(y.shape)}, chroma {tuple(u.shape)} and {tuple(v.shape)}")
    luma = F.pad(_signed(y)[None], (0, columns, 0, rows), mode="replicate") if rows or columns else _signed(y)[None]
    return torch.cat([F.pixel_unshuffle(luma, 2), _signed(u)[None], _signed(v)[None]])


def planes(x_PHW: Tensor, size: tuple[int, int]) -> tuple[Tensor, Tensor, Tensor]:
    """Luma of `size` (height, width), u and v: the inverse of `phases` for any dtype."""
    luma = F.pixel_shuffle(x_PHW[:4], 2)[0]
    return luma[: size[0], : size[1]], x_PHW[4], x_PHW[5]


def _signed(codes: Tensor) -> Tensor:
    """Codes as int16: torch does little with its unsigned type of that size."""
    return codes.view(torch.int16) if codes.dtype == torch.uint16 else codes.to(torch.int16)
