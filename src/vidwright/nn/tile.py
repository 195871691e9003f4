"""Large pictures in parts, so that memory follows the part and not the picture.

    stripes   over the full width, for the caller to put together
    tiled     rectangles, put together
    Tiles     the same, and smaller rectangles from the moment when memory runs out

Shapes: B batch, C channels, H height, W width; a position is one of H times W.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from vidwright.core.errors import OutOfMemory

log = logging.getLogger("vidwright")

#: What a tile's tensors may take together unless memory runs out earlier: a laptop has so much to spare for each frame
#: that is under way, and tiles that are larger gain little, because the halo is a small part of them already.
TILE_BYTES = 2**29

#: Sides below which a tile is not halved again: so many positions, or so many halos, of which half is then lost work.
SMALLEST_SIDE, SMALLEST_HALOS = 64, 4

#: How torch, oneDNN and the C library say that memory ran out, where they do not raise a class of its own.
_OUT_OF_MEMORY = ("out of memory", "alloc", "could not create a memory", "could not create a primitive")


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


def tiled(
    fn: Callable[[Tensor], Tensor], x_BCHW: Tensor, *, positions: int, halo: int, scale: int = 1, multiple: int = 1
) -> Tensor:
    """`fn(x)` by tiles of at most `positions` rows times columns, of which `halo` on each side is cut away again.

    `fn` enlarges by `scale`. Where its result at a place depends on no more than `halo` positions around it, the tiles
    make up `fn(x)` up to the rounding of the convolutions; where it depends on more, seams may show. Tiles begin at
    multiples of `multiple`. A picture of at most `positions` is one tile; where so few do not hold a halo on both
    sides, tiles are as small as can be.
    """
    height, width = x_BCHW.shape[-2:]
    if height * width <= positions:
        return fn(x_BCHW)
    halo = _up(halo, multiple)
    side = max(math.isqrt(positions) - 2 * halo, multiple)
    columns = _up(math.ceil(width / math.ceil(width / side)), multiple)  # equal ones: a narrow last one is lost work
    rows = max(positions // min(columns + 2 * halo, width) - 2 * halo, multiple) // multiple * multiple
    out_BCHW: Tensor | None = None
    for top in range(0, height, rows):
        for left in range(0, width, columns):
            bottom, right = min(top + rows, height), min(left + columns, width)
            first, before = max(top - halo, 0), max(left - halo, 0)
            part = fn(x_BCHW[..., first : bottom + halo, before : right + halo])
            if out_BCHW is None:
                out_BCHW = part.new_empty((*part.shape[:-2], height * scale, width * scale))
            inside = part[..., scale * (top - first) :, scale * (left - before) :]
            place = out_BCHW[..., scale * top : scale * bottom, scale * left : scale * right]
            place.copy_(inside[..., : place.shape[-2], : place.shape[-1]])
    assert out_BCHW is not None
    return out_BCHW


class Tiles:
    """How a network's pictures are tiled: so that they fit in memory, and smaller from the moment when they do not.

    `bytes_per_position` is what one position of the input takes inside the network at its peak; `halo`, `scale` and
    `multiple` are as in `tiled`. Halving is said once, as a warning of the logger "vidwright", and stays for the
    pictures that follow. It changes pixels only where `halo` is less than the network's reach.
    """

    def __init__(self, *, bytes_per_position: int, halo: int, scale: int = 1, multiple: int = 1) -> None:
        self._each, self._halo, self._scale, self._multiple = bytes_per_position, halo, scale, multiple
        self._smallest = max(SMALLEST_SIDE, SMALLEST_HALOS * halo) ** 2
        self.positions = max(TILE_BYTES // bytes_per_position, self._smallest)
        self._told = False

    def __call__(self, fn: Callable[[Tensor], Tensor], x_BCHW: Tensor) -> Tensor:
        """`fn(x)` in tiles that fit. Raises `OutOfMemory` with the figure where the smallest tile does not."""
        while True:
            positions = min(self.positions, x_BCHW.shape[-2] * x_BCHW.shape[-1])
            try:
                return tiled(
                    fn, x_BCHW, positions=positions, halo=self._halo, scale=self._scale, multiple=self._multiple
                )
            except (MemoryError, RuntimeError) as error:
                if not is_out_of_memory(error):
                    raise
            # Out here the error is gone, and with it its hold on all that was computed.
            if positions <= self._smallest:
                raise self._exhausted(x_BCHW, positions)
            self._halve(positions)

    def _halve(self, positions: int) -> None:
        self.positions = min(self.positions, max(positions // 2, self._smallest))
        if not self._told:
            self._told = True
            side = math.isqrt(self.positions)
            log.warning("memory ran out: pictures are worked on in tiles of about %dx%d or less", side, side)

    def _exhausted(self, x_BCHW: Tensor, positions: int) -> OutOfMemory:
        height, width = x_BCHW.shape[-2:]
        out = 4 * x_BCHW.shape[-3] * height * width * self._scale**2
        needed = math.ceil((positions * self._each + out) / 2**20)
        return OutOfMemory(
            f"a picture of {width}x{height}",
            f"there is not enough memory even for the smallest tile: about {needed} MB have to be free",
            "use fewer --workers or --threads, a smaller input, or a smaller model",
        )


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error of torch or of Python says that memory ran out, of the machine or of an accelerator."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    return isinstance(error, RuntimeError) and any(words in str(error) for words in _OUT_OF_MEMORY)


def _up(number: int, multiple: int) -> int:
    return -(-number // multiple) * multiple
