"""Pairs of clips, high and low resolution, to learn upscaling from.

Shapes: T frames, C channels, H height, W width; s scale.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

from vidwright.core.errors import BadInput
from vidwright.data import degrade
from vidwright.io import open_video
from vidwright.io.roundtrip import roundtrip

SUFFIXES = {".mp4", ".mkv", ".mov", ".webm"}

#: Kinds of low resolution that each pair holds.
KINDS = ("bicubic", "cubic", "area", "lanczos", "blur", "h264")


@dataclass(frozen=True, slots=True)
class Pair:
    """One clip and what is left of it after each kind of shrinking: uint8 (T, 3, H, W) and (T, 3, H/s, W/s)."""

    name: str
    high: Tensor
    low: dict[str, Tensor]

    @property
    def frames(self) -> int:
        return int(self.high.shape[0])

    @property
    def scale(self) -> int:
        return int(self.high.shape[-1] // self.low["area"].shape[-1])


def clips(folder: Path) -> list[Path]:
    """The video files of `folder`, by name. Raises `BadInput` when there is none."""
    found = sorted(path for path in folder.glob("*") if path.suffix in SUFFIXES)
    if not found:
        raise BadInput(folder, "there is no video file in this folder", "name a folder of clips with --data")
    return found


def digest(folder: Path) -> str:
    """One SHA-256 for the clips of `folder`: their names and contents."""
    total = hashlib.sha256()
    for path in clips(folder):
        total.update(path.name.encode() + b"\0" + hashlib.sha256(path.read_bytes()).digest())
    return total.hexdigest()


def load_pairs(folder: Path, scale: int, *, seed: int, least: int) -> list[Pair]:
    """All clips of `folder` as pairs, held in memory (about 2.3 times their size as raw RGB).

    A clip large enough is there a second time, shrunk by area: footage is sharper per pixel the more it was shrunk.
    Clips whose low resolution would have fewer than `least` rows or columns are left out.
    """
    random = torch.Generator().manual_seed(seed)
    pairs: list[Pair] = []
    for path in clips(folder):
        frames = torch.stack([degrade.to_bytes(frame.data[:3] * 255) for frame in open_video(path)])
        for name, high in _sizes(path.stem, frames, random):
            high = high[..., : high.shape[-2] // (2 * scale) * 2 * scale, : high.shape[-1] // (2 * scale) * 2 * scale]
            if min(high.shape[-2:]) >= least * scale:
                high = high.contiguous()
                pairs.append(Pair(name, high, dict(_lows(high, scale, random))))
    return pairs


def _sizes(name: str, frames: Tensor, random: torch.Generator) -> Iterator[tuple[str, Tensor]]:
    yield name, frames
    ratio = 0.5 + 0.25 * float(torch.rand((), generator=random))
    if min(frames.shape[-2:]) * ratio >= 128:
        size = [round(side * ratio) for side in frames.shape[-2:]]
        small = [degrade.to_bytes(F.interpolate(f.float(), size, mode="area")) for f in frames.split(1)]
        yield f"{name}-small", torch.cat(small)


def _lows(high: Tensor, scale: int, random: torch.Generator) -> Iterator[tuple[str, Tensor]]:
    clean = {
        "bicubic": degrade.shrink(high, scale, degrade.bicubic),
        "cubic": degrade.shrink(high, scale, degrade.cubic),
        "area": degrade.shrink(high, scale, degrade.area),
        "lanczos": degrade.shrink(high, scale, degrade.lanczos),
    }
    sigma = 0.4 + 0.8 * float(torch.rand((), generator=random))
    source = ("bicubic", "bicubic", "area", "lanczos")[int(torch.randint(4, (), generator=random))]
    yield from clean.items()
    yield "blur", degrade.shrink(high, scale, degrade.blurred(sigma))
    yield "h264", roundtrip(clean[source], "h264", int(torch.randint(20, 33, (), generator=random)))
