"""A contact sheet: one small picture of each shot, framed by what became of it.

Shapes: h, w a small picture's height and width.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from vidwright.data.examine import THUMBNAIL
from vidwright.io.stills import encode_still

SHEET = "sheet.png"

#: Pictures on a sheet: of more shots than that, evenly chosen ones are shown.
MOST_CELLS = 600
COLUMNS = 10
#: Pixels of the frame around a picture, and of the line of writing below it.
FRAME, LINE = 3, 13

Fate = Literal["train", "valid", "dropped"]
#: R'G'B' of the frames.
COLOURS: dict[Fate, tuple[int, int, int]] = {"train": (70, 70, 70), "valid": (50, 130, 250), "dropped": (230, 40, 40)}

#: The characters that can be written, and their 3 x 5 dots, row by row from the top: octal digits, 4 the left dot.
LETTERS = "0123456789abcdefghijklmnopqrstuvwxyz "
DOTS = (
    "75557262277174771717557117471774757711117575775717"  # 0 to 9
    "757556565634443655567464774644345535575572227111535565544447"  # a to l
    "57755655552555265644255636565534216722225555755552557755525555222"  # m to y
    "7124700000"
)
#: Pixels of a dot.
DOT = 2


@dataclass(frozen=True, slots=True, eq=False)
class Cell:
    """A picture, uint8 (3, h, w) R'G'B' no larger than a thumbnail, what became of it, and a word below it."""

    picture: Tensor
    fate: Fate
    word: str


def contact_sheet(cells: Iterable[Cell]) -> bytes:
    """The PNG of all `cells`, in rows: blue frames are kept for validation, red ones dropped."""
    drawn = [_drawn(cell) for cell in cells]
    if not drawn:
        raise ValueError("there is nothing to show")
    columns = min(COLUMNS, len(drawn))
    drawn += [torch.zeros_like(drawn[0])] * (math.ceil(len(drawn) / columns) * columns - len(drawn))
    rows = [torch.cat(drawn[first : first + columns], -1) for first in range(0, len(drawn), columns)]
    return encode_still(torch.cat(rows, -2).float() / 255, format="png")


def _drawn(cell: Cell) -> Tensor:
    """uint8 (3, h, w): the framed picture, centred, with its word in the frame's colour."""
    height, width = THUMBNAIL[0] + 2 * FRAME, THUMBNAIL[1] + 2 * FRAME
    ink = torch.tensor(COLOURS[cell.fate], dtype=torch.uint8)[:, None, None]
    out = torch.zeros(3, height + LINE, width, dtype=torch.uint8)
    out[:, :height] = ink
    out[:, FRAME : height - FRAME, FRAME : width - FRAME] = 0
    top, left = (height - cell.picture.shape[-2]) // 2, (width - cell.picture.shape[-1]) // 2
    out[:, top : top + cell.picture.shape[-2], left : left + cell.picture.shape[-1]] = cell.picture
    word = written(cell.word)[:, : width - 2 * FRAME]
    place = out[:, height + 1 : height + 1 + word.shape[0], FRAME : FRAME + word.shape[1]]
    place.copy_(torch.where(word, ink.clamp(min=130), torch.zeros_like(ink)))
    return out


def written(word: str) -> Tensor:
    """Bool (h, w): `word` in dots; characters that have no letter here become spaces."""
    letters = []
    for character in word.lower():
        place = 5 * LETTERS.index(character if character in LETTERS else " ")
        rows = [int(digit, 8) for digit in DOTS[place : place + 5]]
        letters.append(torch.tensor([[row >> 2 & 1, row >> 1 & 1, row & 1, 0] for row in rows]))
    dots = torch.cat(letters, -1) if letters else torch.zeros(5, 0)
    return dots.bool().repeat_interleave(DOT, -1).repeat_interleave(DOT, -2)
