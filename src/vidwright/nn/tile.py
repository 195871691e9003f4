"""Large pictures in stripes, so that memory follows the stripe and not the picture."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor


def striped(fn: Callable[[Tensor], Tensor], x_BCHW: Tensor, *, rows: int, halo: int) -> Tensor:
    """`fn` over stripes of `rows` rows of `x`, each with `halo` more on either side, put together again.

    `fn` must be a chain of stride-1 operations whose result depends on at most `halo` rows around a row, and
    must keep H and W. The result then equals `fn(x)` up to the rounding of the convolutions.
    """
    height = x_BCHW.shape[-2]
    if height <= rows:
        return fn(x_BCHW)
    stripes: list[Tensor] = []
    for top in range(0, height, rows):
        bottom = min(top + rows, height)
        first = max(top - halo, 0)
        out = fn(x_BCHW[..., first : min(bottom + halo, height), :])
        stripes.append(out[..., top - first : bottom - first, :])
    return torch.cat(stripes, dim=-2)
