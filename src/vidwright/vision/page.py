"""Pages of text and boxes, as screens show them: drawn, because sharp letters are rare in footage.

Shapes: C = 3 channels R'G'B', H height, W width.
"""

from __future__ import annotations

import random as randomness
from typing import Any

import cv2
import numpy as np
import torch
from torch import Tensor

#: Drawn so many times larger and shrunk by area, which smooths edges as font renderers do.
OVERSAMPLING = 2
#: Letters as often as English has them, with a few figures, marks and capitals.
LETTERS = "eeeeeeeetttttaaaaooooiiiinnnnssssrrrhhhllldddcccuummffppggwwyybbvvkxjqz0123456789.,;:-()/AENSTRIO"
#: OpenCV brings these two faces along, each in any weight.
FACES = ("sans", "sans", "italic")

Colour = tuple[int, int, int]


def draw_page(height: int, width: int, seed: int) -> Tensor:
    """A page (3, H, W) uint8: columns of paragraphs and headings on a plain ground, at times boxes; all by `seed`."""
    draw = randomness.Random(seed)
    ground, ink = _colours(draw)
    page: Any = np.full((height * OVERSAMPLING, width * OVERSAMPLING, 3), ground, np.uint8)
    columns = draw.choice((1, 1, 2, 3))
    wide = page.shape[1] // columns
    for column in range(columns):
        if draw.random() < 0.15:
            box = (column * wide + 4, draw.randrange(page.shape[0])), ((column + 1) * wide - 8, page.shape[0])
            cv2.rectangle(page, *box, _near(draw, ground), -1)
        _column(draw, page, column * wide + 12, wide - 28, ink)
    small = cv2.resize(page, (width, height), interpolation=cv2.INTER_AREA)
    return torch.from_numpy(small).permute(2, 0, 1).contiguous()


def _column(draw: randomness.Random, page: Any, left: int, width: int, ink: Colour) -> None:
    """Paragraphs from the top to the bottom, each in a face and size of its own."""
    top = draw.randrange(12, 40)
    while top < page.shape[0]:
        size = OVERSAMPLING * draw.choice((8, 9, 10, 11, 12, 12, 14, 16, 20, 28))
        lines = draw.randrange(1, 3) if size > 15 * OVERSAMPLING else draw.randrange(2, 12)
        weight = draw.choice((300, 400, 400, 500, 700))
        face = cv2.FontFace(draw.choice(FACES))
        spacing = round(size * draw.uniform(1.15, 1.6))
        for _ in range(lines):
            top += spacing
            cv2.putText(page, _line(draw, width, size), (left, top), ink, face, size, weight)
        top += draw.randrange(4, 3 * spacing)


def _line(draw: randomness.Random, width: int, size: int) -> str:
    """Words that are about `width` pixels long in letters of `size`, rarely longer than the column."""
    left, words = round(width / size * 2), list[str]()
    while left > 2:
        words.append("".join(draw.choice(LETTERS) for _ in range(min(draw.randrange(1, 11), left))))
        left -= len(words[-1]) + 1
    return " ".join(words)


def _colours(draw: randomness.Random) -> tuple[Colour, Colour]:
    """Ground and ink: dark on light mostly, light on dark at times, in full contrast or less."""
    light, dark = draw.choice((255, 255, draw.randrange(200, 255))), draw.choice((0, 0, draw.randrange(0, 90)))
    paper, pen = _tinted(draw, light), _tinted(draw, dark)
    return (paper, pen) if draw.random() < 0.75 else (pen, paper)


def _tinted(draw: randomness.Random, level: int) -> Colour:
    """A grey, or in three of ten cases a colour near it."""
    return _near(draw, (level, level, level), reach=20) if draw.random() < 0.3 else (level, level, level)


def _near(draw: randomness.Random, colour: Colour, reach: int = 60) -> Colour:
    red, green, blue = (max(0, min(255, part + draw.randrange(-reach, reach + 1))) for part in colour)
    return red, green, blue
