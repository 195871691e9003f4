"""Windows of decoded pictures, and what they were before they were coded: what a filter after a decoder learns from.

Shapes: T frames, P = 6 phases of a 4:2:0 picture (`nn/phases.py`), H height and W width of chroma.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from types import MappingProxyType

import torch
from torch import Tensor
from torch.nn import functional as F

from vidwright.core import Colour, Planes, VideoInfo
from vidwright.core.errors import BadInput
from vidwright.data.cache import Cache
from vidwright.data.clips import Order
from vidwright.data.index import Shot, open_shots
from vidwright.data.samples import Sample, Split
from vidwright.data.seeding import generator
from vidwright.io.codecs import CODECS, EncoderSettings, octaves
from vidwright.io.native import converted, from_planes
from vidwright.io.piece import read_piece
from vidwright.io.reader import Picture
from vidwright.io.roundtrip import recoded
from vidwright.nn.phases import phases

#: CRFs that films are watched at: from hardly worse than the source to ugly.
CRFS: Mapping[str, tuple[int, int]] = MappingProxyType({"av1": (22, 63), "hevc": (18, 45), "h264": (18, 45)})

#: Codecs of the copies of a clip, each of which is encoded once; their CRFs lie in strata of their range.
COPIES = ("av1", "hevc", "av1", "h264", "av1")
#: Frames of a clip that is coded, and those in a row that are kept of each copy, in a place of at most so many rows and
#: columns of chroma.
FRAMES, KEPT, ROWS, COLUMNS = 72, 16, 128, 160
#: Code values have so many bits here, whatever the codec's: those of the deepest.
BITS = 10

#: Bytes of copies that are kept unless told otherwise.
CACHE_BYTES = 9 * 2**29
#: Windows that are cut from a copy in an epoch, samples of one copy before it may leave the cache, and how many copies
#: lie between two of them.
WINDOWS, REUSE, SPREAD = 64, 32, 16
#: Of clips of at least so many rows there is a second one, shrunk by half or to three quarters.
SHRUNK_FROM = 288
#: As frames of the cache are kept all clips have one rate.
RATE = Fraction(25)


@dataclass(frozen=True, slots=True)
class Copy:
    """One encoding of one shot, which is shrunk by `ratio` first, numbered among all."""

    number: int
    shot: Shot
    ratio: float
    codec: str
    crf: int

    @property
    def octaves(self) -> float:
        """The logarithm to base 2 of the quantiser's step."""
        return octaves(CODECS[self.codec].quantisers, self.crf)


class Decoded:
    """Windows of decoded frames and the middle one before it was coded, as `Samples`.

    A sample is "seen" (T, 6, patch, patch), T = 2 * `radius` + 1, and "truth" (6, patch, patch), both int16 codes of 10
    bits; "codec", its place in `codecs`; "octaves", the logarithm to base 2 of its quantiser's step; and "error" (3,),
    the mean squared errors of luma, u and v of the copy that it is cut from, in codes of 8 bits. `patch` is in
    positions of chroma. A window at the end repeats the last frame. Raises `BadInput` when no clip is large enough.
    """

    def __init__(
        self,
        folder: Path,
        split: Split,
        *,
        radius: int,
        patch: int,
        codecs: Sequence[str],
        seed: int,
        cache_bytes: int = CACHE_BYTES,
    ) -> None:
        self._radius, self._patch, self._codecs, self._seed = radius, patch, tuple(codecs), seed
        self._copies = [copy for copy in copies_of(folder, split, patch, seed) if copy.codec in self._codecs]
        if not self._copies:
            raise BadInput(folder, f"no clip in it has {2 * patch} rows and columns", "use larger clips")
        self._length = WINDOWS * len(self._copies)
        self._order = Order(len(self._copies), self._length, seed, reuse=REUSE, spread=SPREAD)
        self._cache = Cache(cache_bytes)

    def __len__(self) -> int:
        return self._length

    def sample(self, epoch: int, k: int) -> Sample:
        """Sample `k` of `epoch`."""
        random = generator(self._seed, epoch, k)
        copy = self._copies[self._order.shot(epoch, k)]
        pair = self._cache.get(copy.number, lambda: coded(copy, generator(self._seed, copy.number)))
        truth_TPHW, seen_TPHW = pair.unbind(0)
        error_P = (truth_TPHW - seen_TPHW).float().square().mean(dim=(0, 2, 3)) / 4.0 ** (BITS - 8)
        count, patch = len(seen_TPHW), self._patch
        middle = _integer(count, random)
        near = (middle + torch.arange(-self._radius, self._radius + 1)).clamp(0, count - 1)
        top, left = (_integer(side - patch + 1, random) for side in seen_TPHW.shape[-2:])
        seen = seen_TPHW[near, :, top : top + patch, left : left + patch]
        truth = truth_TPHW[middle, :, top : top + patch, left : left + patch]
        if _integer(2, random):
            seen, truth = upside_down(seen), upside_down(truth)
        return {
            "seen": seen,
            "truth": truth,
            "codec": torch.tensor(self._codecs.index(copy.codec)),
            "octaves": torch.tensor(copy.octaves, dtype=torch.float32),
            "error": torch.stack([error_P[:4].mean(), error_P[4], error_P[5]]),
        }


def copies_of(folder: Path, split: Split, patch: int, seed: int) -> list[Copy]:
    """All encodings of the shots of a folder, of which those that are large enough are there a second time, shrunk."""
    copies: list[Copy] = []
    for number, shot in enumerate(open_shots(folder, split)):
        random = generator(seed, number)
        smaller = 0.5 + 0.25 * float(torch.rand((), generator=random))
        for ratio in (1.0, *((smaller,) if min(shot.height, shot.width) >= SHRUNK_FROM else ())):
            if min(shot.height, shot.width) * ratio < 2 * patch + 2:
                continue
            for codec in COPIES:
                least, most = CRFS[codec]
                copies.append(Copy(len(copies), shot, ratio, codec, least + _integer(most - least + 1, random)))
    return copies


def coded(copy: Copy, random: torch.Generator) -> Tensor:
    """Frames before and after, (2, T, 6, H, W) int16 codes of 10 bits: some in a row, from a place of the picture."""
    deep = copy.codec == "av1"
    pixel_format = "yuv420p10le" if deep else "yuv420p"
    settings = EncoderSettings(copy.codec, float(copy.crf), threads=1, pixel_format=pixel_format)
    pictures = _pictures(copy)
    before = [picture.planes() for picture in pictures]
    info = VideoInfo(pictures[0].width, pictures[0].height, RATE, time_base=1 / RATE)
    after = recoded(pictures, info, settings)
    first = _integer(max(len(before) - KEPT, 0) + 1, random)
    kept = slice(first, first + KEPT)
    pair = torch.stack([torch.stack([_deep(each) for each in side[kept]]) for side in (before, after)])
    rows, columns = (min(side, most) for side, most in zip(pair.shape[-2:], (ROWS, COLUMNS), strict=True))
    top, left = (_integer(side - size + 1, random) for side, size in zip(pair.shape[-2:], (rows, columns), strict=True))
    return pair[..., top : top + rows, left : left + columns].contiguous()


def upside_down(x_PHW: Tensor) -> Tensor:
    """Phases (..., 6, H, W) of the picture upside down: chroma lies between two rows, but on the even columns."""
    return x_PHW.flip(-2)[..., (2, 3, 0, 1, 4, 5), :, :]


def _pictures(copy: Copy) -> list[Picture]:
    """The frames of a shot as 4:2:0 of 8 bits, shrunk by area, at one rate."""
    shot, made = copy.shot, list[Picture]()
    for picture in read_piece(shot.file, shot.first, min(shot.frames, FRAMES), stamp=shot.stamp):
        colour = replace(picture.colour, bits=8).resolved(picture.width, picture.height)
        raw = converted(picture.raw, rotation=picture.rotation, pixel_format="yuv420p", colour=colour)
        own = replace(picture, raw=raw, rotation=0, colour=colour, time=len(made) / RATE, duration=1 / RATE)
        if copy.ratio < 1 or raw.width % 2 or raw.height % 2:
            height, width = (2 * int(side * copy.ratio / 2) for side in (raw.height, raw.width))
            small = _shrunk(own.planes(), height, width, colour)
            own = replace(own, raw=from_planes(small, pixel_format="yuv420p"))
        made.append(own)
    if not made:
        raise BadInput(shot.file, f"no frame of it from {shot.first} on can be read", "run `vidwright data prepare`")
    return made


def _shrunk(planes: Planes, height: int, width: int, colour: Colour) -> Planes:
    def small(plane: Tensor | None, rows: int, columns: int) -> Tensor:
        assert plane is not None  # 4:2:0 has all three
        return F.interpolate(plane[None, None].float(), (rows, columns), mode="area")[0, 0].round_().to(torch.uint8)

    half = height // 2, width // 2
    parts = small(planes.y, height, width), small(planes.u, *half), small(planes.v, *half)
    return Planes(*parts, planes.time, colour, planes.cut)


def _deep(planes: Planes) -> Tensor:
    assert planes.u is not None and planes.v is not None  # what is coded here has chroma
    return phases(planes.y, planes.u, planes.v) << (BITS - planes.colour.bits)


def _integer(below: int, random: torch.Generator) -> int:
    return int(torch.randint(below, (), generator=random))
