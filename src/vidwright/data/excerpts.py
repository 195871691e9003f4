"""Square pieces of real clips, for models that learn what video looks like.

Shapes: T frames, H = W the side of the square.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

from vidwright.data import augment, degrade
from vidwright.data.clips import CACHE_BYTES, Clips, Order
from vidwright.data.index import large_shots
from vidwright.data.motion import camera, film
from vidwright.data.samples import Sample, Split
from vidwright.data.seeding import generator


class Excerpts:
    """Random excerpts of the shots of a folder as `Samples`: "clip" is uint8 (T, 3, H, W), R'G'B'.

    `folder` is what `open_shots` takes. A sample is `frames` frames, each or every second one, of a square of `size`
    pixels: cut out, or in `filmed` of all cases seen by a synthetic camera, half of the time over a still; mirrored in
    half of all cases, and in another light. With `shorter` the footage is first shrunk to so many pixels at its shorter
    side. An epoch has `length` samples, or as many as make up all frames once. Excerpts for validation are only cut
    out. Raises `BadInput` when no shot is long and large enough.
    """

    def __init__(
        self,
        folder: Path,
        split: Split,
        *,
        frames: int,
        size: int,
        shorter: int | None = None,
        seed: int = 0,
        length: int | None = None,
        filmed: float = 0.25,
        cache_bytes: int = CACHE_BYTES,
    ) -> None:
        shots = large_shots(folder, split, frames=frames, side=shorter or size)
        self._clips = Clips(shots, cache_bytes=cache_bytes)
        self._frames, self._size, self._shorter, self._seed, self._filmed = frames, size, shorter, seed, filmed
        self._plain = split == "valid"
        self._length = length or max(1, sum(shot.frames for shot in shots) // frames)
        self._order = Order(len(shots), self._length, seed)

    def __len__(self) -> int:
        return self._length

    def sample(self, epoch: int, k: int) -> Sample:
        """{"clip": uint8 (T, 3, H, W)}: excerpt `k` of `epoch`."""
        random = generator(self._seed, epoch, k)
        shot = self._clips.frames(self._order.shot(epoch, k))
        square = (self._size, self._size)
        moving = self._shrunk(augment.excerpt(shot, self._frames, random, fastest=1 if self._plain else 2))
        if self._plain:
            return {"clip": augment.crop(moving, square, random).contiguous()}
        seen = self._shown(moving, square, random) if _chance(self._filmed, random) else None
        clip = augment.mirror(augment.crop(moving, square, random) if seen is None else seen, random)
        lit = augment.expose(clip, augment.light(self._frames, random), augment.contrast(random))
        return {"clip": degrade.to_bytes(lit).contiguous()}

    def _shrunk(self, x_TCHW: Tensor) -> Tensor:
        if self._shorter is None:
            return x_TCHW
        ratio = self._shorter / min(x_TCHW.shape[-2:])
        size = [round(side * ratio) for side in x_TCHW.shape[-2:]]
        return degrade.to_bytes(F.interpolate(x_TCHW.float(), size, mode="area"))

    def _shown(self, moving: Tensor, view: tuple[int, int], random: torch.Generator) -> Tensor:
        still = moving[:1] if _chance(0.5, random) else moving
        height, width = moving.shape[-2:]
        return film(still, camera((height, width), view, self._frames, random), view)


def _chance(part: float, random: torch.Generator) -> bool:
    return float(torch.rand((), generator=random)) < part
