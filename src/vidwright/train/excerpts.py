"""The excerpts that models are judged on: the same few frames of each clip, whatever the task.

Frames 8 to 15 of each shot, as 8-bit R'G'B', cropped from the centre to at most 480x272 and to multiples of 8, are
the truth.

Shapes: T frames, C channels, H height, W width.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from fractions import Fraction
from pathlib import Path

import torch
from torch import Tensor

from vidwright.core import FieldOrder, Frame
from vidwright.core.errors import BadInput
from vidwright.data.degrade import to_bytes
from vidwright.data.index import Shot, open_shots
from vidwright.data.samples import Split
from vidwright.io.piece import read_piece

#: The first frame of an excerpt, and its length unless a task needs a longer one.
FIRST, FRAMES = 8, 8
HEIGHT, WIDTH = 272, 480

#: Frames per second of an excerpt that is shown to a model.
RATE = Fraction(25)


def judged(folder: Path, split: Split, limit: int | None = None, *, frames: int = FRAMES) -> list[Shot]:
    """The shots of a folder that hold an excerpt of `frames`, `limit` of them spread evenly.

    Raises `BadInput` without any.
    """
    found = open_shots(folder, split)
    shots = [shot for shot in found if shot.frames >= FIRST + frames]
    if not shots:
        raise BadInput(folder, f"none of its {len(found)} shots has {FIRST + frames} frames", "add longer clips")
    return shots if limit is None else shots[:: max(1, len(shots) // limit)][:limit]


def truth(shot: Shot, *, frames: int = FRAMES) -> Tensor:
    """The excerpt (T, 3, H, W) uint8 of a shot. Raises `BadInput` when it is too short."""
    pictures = itertools.islice(read_piece(shot.file, shot.first, FIRST + frames, stamp=shot.stamp), FIRST, None)
    found = [to_bytes(picture.frame().data[:3] * 255) for picture in pictures]
    if len(found) < frames:
        raise BadInput(shot.file, f"it has fewer than {FIRST + frames} frames", "leave it out of the folder")
    x_TCHW = torch.stack(found)
    height, width = (min(most, side) // 8 * 8 for most, side in zip((HEIGHT, WIDTH), x_TCHW.shape[-2:], strict=True))
    top, left = (x_TCHW.shape[-2] - height) // 2, (x_TCHW.shape[-1] - width) // 2
    return x_TCHW[..., top : top + height, left : left + width].contiguous()


def as_frames(x_TCHW: Tensor, *, rate: Fraction = RATE, order: FieldOrder = "progressive") -> Iterator[Frame]:
    """uint8 frames as a film of `rate` frames per second."""
    for number, data in enumerate(x_TCHW):
        yield Frame(data.float() / 255, number / rate, 1 / rate, field_order=order)


def as_bytes(frames: Iterable[Frame]) -> Tensor:
    """The pictures of a film, rounded to uint8."""
    return torch.stack([to_bytes(frame.data * 255) for frame in frames])
