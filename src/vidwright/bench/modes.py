"""Every way of asking a flow model, from one checkpoint: a row of frames for each, and what only some of them promise.

Shapes: T frames, C = 1 channel, H height, W width; clips are in [0, 1], what the network sees in [-1, 1].
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from vidwright.bench.generate import SIZE, Clips, Figure
from vidwright.models.generate.flow import Net, Told

#: Steps that a frame of a stream is behind the one before it.
LAG = 8
#: How many times as long as a clip of training a continuation goes on for.
LONGER = 3


@dataclass(frozen=True, slots=True)
class Row:
    """What one way of asking gave, `clip` (T, C, H, W), and the places of frames that were given."""

    way: str
    clip: Tensor
    given: tuple[int, ...] = ()


def rows(net: Net, real: Clips, *, seed: int = 0) -> Iterator[Row]:
    """Class, image -> video, continuation, in-between, key frames, loop, mask, stream: of the first real clips."""
    frames = net.config.length
    seen = 2 * real.truth - 1
    told = Told(torch.tensor([[3]]))

    def row(way: str, length: int, told: Told | None = None, **how: Any) -> Row:
        drawn = [_shown(frame) for frame in net.draw([seed], length, SIZE, told, **how)]
        return Row(way, torch.stack(drawn), tuple(n for n in how.get("given", ()) if n >= 0))

    yield row("class 3", frames, told)
    yield row("image -> video", frames, given={0: seen[0:1, 0]})
    before = {n - frames // 2: seen[1:2, n] for n in range(frames // 2)}
    yield row(f"continuation, {LONGER} times as long", LONGER * frames, given=before)
    yield row("every other frame given", frames - 1, given={n: seen[2:3, n] for n in range(0, frames - 1, 2)})
    yield row("first and last given", frames, given={0: seen[3:4, 0], frames - 1: seen[3:4, frames - 1]})
    yield row("loop", frames, told, loop=True)
    mask = torch.zeros(1, *SIZE)
    mask[:, :, : SIZE[1] // 2] = 1
    yield row("left half given", frames, known={n: (mask, seen[4:5, n]) for n in range(frames)})
    yield row("stream", frames, told, mode="joint", lag=LAG)


def promises(net: Net, *, samples: int = 64) -> Iterator[Figure]:
    """How the seam of loops compares with their other steps, and when the first frame of a stream is there."""
    told = Told(torch.arange(samples)[:, None] % net.config.classes)
    frames = net.draw(range(samples), net.config.length, SIZE, told, loop=True)
    loop_BTCHW = torch.stack([_shown_all(frame) for frame in frames], dim=1)
    steps_BT = (loop_BTCHW - loop_BTCHW.roll(1, dims=1)).square().mean(dim=(2, 3, 4)).sqrt()
    seam, others = steps_BT[:, 0], steps_BT[:, 1:].mean(dim=1)
    yield Figure("loop", "seam, in steps between frames", "at once", (float(seam.mean() / others.mean()),), "lower")
    streams = {
        "one by one": net.draw([0], net.config.length, SIZE, mode="filler"),
        "stream": net.draw([0], net.config.length, SIZE, mode="joint", lag=LAG),
    }
    for way, frames in streams.items():
        began = time.monotonic()
        moments = [time.monotonic() - began for _ in frames]
        yield Figure("stream", "first frame, part of the time", way, (moments[0] / moments[-1],), "lower")


def pictures(found: Sequence[Row]) -> list[list[Tensor]]:
    """Rows for a contact sheet, (3, H, W) each: frames that were given have a bright edge."""
    return [[_framed(frame, n in row.given) for n, frame in enumerate(row.clip)] for row in found]


def _framed(frame_CHW: Tensor, given: bool) -> Tensor:
    picture_CHW = frame_CHW.expand(3, -1, -1).clone()
    if given:
        edge = torch.tensor([1.0, 0.7, 0.1])[:, None]
        for line in (picture_CHW[:, 0], picture_CHW[:, -1], picture_CHW[:, :, 0], picture_CHW[:, :, -1]):
            line.copy_(edge.expand_as(line))
    return picture_CHW


def _shown(frame_BCHW: Tensor) -> Tensor:
    return _shown_all(frame_BCHW)[0]


def _shown_all(frame_BCHW: Tensor) -> Tensor:
    return (frame_BCHW.float().cpu() + 1).div(2).clamp(0, 1)
