"""How well a deinterlacer brings back the rows that interlacing left out.

Of the excerpts of `train/excerpts.py`, frame k gives field k of a clip of half as many frames, top field first: of
every frame one half of the rows is left. The model sees those frames and nothing else, and what it makes is compared
with the excerpt. PSNR of BT.601 studio luma without a 4-pixel border, mean over frames, then over shots.

Shapes: T frames, C channels, H height, W width.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from torch import Tensor

from vidwright.core import Frame
from vidwright.data.fields import weave
from vidwright.train.excerpts import as_bytes, as_frames


def deinterlaced(way: Callable[[Iterable[Frame]], Iterable[Frame]], truth_TCHW: Tensor) -> Tensor:
    """What `way`, a model's stream for one, makes of an even number of uint8 frames interlaced, as uint8 frames."""
    return as_bytes(way(as_frames(weave(truth_TCHW), order="top")))
