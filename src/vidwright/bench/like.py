"""What videos like a clip are worth: copies, matter of the clip in them, variety, the seam of loops, the time it takes.

Shapes: T frames, C channels, H height, W width.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from itertools import combinations, islice
from pathlib import Path
from statistics import fmean
from typing import Any

import torch
from torch import Tensor

from vidwright.bench.generate import Figure
from vidwright.core import Frame
from vidwright.io.reader import Reader
from vidwright.metrics.copies import copied, thumbnails
from vidwright.metrics.likeness import coherence, completeness
from vidwright.models.generate.patches import Net

#: Frames of a clip that count, and of a contact sheet's row.
FRAMES, SHOWN = 48, 6


def first_frames(path: Path) -> list[Frame]:
    """The first frames of a clip. Raises `BadInput`."""
    with Reader(path, cuts=False) as pictures:
        return [each.frame() for each in islice(pictures, FRAMES)]


def figures(net: Net, path: Path, frames: Sequence[Frame], *, seeds: int) -> Iterator[Figure]:
    """Of variations and loops of a clip's size and length, by as many seeds."""
    task, clip_TCHW = f"like {path.stem}", _clip(frames)
    thumbnails_TCHW = thumbnails(clip_TCHW)
    steps = decibels(clip_TCHW)[1:]
    yield Figure(task, "frame to frame, dB", "the clip", (float(steps.mean()),))
    for way, loop in {"variation": False, "loop": True}.items():
        began = time.monotonic()
        made = [_drawn(net, frames, seed, loop=loop) for seed in range(seeds)]
        yield Figure(task, "seconds", way, ((time.monotonic() - began) / seeds,), "lower")
        small = [thumbnails(each) for each in made]
        yield Figure(task, "copies", way, tuple(float(len(copied(each, thumbnails_TCHW))) for each in small), "lower")
        yield Figure(task, "coherence, MSE", way, tuple(coherence(each, clip_TCHW) for each in made), "lower")
        yield Figure(task, "completeness, MSE", way, tuple(completeness(each, clip_TCHW) for each in made), "lower")
        if seeds > 1:
            spread = [float((a - b).square().mean()) for a, b in combinations(small, 2)]
            yield Figure(task, "from one another, of the clip's spread", way, (fmean(spread) / _spread(clip_TCHW),))
        changes = [decibels(each) for each in made]
        yield Figure(task, "frame to frame, dB", way, tuple(float(each[1:].mean()) for each in changes))
        if loop:
            yield Figure(task, "seam, dB", way, tuple(float(each[0]) for each in changes), "higher")
            yield Figure(task, "largest step, dB", way, tuple(float(each.min()) for each in changes), "higher")


def rows(net: Net, frames: Sequence[Frame]) -> list[list[Tensor]]:
    """The clip, a variation, a loop, and a version half as wide again: pictures of a contact sheet."""
    height, width = frames[0].height, frames[0].width
    wider = _drawn(net, frames, 0, size=(height, 3 * width // 2))
    found = [_clip(frames), _drawn(net, frames, 0), _drawn(net, frames, 0, loop=True), wider]
    places = torch.linspace(0, len(frames) - 1, SHOWN).long()
    return [[clip_TCHW[place] for place in places] for clip_TCHW in found]


def decibels(clip_TCHW: Tensor) -> Tensor:
    """PSNR of each frame against the one before it, (T,); of the first against the last."""
    return -10 * (clip_TCHW - clip_TCHW.roll(1, dims=0)).square().flatten(1).mean(dim=1).clamp_min(1e-10).log10()


def _drawn(net: Net, like: Sequence[Frame], seed: int, *, size: tuple[int, int] | None = None, **how: Any) -> Tensor:
    size = size or (like[0].height, like[0].width)
    return _clip(list(net.sample(like=like, length=len(like), size=size, seed=seed, **how)))


def _clip(frames: Sequence[Frame]) -> Tensor:
    return torch.stack([frame.data[:3].float() for frame in frames])


def _spread(clip_TCHW: Tensor) -> float:
    """How different independent clips of its colours would be, on the average."""
    return 2 * float(clip_TCHW.var(dim=(0, 2, 3)).mean())
