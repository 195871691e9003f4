"""Crops of pairs: what an upscaler is shown while it learns.

Shapes: T = 3 frames, C channels, H height, W width of the low resolution; s scale.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from torch import Tensor

from vidwright.core.errors import BadInput
from vidwright.data.pairs import Pair, load_pairs
from vidwright.data.samples import Sample, Split
from vidwright.data.seeding import generator

#: Batches of sixteen in an epoch of short clips: how often a frame is cropped.
CROPS_PER_FRAME = 4


class Crops:
    """Windows of three low-resolution frames and the high-resolution middle one, as `Samples`.

    A sample is "low" (3, 3, patch, patch) and "high" (3, s*patch, s*patch), uint8. `mix` says how often each kind of
    shrinking is met. Motion is doubled in a quarter of the samples and reversed in half, crops are flipped and
    transposed, and of two places the one with more detail is taken.
    """

    def __init__(
        self, folder: Path, split: Split, *, scale: int, patch: int, mix: Sequence[tuple[str, float]], seed: int
    ) -> None:
        self._pairs = load_pairs(folder, scale, seed=seed, least=patch)
        if not self._pairs:
            raise BadInput(folder, f"no clip in it has {patch * scale} rows and columns", "use larger clips")
        self._patch, self._seed = patch, seed
        self._kinds = [kind for kind, _ in mix]
        self._kind_weights = torch.tensor([weight for _, weight in mix])
        self._frames = torch.tensor([float(pair.frames) for pair in self._pairs])

    def __len__(self) -> int:
        return CROPS_PER_FRAME * int(self._frames.sum())

    def sample(self, epoch: int, k: int) -> Sample:
        """Sample `k` of `epoch`: clips are drawn by their length, places evenly."""
        random = generator(self._seed, epoch, k)

        def integer(below: int) -> int:
            return int(torch.randint(below, (1,), generator=random))

        pair = self._pairs[int(torch.multinomial(self._frames, 1, generator=random))]
        kind = self._kinds[int(torch.multinomial(self._kind_weights, 1, generator=random))]
        at = integer(pair.frames)
        near = torch.tensor([-1, 0, 1]) * (1 + (integer(4) == 0)) * (1 - 2 * integer(2))
        low, high = _crop(pair, kind, (at + near).clamp(0, pair.frames - 1), self._patch, integer)
        return {"low": low, "high": high}


def _crop(pair: Pair, kind: str, times: Tensor, patch: int, integer: Callable[[int], int]) -> tuple[Tensor, Tensor]:
    """The more detailed of two random places, flipped and transposed at random."""
    low, scale, centre = pair.low[kind], pair.scale, int(times[1])
    places = [(integer(low.shape[-2] - patch + 1), integer(low.shape[-1] - patch + 1)) for _ in range(2)]

    def target(place: tuple[int, int]) -> Tensor:
        y, x = place[0] * scale, place[1] * scale
        return pair.high[centre, :, y : y + patch * scale, x : x + patch * scale]

    y, x = max(places, key=lambda place: float(target(place)[1].float().diff(dim=-1).abs().mean()))
    window = torch.stack([low[int(t), :, y : y + patch, x : x + patch] for t in times])
    high = target((y, x))
    flips = [dim for dim in (-1, -2) if integer(2)]
    window, high = window.flip(flips), high.flip(flips)
    return (window.mT, high.mT) if integer(2) else (window, high)
