"""What ways of filling make of holes, to be looked at: rows of a contact sheet.

Shapes: T frames, C = 3 channels, H height, W width.
"""

from __future__ import annotations

from torch import Tensor

from vidwright.bench.edit import Cell
from vidwright.bench.sheet import SIDE, evenly

#: Frames of a row, and the part of a picture that is shown: how much wider than high, and how much higher than a hole.
SHOWN, SHAPE, AIR = 6, 16 / 9, 1.3


def rows(cell: Cell) -> list[list[Tensor]]:
    """The truth, the holes, and what each way made of them: a row of pictures (3, h, w) in [0, 1] for each."""
    clips = [cell.clip.frames, cell.source, *cell.outputs.values()]
    places = [(n, *_around(cell.masks[n])) for n in evenly(len(cell.masks), SHOWN)]
    return [[clip_TCHW[n][:, rows, columns].float() / 255 for n, rows, columns in places] for clip_TCHW in clips]


def _around(mask_HW: Tensor) -> tuple[slice, slice]:
    """The rows and columns of a part of the picture with the hole in its middle."""
    height, width = mask_HW.shape
    rows, columns = (mask_HW.any(axis).nonzero().flatten() for axis in (1, 0))
    tall = min(max(SIDE, round(AIR * len(rows))), height)
    return _middle(rows, tall, height), _middle(columns, min(round(tall * SHAPE), width), width)


def _middle(places: Tensor, length: int, whole: int) -> slice:
    centre = int(places[0] + places[-1]) // 2
    first = min(max(centre - length // 2, 0), whole - length)
    return slice(first, first + length)
