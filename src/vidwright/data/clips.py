"""Shots as tensors, decoded when they are asked for, and an order of asking that lets a small cache serve.

Shapes: T frames, H height, W width.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor

from vidwright.core.errors import BadInput
from vidwright.data.cache import Cache
from vidwright.data.index import PIECE_BYTES, Shot
from vidwright.data.seeding import generator
from vidwright.io.piece import read_piece

#: Bytes of decoded shots that are kept unless told otherwise: as many of the largest pieces as an `Order` asks for.
CACHE_BYTES = 9 * PIECE_BYTES


class Clips:
    """Random access to the frames of `shots`; decoded ones are kept within `cache_bytes`.

    Threads may share it. Sent to another process it arrives with an empty cache.
    """

    def __init__(self, shots: Sequence[Shot], *, cache_bytes: int = CACHE_BYTES) -> None:
        self.shots = tuple(shots)
        self._cache = Cache(cache_bytes)

    def __len__(self) -> int:
        return len(self.shots)

    def frames(self, number: int) -> Tensor:
        """uint8 (T, 3, H, W) R'G'B' of shot `number`, upright; shared, so not to be written to.

        Raises `BadInput` when the file has gone, cannot be decoded or holds less than the index says.
        """
        shot = self.shots[number]
        return self._cache.get(number, lambda: _decoded(shot))


def _decoded(shot: Shot) -> Tensor:
    out = torch.empty(shot.frames, 3, shot.height, shot.width, dtype=torch.uint8)
    count = 0
    for picture in read_piece(shot.file, shot.first, shot.frames, stamp=shot.stamp):
        data = picture.frame().data[:3]
        if data.shape != out.shape[1:]:
            break
        out[count].copy_(data.mul_(255).clamp_(0, 255).round_())
        count += 1
    if count < shot.frames:
        cause = f"{count} of {shot.frames} frames of {shot.width}x{shot.height} come from frame {shot.first} on"
        raise BadInput(shot.file, cause, "the file has changed or is damaged: run `vidwright data prepare`")
    return out


@dataclass(frozen=True, slots=True)
class Order:
    """Which of `shots` shots each sample of an epoch of `length` samples is cut from.

    All shots come in a random order, then all of them in another. Each is used `reuse` times, by samples that lie
    `spread` shots apart: so neighbours are of different shots, every `reuse` samples one shot is new, and a cache that
    holds `reuse` * `spread` + 1 shots decodes each just once for all its uses. The next epoch goes on where the last
    one ended, so that no shot is left out of short epochs.
    """

    shots: int
    length: int
    seed: int
    reuse: int = 4
    spread: int = 2

    def shot(self, epoch: int, k: int) -> int:
        """The number of the shot for sample `k` of `epoch`."""
        turn, use = divmod(epoch * self.length + k, self.reuse)
        place = turn - use * self.spread  # below 0 in the very first samples: these come from another order
        round_, place = divmod(place, self.shots)
        return _shuffled(self.shots, self.seed, round_)[place]


@lru_cache(maxsize=8)
def _shuffled(count: int, seed: int, round_: int) -> tuple[int, ...]:
    return tuple(torch.randperm(count, generator=generator(seed, round_)).tolist())
