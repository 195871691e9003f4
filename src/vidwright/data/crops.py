"""Crops of clips and of what is left of them after shrinking: what an upscaler is shown while it learns.

Shapes: T frames, C channels, H height, W width of the low resolution; s scale.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

from vidwright.core.errors import BadInput
from vidwright.data import degrade
from vidwright.data.cache import Cache
from vidwright.data.clips import Clips, Order
from vidwright.data.index import Shot, open_shots
from vidwright.data.samples import Sample, Split
from vidwright.data.screens import screen
from vidwright.data.seeding import generator
from vidwright.io.roundtrip import roundtrip

#: How footage is shrunk; the last two by a strength of its own for each shot.
KINDS = ("bicubic", "cubic", "area", "lanczos", "blur", "h264")

#: Bytes of decoded and shrunk footage that are kept unless told otherwise; a minute of 640x360 takes 3 GB.
CACHE_BYTES = 6 * 2**30

#: Crops per frame in an epoch.
CROPS_PER_FRAME = 4

#: A shot is drawn once for so many of its frames, of which the first are used: what follows differs less from them than
#: other shots do, and shrinking it in every way takes time.
FRAMES_PER_DRAW, FRAMES = 16, 32

#: Samples of one shot before it may leave the cache, and how many shots lie between two of them.
REUSE, SPREAD = 16, 8

#: Drawn pages of text are as large as this, and are shown for so many frames.
SCREEN_SIZE, SCREEN_FRAMES = (400, 640), 9


class Crops:
    """Windows of 2 * `radius` + 1 low-resolution frames and the high-resolution middle one, as `Samples`.

    A sample is "low" (T, 3, patch, patch) and "high" (3, s*patch, s*patch), uint8, and "kind", int64, the number in
    `KINDS` of how it was shrunk; `mix` says how often each is met, and `group` samples in a row are of one kind. A shot
    large enough is there a second time, shrunk by area: footage is sharper per pixel the more it was shrunk. To learn
    from, there are `screens` drawn pages of text beside them. Motion is doubled in a quarter of the samples and
    reversed in half, crops are flipped and transposed, and of two places the one with more detail is taken. Of what was
    decoded and shrunk, `cache_bytes` are kept. Raises `BadInput` when no clip is large enough.
    """

    def __init__(
        self,
        folder: Path,
        split: Split,
        *,
        scale: int,
        patch: int,
        mix: Sequence[tuple[str, float]],
        seed: int,
        radius: int = 1,
        group: int = 1,
        screens: int = 0,
        cache_bytes: int = CACHE_BYTES,
    ) -> None:
        self._scale, self._patch, self._mix, self._seed = scale, patch, tuple(mix), seed
        self._radius, self._group = radius, group
        self._shots = tuple(open_shots(folder, split))
        self._draws = [2 * n + small for n, shot in enumerate(self._shots) for small in self._usable(n, shot)]
        if not self._draws:
            raise BadInput(folder, f"no clip in it has {patch * scale} rows and columns", "use larger clips")
        if split != "valid":
            self._draws += [2 * (len(self._shots) + n) for n in range(screens)]
        self._length = CROPS_PER_FRAME * FRAMES_PER_DRAW * len(self._draws)
        self._order = Order(len(self._draws), self._length, seed, reuse=REUSE, spread=SPREAD)
        self._cache = Cache(cache_bytes)

    def __len__(self) -> int:
        return self._length

    def sample(self, epoch: int, k: int) -> Sample:
        """Sample `k` of `epoch`: shots come by their length, places evenly."""
        random = generator(self._seed, epoch, k)
        entry = self._draws[self._order.shot(epoch, k)]
        kind = self._kind(epoch * self._length + k)
        sample = _crop(self._high(entry), self._low(entry, kind), self._patch, self._radius, random)
        return sample | {"kind": torch.tensor(KINDS.index(kind))}

    def _kind(self, number: int) -> str:
        """How the sample of that number, through all epochs, was shrunk."""
        weights = torch.tensor([weight for _, weight in self._mix])
        drawn = torch.multinomial(weights, 1, generator=generator(self._seed, number // self._group, 2))
        return self._mix[int(drawn)][0]

    def _usable(self, number: int, shot: Shot) -> list[int]:
        """Which sizes of a shot are drawn, each as often as its length asks for: 0 its own, 1 shrunk."""
        least = self._patch * self._scale
        sizes = [0] * (min(shot.height, shot.width) >= least)
        sizes += [1] * (min(self._smaller(number, shot)) >= max(least, 128))
        return sizes * max(1, round(shot.frames / FRAMES_PER_DRAW))

    def _smaller(self, number: int, shot: Shot) -> tuple[int, int]:
        ratio = 0.5 + 0.25 * float(torch.rand((), generator=generator(self._seed, number)))
        return round(shot.height * ratio), round(shot.width * ratio)

    def _high(self, entry: int) -> Tensor:
        """uint8 (T, 3, H, W) of a shot in one of its sizes, a multiple of twice the scale."""
        return self._cache.get(entry * (len(KINDS) + 1), lambda: self._cut(entry))

    def _cut(self, entry: int) -> Tensor:
        number, small = divmod(entry, 2)
        if number >= len(self._shots):
            return screen(SCREEN_FRAMES, SCREEN_SIZE, generator(self._seed, entry, 3))
        shot = self._shots[number]
        x_TCHW = Clips([replace(shot, frames=min(shot.frames, FRAMES))], cache_bytes=0).frames(0)
        if small:
            size = self._smaller(number, shot)
            frames = [degrade.to_bytes(F.interpolate(each.float(), size, mode="area")) for each in x_TCHW.split(1)]
            x_TCHW = torch.cat(frames)
        height, width = (side // (2 * self._scale) * 2 * self._scale for side in x_TCHW.shape[-2:])
        return x_TCHW[..., :height, :width].contiguous()

    def _low(self, entry: int, kind: str) -> Tensor:
        key = entry * (len(KINDS) + 1) + 1 + KINDS.index(kind)
        return self._cache.get(key, lambda: shrunk(self._high(entry), self._scale, kind, generator(self._seed, key, 1)))


def shrunk(x_TCHW: Tensor, scale: int, kind: str, random: torch.Generator) -> Tensor:
    """uint8 frames at 1/scale of the size, by one of `KINDS`; "h264" is shrunk in one of the other ways, then coded."""
    ways: dict[str, Callable[[Tensor, int], Tensor]] = {
        "bicubic": degrade.bicubic,
        "cubic": degrade.cubic,
        "area": degrade.area,
        "lanczos": degrade.lanczos,
        "blur": degrade.blurred(0.4 + 0.8 * float(torch.rand((), generator=random))),
    }
    if kind != "h264":
        return degrade.shrink(x_TCHW, scale, ways[kind])
    first = ("bicubic", "bicubic", "area", "lanczos")[int(torch.randint(4, (), generator=random))]
    quality = int(torch.randint(20, 33, (), generator=random))
    return roundtrip(degrade.shrink(x_TCHW, scale, ways[first]), "h264", quality)


def _crop(high_TCHW: Tensor, low_TCHW: Tensor, patch: int, radius: int, random: torch.Generator) -> Sample:
    """A random window in time, and the more detailed of two random places, flipped and transposed at random."""

    def integer(below: int) -> int:
        return int(torch.randint(below, (1,), generator=random))

    scale, count = high_TCHW.shape[-1] // low_TCHW.shape[-1], len(low_TCHW)
    centre = integer(count)
    near = torch.arange(-radius, radius + 1) * (1 + (integer(4) == 0)) * (1 - 2 * integer(2))
    places = [(integer(low_TCHW.shape[-2] - patch + 1), integer(low_TCHW.shape[-1] - patch + 1)) for _ in range(2)]

    def target(place: tuple[int, int]) -> Tensor:
        y, x = place[0] * scale, place[1] * scale
        return high_TCHW[centre, :, y : y + patch * scale, x : x + patch * scale]

    y, x = max(places, key=lambda place: float(target(place)[1].float().diff(dim=-1).abs().mean()))
    low = low_TCHW[(centre + near).clamp(0, count - 1), :, y : y + patch, x : x + patch]
    high = target((y, x))
    flips = [dim for dim in (-1, -2) if integer(2)]
    low, high = low.flip(flips), high.flip(flips)
    return {"low": low.mT, "high": high.mT} if integer(2) else {"low": low, "high": high}
