"""A contact sheet of videos: a row for each, its frames from left to right.

Shapes: C = 3 channels, H height, W width.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

from vidwright.io.reader import Reader
from vidwright.io.stills import encode_still

#: Frames of a row; of a longer video as many, evenly chosen.
MOST_FRAMES = 16
#: Pixels between pictures, and the side that smaller pictures are magnified to and larger ones shrunk to.
GAP, SIDE = 2, 96
#: Grey of the ground.
GROUND = 0.25


def sheet(videos: Sequence[Path]) -> bytes:
    """The PNG of `videos`, each of which keeps its shape. Raises `BadInput` for one that cannot be read."""
    return drawn([_pictures(video) for video in videos])


def drawn(rows: Sequence[Sequence[Tensor]], *, side: int = SIDE) -> bytes:
    """The PNG of rows of pictures, (3, H, W) in [0, 1], about so high. Raises `ValueError` when there is none."""
    if not rows or not all(rows):
        raise ValueError("there is nothing to show")
    cells = [[_cell(picture_CHW, side) for picture_CHW in row] for row in rows]
    height = sum(row[0].shape[-2] for row in cells) + GAP * (len(cells) + 1)
    width = max(sum(cell.shape[-1] + GAP for cell in row) for row in cells) + GAP
    page_CHW = torch.full((3, height, width), GROUND)
    top = GAP
    for row in cells:
        left = GAP
        for cell_CHW in row:
            rows_, columns = cell_CHW.shape[-2:]
            page_CHW[:, top : top + rows_, left : left + columns] = cell_CHW
            left += columns + GAP
        top += row[0].shape[-2] + GAP
    return encode_still(page_CHW, format="png")


def evenly(count: int, most: int) -> list[int]:
    """The places of at most `most` of `count` things, evenly spread, the first and the last among them."""
    return list(range(count)) if count <= most else [round(n * (count - 1) / (most - 1)) for n in range(most)]


def _pictures(video: Path) -> list[Tensor]:
    with Reader(video, cuts=False) as pictures:
        count = sum(1 for _ in pictures)
    wanted = set(evenly(count, MOST_FRAMES))
    with Reader(video, cuts=False) as pictures:
        return [_cell(each.frame().data[:3]) for n, each in enumerate(pictures) if n in wanted]


def _cell(picture_CHW: Tensor, side: int = SIDE) -> Tensor:
    """A picture at the height of all of a sheet; small ones by whole times, with their pixels showing."""
    height, width = picture_CHW.shape[-2:]
    times = side // height
    if times > 1:
        return picture_CHW.repeat_interleave(times, -2).repeat_interleave(times, -1)
    if height <= side:
        return picture_CHW
    size = (side, max(round(width * side / height), 1))
    return F.interpolate(picture_CHW[None], size=size, mode="bilinear", antialias=True)[0].clamp(0, 1)
