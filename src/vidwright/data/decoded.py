"""Clips before they were coded and after: what a filter after a decoder learns from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from types import MappingProxyType

import torch
from torch import Tensor
from torch.nn import functional as F

from vidwright.core import Colour, Planes, VideoInfo
from vidwright.core.errors import BadInput
from vidwright.data.index import Shot, open_shots
from vidwright.data.samples import Split
from vidwright.data.seeding import generator
from vidwright.io.codecs import EncoderSettings
from vidwright.io.native import converted, from_planes
from vidwright.io.piece import read_piece
from vidwright.io.reader import Picture
from vidwright.io.roundtrip import recoded

#: CRFs that films are watched at: from hardly worse than the source to ugly.
CRFS: Mapping[str, tuple[int, int]] = MappingProxyType({"av1": (22, 63), "hevc": (18, 45), "h264": (18, 45)})
#: Copies of a clip, by their codec.
COPIES = ("av1", "hevc", "h264", "av1")
#: The most frames of a clip that are coded.
FRAMES = 60
#: Of clips of at least so many rows there is a second one, shrunk by half or to three quarters.
SHRUNK_FROM = 288
#: All clips have one rate, in frames per second.
RATE = Fraction(25)


@dataclass(frozen=True, slots=True)
class Copy:
    """One encoding of one shot, which is shrunk by `ratio` first."""

    shot: Shot
    ratio: float
    codec: str
    crf: int


def copies_of(folder: Path, split: Split, seed: int) -> list[Copy]:
    """The encodings of the shots of a folder, of which those that are large enough are there a second time, shrunk."""
    copies: list[Copy] = []
    for number, shot in enumerate(open_shots(folder, split)):
        random = generator(seed, number)
        smaller = 0.5 + 0.25 * float(torch.rand((), generator=random))
        for ratio in (1.0, *((smaller,) if min(shot.height, shot.width) >= SHRUNK_FROM else ())):
            for codec in COPIES:
                least, most = CRFS[codec]
                crf = least + int(torch.randint(most - least + 1, (), generator=random))
                copies.append(Copy(shot, ratio, codec, crf))
    return copies


def coded(copy: Copy) -> tuple[list[Planes], list[Planes]]:
    """The pictures before, 4:2:0 of 8 bits, and after, with the bits that `compress` gives the codec.

    Raises `BadInput` for a shot that cannot be read any more.
    """
    pictures = _pictures(copy)
    pixel_format = "yuv420p10le" if copy.codec == "av1" else "yuv420p"
    settings = EncoderSettings(copy.codec, float(copy.crf), threads=1, pixel_format=pixel_format)
    info = VideoInfo(pictures[0].width, pictures[0].height, RATE, time_base=1 / RATE)
    return [picture.planes() for picture in pictures], recoded(pictures, info, settings)


def _pictures(copy: Copy) -> list[Picture]:
    """The frames of a shot, shrunk by area, at one rate."""
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
