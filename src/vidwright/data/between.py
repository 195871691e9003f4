"""Two frames of a clip and one that was filmed between them: what an interpolator is shown while it learns.

Shapes: T frames, C channels, H = W the side of the square.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from vidwright.data import augment, degrade
from vidwright.data.clips import Clips, Order
from vidwright.data.index import large_shots
from vidwright.data.samples import Sample, Split
from vidwright.data.seeding import generator

#: Bytes of decoded clips that are kept unless told otherwise; a minute of 480x270 takes 0.7 GB.
CACHE_BYTES = 7 * 2**29

#: How many frames apart the two are, and how often: most pairs have one frame between them, at the time 1/2.
GAPS = ((2, 0.6), (3, 0.2), (4, 0.2))
LONGEST = max(gap for gap, _ in GAPS)

#: Samples of one shot before it may leave the cache, and how many shots lie between two of them.
REUSE, SPREAD = 8, 4

#: Of so many random places and moments the one is taken at which most changes: much of any clip stands still.
PLACES = 3

#: How often the square pans over the clip, and the most pixels a frame, along each axis: fast motion is rare in clips.
PANNED = 0.3
FASTEST = 8


class Between:
    """Squares of `size` pixels out of the shots of a folder, as `Samples`.

    A sample is "pair" uint8 (2, 3, H, W), the two frames, "middle" uint8 (3, H, W), and "time" float32 (), where in
    (0, 1) it lies between them. Clips are turned, reversed and lit otherwise, and at times the square moves over
    them. Of what was decoded, `cache_bytes` are kept. Raises `BadInput` when no shot is long and large enough.
    """

    def __init__(self, folder: Path, split: Split, *, size: int, seed: int = 0, cache_bytes: int = CACHE_BYTES) -> None:
        shots = large_shots(folder, split, frames=LONGEST + 1, side=size)
        self._clips = Clips(shots, cache_bytes=cache_bytes)
        self._size, self._seed = size, seed
        self._length = sum(shot.frames for shot in shots)
        self._order = Order(len(shots), self._length, seed, reuse=REUSE, spread=SPREAD)

    def __len__(self) -> int:
        return self._length

    def sample(self, epoch: int, k: int) -> Sample:
        """{"pair", "middle", "time"}: sample `k` of `epoch`."""
        random = generator(self._seed, epoch, k)
        shot = self._clips.frames(self._order.shot(epoch, k))
        gap = GAPS[int(torch.multinomial(torch.tensor([weight for _, weight in GAPS]), 1, generator=random))][0]
        between = 1 + int(torch.randint(gap - 1, (), generator=random))
        pieces = [self._piece(shot, gap, random) for _ in range(PLACES)]
        clip = max(pieces, key=lambda piece: float((piece[0].float() - piece[-1].float()).abs().mean()))
        clip = augment.transpose(augment.flip(augment.reverse(clip, random), random), random)
        lit = augment.expose(
            clip[[0, between, gap]], augment.light(3, random, fade=0, flicker=0), augment.contrast(random)
        )
        first, middle, second = degrade.to_bytes(lit)
        return {"pair": torch.stack([first, second]), "middle": middle, "time": torch.tensor(between / gap)}

    def _piece(self, shot: Tensor, gap: int, random: torch.Generator) -> Tensor:
        """(gap + 1, 3, H, W) from anywhere in the shot, by a square that stands still or moves evenly."""
        moving = augment.excerpt(shot, gap + 1, random)
        room = [(side - self._size) // gap for side in moving.shape[-2:]]
        panned = float(torch.rand((), generator=random)) < PANNED
        pace = [_integer(-min(most, FASTEST), min(most, FASTEST), random) if panned else 0 for most in room]
        reach = [self._size + gap * abs(each) for each in pace]
        window = augment.crop(moving, (reach[0], reach[1]), random)
        starts = [[(n if each >= 0 else n - gap) * each for each in pace] for n in range(gap + 1)]
        return torch.stack(
            [
                frame[:, top : top + self._size, left : left + self._size]
                for frame, (top, left) in zip(window, starts, strict=True)
            ]
        )


def _integer(least: int, most: int, random: torch.Generator) -> int:
    return int(torch.randint(least, most + 1, (), generator=random))
