"""Windows of clips as cameras and codecs leave them, and what they should be: what a cleaner is shown while it learns.

Shapes: T frames, C = 3 channels, H height, W width, P the side of a crop.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

from vidwright.core.errors import BadInput
from vidwright.data import augment, degrade, noise
from vidwright.data.cache import Cache
from vidwright.data.clips import Clips, Order
from vidwright.data.codec import random_coding
from vidwright.data.index import Shot, open_shots
from vidwright.data.samples import Sample, Split
from vidwright.data.screens import screen
from vidwright.data.seeding import generator, integer
from vidwright.io.roundtrip import roundtrip

#: What happens to footage: white noise, a sensor's, film's; a codec; noise, then a codec; a codec that does its best;
#: nothing at all.
KINDS = ("white", "sensor", "grain", "coded", "noisy-coded", "light", "clean")

#: Footage is taken in pieces of so many frames, in which a codec shows what it does in time, and at most so many rows
#: and columns.
PIECE_FRAMES, PIECE_SIDE = 12, 256
#: A shot gives one piece for so many pixels of all its frames.
PIXELS_PER_PIECE = 6 * PIECE_FRAMES * PIECE_SIDE**2
#: The copies of a piece that are coded, each in a way of its own.
COPIES = ("coded", "coded", "coded", "noisy-coded", "light")

#: Bytes of pieces and of their copies that are kept unless told otherwise.
CACHE_BYTES = 3 * 2**30

#: Blocks of codecs lie on a grid from the picture's corner. So do crops, as whole pictures do.
GRID = 8

#: Crops per piece in an epoch.
CROPS_PER_PIECE = 64

#: Samples of one piece before it may leave the cache, and how many pieces lie between two of them.
REUSE, SPREAD = 16, 8

#: How often footage is a little out of focus, and the least and most of it: a Gaussian's standard deviation in pixels.
BLURRED, SOFTEST = 0.1, (0.3, 0.8)

#: A drawn page for so many pieces of footage: what screens show, of which folders of clips hold little.
PIECES_PER_PAGE = 10


@dataclass(frozen=True, slots=True)
class Piece:
    """Where a piece is cut from: a shot that begins where it does, and the size that it is shrunk to, or None.

    Without a shot it is a page.
    """

    shot: Shot | None
    size: tuple[int, int] | None


class Damaged:
    """Windows of damaged frames and the clean middle one, as `Samples`.

    A sample is "seen" (T, 3, patch, patch), T = 2 * `radius` + 1, and "clean" (3, patch, patch), uint8. `mix` says how
    often each of `KINDS` is met. A shot large enough is there a second time, shrunk by area: footage is cleaner and
    sharper per pixel the more it was shrunk; and there are a few drawn pages of text. A window at a piece's end repeats
    its last frame. Crops are flipped and transposed, and of two places the one with more detail is taken; motion is
    doubled in a quarter of the samples that are not coded. Of pieces, and of copies that were coded, `cache_bytes` are
    kept. Raises `BadInput` when no clip is large enough.
    """

    def __init__(
        self,
        folder: Path,
        split: Split,
        *,
        radius: int,
        patch: int,
        mix: Sequence[tuple[str, float]],
        seed: int,
        cache_bytes: int = CACHE_BYTES,
    ) -> None:
        self._radius, self._patch, self._mix, self._seed = radius, patch, tuple(mix), seed
        shots = enumerate(open_shots(folder, split))
        self._pieces = [piece for number, shot in shots for piece in self._cuts(shot, generator(seed, number))]
        if not self._pieces:
            raise BadInput(folder, f"no clip in it has {patch} rows and columns", "use larger clips")
        if patch <= PIECE_SIDE:
            self._pieces += [Piece(None, None)] * (len(self._pieces) // PIECES_PER_PAGE)
        self._length = CROPS_PER_PIECE * len(self._pieces)
        self._order = Order(len(self._pieces), self._length, seed, reuse=REUSE, spread=SPREAD)
        self._cache = Cache(cache_bytes)

    def __len__(self) -> int:
        return self._length

    def sample(self, epoch: int, k: int) -> Sample:
        """Sample `k` of `epoch`: shots come by their pixels, places evenly."""
        random = generator(self._seed, epoch, k)
        piece = self._order.shot(epoch, k)
        weights = torch.tensor([often for _, often in self._mix])
        kind, _ = self._mix[int(torch.multinomial(weights, 1, generator=random))]
        clean_TCHW = seen_TCHW = self._clean(piece)
        if kind in COPIES:
            copies = [number for number, copy in enumerate(COPIES) if copy == kind]
            seen_TCHW = self._copy(piece, copies[integer(len(copies), random)])
        pace = 1 if kind in COPIES else (1 + (integer(4, random) == 0)) * (1 - 2 * integer(2, random))
        clean, seen = self._window(clean_TCHW, seen_TCHW, pace, random)
        if kind not in (*COPIES, "clean"):
            seen = degrade.to_bytes(_noisy(_soft(seen, random), kind, random))
        flips = [dim for dim in (-1, -2) if integer(2, random)]
        clean, seen = clean.flip(flips), seen.flip(flips)
        return {"seen": seen.mT, "clean": clean.mT} if integer(2, random) else {"seen": seen, "clean": clean}

    def _cuts(self, shot: Shot, random: torch.Generator) -> list[Piece]:
        """The pieces of a shot, as it is and shrunk, each as many as its pixels ask for."""
        ratio = 0.5 + 0.25 * float(torch.rand((), generator=random))
        whole, smaller = (shot.height, shot.width), (round(shot.height * ratio), round(shot.width * ratio))
        sizes = [None] * (min(whole) >= self._patch) + [smaller] * (min(smaller) >= max(self._patch, 128))
        cuts: list[Piece] = []
        for size in sizes:
            height, width = size or whole
            for _ in range(max(1, round(shot.frames * height * width / PIXELS_PER_PIECE))):
                frames = min(shot.frames, PIECE_FRAMES)
                start = shot.first + integer(shot.frames - frames + 1, random)
                cuts.append(Piece(replace(shot, first=start, frames=frames), size))
        return cuts

    def _clean(self, number: int) -> Tensor:
        """uint8 (T, 3, H, W) of a piece, H and W multiples of the grid."""
        return self._cache.get(number * (len(COPIES) + 1), lambda: self._cut(number))

    def _cut(self, number: int) -> Tensor:
        piece = self._pieces[number]
        if piece.shot is None:
            return screen(PIECE_FRAMES, (PIECE_SIDE, PIECE_SIDE), generator(self._seed, number, 1))
        x_TCHW = Clips([piece.shot], cache_bytes=0).frames(0)
        if piece.size:
            shrunk = [degrade.to_bytes(F.interpolate(x.float(), piece.size, mode="area")) for x in x_TCHW.split(1)]
            x_TCHW = torch.cat(shrunk)
        height, width = (min(side, PIECE_SIDE) // GRID * GRID for side in x_TCHW.shape[-2:])
        return augment.crop(x_TCHW, (height, width), generator(self._seed, number, 1)).contiguous()

    def _copy(self, number: int, copy: int) -> Tensor:
        key = number * (len(COPIES) + 1) + 1 + copy
        return self._cache.get(key, lambda: coded(self._clean(number), COPIES[copy], generator(self._seed, key, 2)))

    def _window(
        self, clean_TCHW: Tensor, seen_TCHW: Tensor, pace: int, random: torch.Generator
    ) -> tuple[Tensor, Tensor]:
        """The clean frame and those seen around it, at the more detailed of two random places."""
        count, patch = len(clean_TCHW), self._patch
        centre = integer(count, random)
        near = (centre + pace * torch.arange(-self._radius, self._radius + 1)).clamp(0, count - 1)
        rows, columns = (1 + (side - patch) // GRID for side in clean_TCHW.shape[-2:])
        places = [(GRID * integer(rows, random), GRID * integer(columns, random)) for _ in range(2)]

        def target(place: tuple[int, int]) -> Tensor:
            y, x = place
            return clean_TCHW[centre, :, y : y + patch, x : x + patch]

        y, x = max(places, key=lambda place: float(target(place)[1].float().diff(dim=-1).abs().mean()))
        return target((y, x)), seen_TCHW[near, :, y : y + patch, x : x + patch]


def coded(x_TCHW: Tensor, kind: str, random: torch.Generator) -> Tensor:
    """uint8 frames after a codec: "coded" at qualities that are seen, "noisy-coded" or "light", at ones that are not.

    Mostly H.264, as most footage is.
    """
    if kind == "light":
        return roundtrip(x_TCHW, "h264", 12 + integer(7, random))
    x_TCHW = _soft(x_TCHW, random)
    if kind == "noisy-coded":
        x_TCHW = _noisy(x_TCHW, "white", random)
        codec, quality = "h264", 18 + integer(17, random)
    elif integer(4, random):
        codec, quality = "h264", 25 + integer(18, random)
    else:
        codec, quality = random_coding((x_TCHW.shape[-2], x_TCHW.shape[-1]), random)
    return roundtrip(degrade.to_bytes(x_TCHW), codec, quality)


def _soft(x_TCHW: Tensor, random: torch.Generator) -> Tensor:
    """Float code values, now and then a little out of focus."""
    blurred, how = torch.rand(2, generator=random).tolist()
    least, most = SOFTEST
    return degrade.blur(x_TCHW.float(), least + (most - least) * how) if blurred < BLURRED else x_TCHW.float()


def _noisy(x_TCHW: Tensor, kind: str, random: torch.Generator) -> Tensor:
    """Float code values with noise: "white", a "sensor"'s or film's "grain"; weak and strong noise are met alike."""
    if kind == "white":
        return noise.gaussian(x_TCHW, _between(2, 50, random), random)
    if kind == "sensor":
        return noise.gaussian(noise.poisson(x_TCHW, _between(30, 3000, random), random), _between(1, 6, random), random)
    return noise.correlated(x_TCHW, _between(3, 25, random), _between(0.5, 1.2, random), random)


def _between(least: float, most: float, random: torch.Generator) -> float:
    """A number drawn evenly on a logarithmic scale."""
    return least * (most / least) ** float(torch.rand((), generator=random))
