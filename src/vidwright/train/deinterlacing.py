"""How well a deinterlacer brings back the rows that interlacing left out.

Of the excerpts of `train/excerpts.py`, frame k gives field k of a clip of half as many frames, top field first: of
every frame one half of the rows is left. The model sees those frames and nothing else, and what it makes is compared
with the excerpt. PSNR of BT.601 studio luma without a 4-pixel border, mean over frames, then over shots.

Shapes: T frames, C channels, H height, W width.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from fractions import Fraction

import torch
from torch import Tensor

from vidwright.core import Frame
from vidwright.data.degrade import to_bytes
from vidwright.data.fields import weave

#: Frames per second of the interlaced clips.
RATE = Fraction(25)


def deinterlaced(way: Callable[[Iterable[Frame]], Iterable[Frame]], truth_TCHW: Tensor) -> Tensor:
    """What `way`, a model's stream for one, makes of an even number of uint8 frames interlaced, as uint8 frames."""
    woven = weave(truth_TCHW)
    frames = (Frame(data.float() / 255, n / RATE, 1 / RATE, field_order="top") for n, data in enumerate(woven))
    return torch.stack([to_bytes(frame.data * 255) for frame in way(frames)])
