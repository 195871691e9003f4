"""Large pictures in stripes, so that memory follows the stripe and not the picture."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from torch import Tensor


def stripes(fn: Callable[[Tensor], Tensor], x_BCHW: Tensor, *, rows: int, halo: int) -> Iterator[tuple[slice, Tensor]]:
    """`fn` over stripes of `rows` rows of `x`, from the top: each with the rows of `x` that it is the result for.

    `fn` is shown `halo` more rows on either side. It must be a chain of local operations whose result depends on at
    most `halo` rows around a row, and must keep H and W; where it strides, as a U-Net does, `rows` and `halo` must be
    multiples of all its strides together. The stripes then make up `fn(x)`, up to the rounding of the convolutions.
    """
    height = x_BCHW.shape[-2]
    for top in range(0, height, rows):
        bottom = min(top + rows, height)
        first = max(top - halo, 0)
        out = fn(x_BCHW[..., first : min(bottom + halo, height), :])
        yield slice(top, bottom), out[..., top - first : bottom - first, :]
