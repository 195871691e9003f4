"""The README's picture: one crop of the sample clip, made worse and then better by each task.

    python tools/pictures.py docs/images/enhance.png

Rows: x2, x4, noise of 25, a frame between two. Columns: what needs no network, ours, the original.

Shapes: T frames, C channels, H height, W width.
"""

from __future__ import annotations

import sys
from pathlib import Path

import cv2
import torch
from torch import Tensor
from torch.nn import functional as F

import vidwright
from vidwright import models
from vidwright.data.degrade import bicubic, shrink, to_bytes
from vidwright.io.reader import Reader
from vidwright.nn.model import InterpolationModel
from vidwright.train.cleaning import cleaned, white
from vidwright.train.interpolation import blend, rebuilt
from vidwright.train.upscaling import enlarge

#: The frames that the models see, the one that is shown, and the crop of it.
FIRST, LAST, SHOWN = 57, 65, 61
TOP, LEFT, SIDE, GAP = 90, 230, 180, 4


def rows(truth_TCHW: Tensor) -> list[list[Tensor]]:
    """The shown frame after each task: without a network, by ours, and as it was."""
    shown, original = SHOWN - FIRST, truth_TCHW[SHOWN - FIRST]
    found: list[list[Tensor]] = []
    for scale in (2, 4):
        low_TCHW = shrink(truth_TCHW, scale, bicubic)
        ways = [models.load("enhance/lanczos", scale=scale), models.load("enhance/restorer", f"x{scale}-best")]
        found.append([*(enlarge(way, low_TCHW)[shown] for way in ways), original])
    noisy_TCHW = white(25)(truth_TCHW)
    cleaner = models.load("enhance/cleaner", "fast")
    found.append([noisy_TCHW[shown], cleaned(cleaner, noisy_TCHW)[shown], original])
    interpolator = models.load("enhance/interpolator", "fast", kind=InterpolationModel)
    around_TCHW = truth_TCHW[shown - 2 : shown + 3 : 2]  # at half the rate, where motion can be seen
    between = [rebuilt(way, around_TCHW)[0] for way in (blend, interpolator.between)]
    found.append([*between, original])
    return found


def sheet(pictures: list[list[Tensor]]) -> Tensor:
    """Crops of pictures uint8 (3, H, W) beside and below each other, on white."""
    crops = [[picture[:, TOP : TOP + SIDE, LEFT : LEFT + SIDE] for picture in row] for row in pictures]
    padded = [torch.cat([F.pad(crop, (0, GAP, 0, GAP), value=255) for crop in row], dim=-1) for row in crops]
    return torch.cat(padded, dim=-2)[..., :-GAP, :-GAP]


def main(path: str) -> None:
    """Write the picture to `path`."""
    clip = Path(vidwright.__file__).parent / "sample" / "flower.mp4"
    with Reader(clip) as reader:
        frames = [picture.frame().data for n, picture in enumerate(reader) if FIRST <= n <= LAST]
    made_CHW = sheet(rows(torch.stack([to_bytes(255 * frame) for frame in frames])))
    cv2.imwrite(path, made_CHW.flip(0).permute(1, 2, 0).numpy())


if __name__ == "__main__":
    main(sys.argv[1])
