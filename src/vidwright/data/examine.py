"""Look at a clip once, from end to end, and note of each piece of each shot what tells whether it is of use.

Shapes: H, W a grid that a picture's luma is averaged to, K moments.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Generic, TypeVar

import torch
from torch import Tensor
from torch.nn import functional as F

from vidwright.core.report import Damage
from vidwright.data.index import piece_frames
from vidwright.io.reader import Picture, Reader

T = TypeVar("T")

#: The grid (H, W) on which brightness and motion are judged: coarse enough that noise and grain average out.
GRID = (36, 64)
#: The part of the grid that may be an exception.
EXCEPTION = 0.01
#: Moments of a piece, evenly spread, whose pictures are its print.
MOMENTS = 5
#: Height and width of the small picture for the contact sheet.
THUMBNAIL = (72, 128)


@dataclass(frozen=True, slots=True, eq=False)
class Look:
    """What was seen of one piece: frames `first` to `first` + `frames` - 1, upright `width` x `height`.

    `brightest` and `motion` are luma code values of 255: the brightest that all but a hundredth of the picture ever
    gets, and the most that it ever differs from the first picture. `prints` is (K, H / 4, W / 4) uint8 luma,
    `thumbnail` (3, h, w) uint8 R'G'B' from the middle of the piece.
    """

    first: int
    frames: int
    width: int
    height: int
    seconds: Fraction
    stamp: int | None
    brightest: float
    motion: float
    prints: Tensor
    thumbnail: Tensor


def examine(clip: Path, *, shortest: int) -> tuple[list[Look], Damage]:
    """All pieces of `clip`, in order, and what is wrong with the file.

    Shots are cut into pieces that fit in memory as a whole, of at least `shortest` frames. A few pictures at a time
    are held. Raises `BadInput` when the clip cannot be read.
    """
    looks: list[Look] = []
    rising = True
    with Reader(clip) as reader:
        pictures = _Stamped(reader)
        piece: _Piece | None = None
        for number, picture in enumerate(pictures):
            if piece is not None and (picture.cut or piece.frames >= piece.most):
                looks.append(piece.look(picture.time))
                piece = None
            if piece is None:
                piece = _Piece(number, picture, shortest)
            piece.add(picture)
        if piece is not None:
            looks.append(piece.look(None))
        rising = pictures.rising and not reader.warnings
        damage = reader.damage
    return looks if rising else [replace(look, stamp=None) for look in looks], damage


class _Stamped:
    """Pictures, and whether their files' own time stamps rose all the way."""

    def __init__(self, pictures: Reader) -> None:
        self._pictures = pictures
        self.rising = True

    def __iter__(self) -> Iterator[Picture]:
        last: int | None = None
        for picture in self._pictures:
            stamp = picture.raw.pts
            self.rising = self.rising and stamp is not None and (last is None or stamp > last)
            last = stamp
            yield picture


class Thinned(Generic[T]):
    """The items of a long series, evenly thinned so that there are never more than `most`."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._step = 1
        self._seen = 0
        self.kept: list[T] = []

    def add(self, item: T) -> None:
        if self._seen % self._step == 0:
            self.kept.append(item)
        self._seen += 1
        if len(self.kept) > self._most:
            self.kept, self._step = self.kept[::2], self._step * 2

    def at(self, part: float) -> T:
        """The kept item nearest to `part`, 0 to 1, of the whole series."""
        wanted = round(part * (self._seen - 1) / self._step)
        return self.kept[min(wanted, len(self.kept) - 1)]


class _Piece:
    """A piece while its pictures come in."""

    def __init__(self, number: int, picture: Picture, shortest: int) -> None:
        self.frames = 0
        self._number, self._first = number, picture
        width, height = picture.raw.width, picture.raw.height
        self._width, self._height = (height, width) if picture.rotation % 180 else (width, height)
        self.most = piece_frames(width, height, shortest)
        self._start = _grid(picture)
        self._brightest = self._motion = 0.0
        self._grids: Thinned[Tensor] = Thinned(64)
        self._pictures: Thinned[Picture] = Thinned(4)
        self._last = picture.time

    def add(self, picture: Picture) -> None:
        grid = _grid(picture)
        self._brightest = max(self._brightest, _nearly_highest(grid))
        self._motion = max(self._motion, _nearly_highest((grid - self._start).abs()))
        self._grids.add(grid)
        self._pictures.add(picture)
        self.frames += 1
        self._last = picture.time + (picture.duration or 0)

    def look(self, end: Fraction | None) -> Look:
        """What was seen; `end` is the time of the picture that follows."""
        moments = [self._grids.at((n + 0.5) / MOMENTS) for n in range(MOMENTS)]
        prints = F.avg_pool2d(torch.stack(moments), 4).round().to(torch.uint8)
        middle = self._pictures.at(0.5).frame().data[:3]
        small = F.interpolate(middle[None], _fitted(self._height, self._width), mode="area")[0]
        thumbnail = small.clamp(0, 1).mul(255).round().to(torch.uint8)
        seconds = (self._last if end is None else end) - self._first.time
        shape = (self._number, self.frames, self._width, self._height)
        return Look(*shape, seconds, self._first.raw.pts, self._brightest, self._motion, prints, thumbnail)


def _grid(picture: Picture) -> Tensor:
    """Luma averaged to the grid, as code values of 255."""
    planes = picture.planes()
    deep = planes.y.dtype == torch.uint16
    luma = planes.y.to(torch.int32).float() / 2 ** (planes.colour.bits - 8) if deep else planes.y.float()
    return F.interpolate(luma[None, None], GRID, mode="area")[0, 0]


def _nearly_highest(grid: Tensor) -> float:
    return float(grid.flatten().kthvalue(round((1 - EXCEPTION) * grid.numel())).values)


def _fitted(height: int, width: int) -> tuple[int, int]:
    """The size of a picture that just fits into a thumbnail."""
    scale = min(THUMBNAIL[0] / height, THUMBNAIL[1] / width)
    return max(1, round(height * scale)), max(1, round(width * scale))
