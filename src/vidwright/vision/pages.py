"""Pages of text, boxes and rules, drawn: what screens show, and cameras do not.

Shapes: C = 3 channels, H rows, W columns.
"""

from __future__ import annotations

import string

import cv2
import numpy as np
import torch
from torch import Tensor

#: Drawn so many times larger and shrunk, so that letters have the soft edges of type.
_FINER = 3
_FONTS = (cv2.FONT_HERSHEY_SIMPLEX, cv2.FONT_HERSHEY_DUPLEX, cv2.FONT_HERSHEY_COMPLEX, cv2.FONT_HERSHEY_TRIPLEX)
#: Height in pixels of the letters of OpenCV's fonts at scale 1.
_LETTER = 22
_CHARACTERS = string.ascii_letters + string.digits + " " * 12 + ".,:;-()"


def page(height: int, width: int, random: torch.Generator) -> Tensor:
    """uint8 (3, H, W): dark ink on light paper or the reverse, lines of 7 to 24 pixels, boxes and rules among them."""

    def integer(least: int, most: int) -> int:
        return int(torch.randint(least, most + 1, (), generator=random))

    def colour(least: int, most: int) -> tuple[int, int, int]:
        grey, tint = integer(least, most), integer(0, 3)
        return tuple(min(max(grey + (tint == 0) * integer(-60, 60), 0), 255) for _ in range(3))  # pyright: ignore

    white, dark = integer(0, 2) == 0, integer(0, 3) == 0
    paper = (255, 255, 255) if white else colour(0, 70) if dark else colour(190, 255)
    ink = colour(150, 255) if dark and not white else colour(0, 90)
    sheet_HWC = np.full((_FINER * height, _FINER * width, 3), paper, np.uint8)
    top = 0
    while top < sheet_HWC.shape[0]:
        letter, font, bold = _FINER * integer(5, 16), _FONTS[integer(0, len(_FONTS) - 1)], integer(1, 3)
        for _ in range(integer(1, 8)):
            top += 2 * letter
            if integer(0, 9) == 0:
                box = (_FINER * integer(0, width), top - letter), (_FINER * integer(0, width), top + letter)
                cv2.rectangle(sheet_HWC, *box, colour(0, 255), integer(-1, 1) or 1)
            picks = torch.randint(len(_CHARACTERS), (integer(2, 90),), generator=random).tolist()
            line, left = "".join(_CHARACTERS[pick] for pick in picks), _FINER * integer(0, width // 4)
            cv2.putText(sheet_HWC, line, (left, top), font, letter / _LETTER, ink, bold, cv2.LINE_AA)
        top += _FINER * integer(4, 30)
    shrunk_HWC = cv2.resize(sheet_HWC, (width, height), interpolation=cv2.INTER_AREA)
    return torch.from_numpy(shrunk_HWC).permute(2, 0, 1).contiguous()
