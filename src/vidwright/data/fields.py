"""Progressive clips made interlaced: what a deinterlacer is shown while it learns.

Shapes: T frames, C channels, H = W the side of the square.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from vidwright.data import augment
from vidwright.data.clips import Clips, Order
from vidwright.data.index import large_shots
from vidwright.data.samples import Sample, Split
from vidwright.data.seeding import generator

#: Bytes of decoded clips that are kept unless told otherwise; a minute of 480x270 takes 0.7 GB.
CACHE_BYTES = 7 * 2**29

#: Frames that make the interlaced ones of a sample, two to each.
FRAMES = 6

#: Samples of one shot before it may leave the cache, and how many shots lie between two of them.
REUSE, SPREAD = 8, 4

#: How often a sample is of the first or the last frame of a shot, which is its own neighbour there.
AT_AN_END = 0.2

#: Of so many random places and moments the one is taken at which most changes: what stands still is learned at once.
PLACES = 2


class Fields:
    """Squares of `size` pixels out of the shots of a folder, interlaced, as `Samples`.

    A sample is "interlaced" uint8 (3, 3, H, W), a frame of the top field first between its neighbours, and "truth"
    uint8 (2, 3, H, W), what was filmed at the moments of the middle one's two fields. Clips are turned and reversed,
    and at times of twice the pace. Of what was decoded, `cache_bytes` are kept. Raises `BadInput` when no shot is long
    and large enough, `ValueError` for an odd size.
    """

    def __init__(self, folder: Path, split: Split, *, size: int, seed: int = 0, cache_bytes: int = CACHE_BYTES) -> None:
        if size % 2:
            raise ValueError(f"a square of {size} rows is not two fields")
        shots = large_shots(folder, split, frames=FRAMES, side=size)
        self._clips = Clips(shots, cache_bytes=cache_bytes)
        self._size, self._seed = size, seed
        self._length = sum(shot.frames for shot in shots)
        self._order = Order(len(shots), self._length, seed, reuse=REUSE, spread=SPREAD)

    def __len__(self) -> int:
        return self._length

    def sample(self, epoch: int, k: int) -> Sample:
        """{"interlaced", "truth"}: sample `k` of `epoch`."""
        random = generator(self._seed, epoch, k)
        shot = self._clips.frames(self._order.shot(epoch, k))
        square = (self._size, self._size)
        pieces = [augment.crop(augment.excerpt(shot, FRAMES, random, fastest=2), square, random) for _ in range(PLACES)]
        clip = max(pieces, key=_change)
        clip = augment.transpose(augment.flip(augment.reverse(clip, random), random), random)
        past, now, future = weave(clip)
        if float(torch.rand((), generator=random)) < AT_AN_END:
            past, future = (now, future) if float(torch.rand((), generator=random)) < 0.5 else (past, now)
        return {"interlaced": torch.stack([past, now, future]), "truth": clip[2:4].contiguous()}


def weave(x_TCHW: Tensor) -> Tensor:
    """(T/2, C, H, W) interlaced frames, the even rows ("top field") of frame 2n and the odd ones of frame 2n + 1.

    Raises `ValueError` for an odd number of frames.
    """
    if x_TCHW.shape[0] % 2:
        raise ValueError(f"{x_TCHW.shape[0]} frames are not two fields for each frame")
    woven_TCHW = x_TCHW[0::2].clone()
    woven_TCHW[..., 1::2, :] = x_TCHW[1::2, :, 1::2]
    return woven_TCHW


def _change(clip_TCHW: Tensor) -> float:
    """Mean difference of code values between the two moments and those next to them."""
    return float(clip_TCHW[1:5].float().diff(dim=0).abs().mean())
