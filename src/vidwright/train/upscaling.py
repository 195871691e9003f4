"""How well an upscaler brings back what was shrunk, for each way of shrinking.

Frames 8 to 15 of each shot, as 8-bit R'G'B', cropped from the centre to at most 480x272 and to multiples of 8, are
the truth; they are shrunk, rounded to 8 bits and enlarged by the model, which sees those eight frames and nothing
else. PSNR of BT.601 studio luma without a 4-pixel border, mean over frames, then over shots.

Shapes: T frames, C channels, H height, W width.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import torch
from torch import Tensor, nn

from vidwright.core import Frame
from vidwright.core.errors import BadInput
from vidwright.data import degrade
from vidwright.data.index import Shot, open_shots
from vidwright.data.samples import Split
from vidwright.io.piece import read_piece
from vidwright.io.roundtrip import roundtrip
from vidwright.metrics.psnr import psnr_y
from vidwright.nn.model import FrameModel

FIRST, LAST = 8, 16
HEIGHT, WIDTH = 272, 480

Shrink = Callable[[Tensor, int], Tensor]

#: The ways of shrinking, from the one of papers to those of users' files.
SHRINKS: dict[str, Shrink] = {
    "bicubic": lambda x_TCHW, scale: degrade.shrink(x_TCHW, scale, degrade.bicubic),
    "cubic": lambda x_TCHW, scale: degrade.shrink(x_TCHW, scale, degrade.cubic),
    "area": lambda x_TCHW, scale: degrade.shrink(x_TCHW, scale, degrade.area),
    "lanczos": lambda x_TCHW, scale: degrade.shrink(x_TCHW, scale, degrade.lanczos),
    "bicubic+crf28": lambda x_TCHW, scale: roundtrip(degrade.shrink(x_TCHW, scale, degrade.bicubic), "h264", 28),
}


def judged(folder: Path, split: Split, limit: int | None = None) -> list[Shot]:
    """The shots of a folder that are long enough, `limit` of them spread evenly. Raises `BadInput` without any."""
    found = open_shots(folder, split)
    shots = [shot for shot in found if shot.frames >= LAST]
    if not shots:
        raise BadInput(folder, f"none of its {len(found)} shots has {LAST} frames", "add longer clips")
    return shots if limit is None else shots[:: max(1, len(shots) // limit)][:limit]


def truth(shot: Shot) -> Tensor:
    """The eight frames (T, 3, H, W) uint8 of a shot. Raises `BadInput` when it is too short."""
    pictures = itertools.islice(read_piece(shot.file, shot.first, LAST, stamp=shot.stamp), FIRST, LAST)
    frames = [degrade.to_bytes(picture.frame().data[:3] * 255) for picture in pictures]
    if len(frames) < LAST - FIRST:
        raise BadInput(shot.file, f"it has fewer than {LAST} frames", "leave it out of the folder")
    x_TCHW = torch.stack(frames)
    height, width = (min(most, side) // 8 * 8 for most, side in zip((HEIGHT, WIDTH), x_TCHW.shape[-2:], strict=True))
    top, left = (x_TCHW.shape[-2] - height) // 2, (x_TCHW.shape[-1] - width) // 2
    return x_TCHW[..., top : top + height, left : left + width].contiguous()


def enlarge(model: nn.Module, low_TCHW: Tensor) -> Tensor:
    """What a model makes of uint8 frames, as uint8 frames."""
    assert isinstance(model, FrameModel)
    frames = (Frame(data.float() / 255, Fraction(number, 25)) for number, data in enumerate(low_TCHW))
    return torch.stack([degrade.to_bytes(frame.data * 255) for frame in model.stream(frames)])


def mean_psnr_y(output_TCHW: Tensor, target_TCHW: Tensor) -> float:
    """Mean over frames of PSNR-Y in dB, of uint8 frames."""
    pairs = zip(output_TCHW.float() / 255, target_TCHW.float() / 255, strict=True)
    values = [float(psnr_y(output, target)) for output, target in pairs]
    return sum(values) / len(values)
