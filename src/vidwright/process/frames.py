"""Clips from a network that cleans a frame beside its neighbours: which frames are drawn when, and from what.

    one by one     given  given  x_t -->|  .   .        each frame from those neighbours that are there by then
    at once        given  given  x_t   x_t  x_t         a window of frames together, then the next window

A frame that is given is clean from the first step to the last, wherever it is: before the first frame (a continuation),
at the first (a picture that is set in motion), at any others (key frames); pixels of a frame can be given as well.
So every task is a choice of what is there: diffusion forcing, Chen et al. 2024.

Shapes: B samples side by side, T frames, S neighbours of a frame, C channels, H height, W width, K steps.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import torch
from torch import Tensor

from vidwright.process.samplers import SAMPLERS, Fresh, Name
from vidwright.process.schedules import grid, staggered, together

#: The time of a neighbour that is not there.
ABSENT = -1.0
#: Steps of a frame that has neighbours to go by, of one that has them on both sides, and of what has none.
STEPS, BETWEEN_STEPS, FIRST_STEPS = 6, 4, 16
#: The part of a loop by which it is turned from step to step: at any time each place had its turn about as often.
GOLDEN = (math.sqrt(5) - 1) / 2


class Near(NamedTuple):
    """The neighbours of each frame, the earlier ones first: `pixels` (B, T, S, C, H, W) and `times` (B, T, S).

    The time of one that is not there is `ABSENT`.
    """

    pixels: Tensor
    times: Tensor

    @property
    def sure(self) -> bool:
        """Whether a frame has a neighbour that is clean."""
        return bool((self.times >= 1).any())

    @property
    def between(self) -> bool:
        """Whether a frame has clean neighbours before and after it."""
        sides = (self.times >= 1).reshape(*self.times.shape[:-1], 2, self.times.shape[-1] // 2)
        return bool(sides.any(dim=-1).all(dim=-1).any())


#: What is said to be clean, (B, T, C, H, W), of x_t, t, the neighbours, and a mask (B, T, H, W) with ones where x is.
Denoise = Callable[[Tensor, Tensor, Near, Tensor], Tensor]


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be drawn: `length` frames of `shape` (C, H, W), from `reach` neighbours on each side of a frame.

    `given` are frames (1 or B, C, H, W) by their place, below 0 before the first; `known` those of which the pixels
    under a mask (1 or B, H, W) of ones are given. `loop`: the first comes after the last. `steps` of each frame, or the
    usual ones; `sampler` and `refresh` as in `process.samplers`. At once: `window` frames, each of them `lag` steps
    behind the one before.
    """

    length: int
    shape: tuple[int, int, int]
    reach: int
    window: int
    given: Mapping[int, Tensor] = field(default_factory=dict[int, Tensor])
    known: Mapping[int, tuple[Tensor, Tensor]] = field(default_factory=dict[int, tuple[Tensor, Tensor]])
    loop: bool = False
    steps: int | None = None
    sampler: Name = "euler"
    refresh: float = 1.0
    lag: int = 0

    @property
    def apart(self) -> bool:
        """Whether given frames, or the first frame and they, are further from each other than a frame sees."""
        places = [0, *sorted(n for n in self.given if 0 <= n < self.length)]
        return any(b - a > self.reach for a, b in itertools.pairwise(places))


def offsets(reach: int) -> list[int]:
    """The places of a frame's neighbours from its own, the earlier ones first."""
    return [*range(-reach, 0), *range(1, reach + 1)]


def neighbours(x_BTCHW: Tensor, t_BT: Tensor, reach: int, *, cyclic: bool = False) -> Near:
    """The frames at 1 to `reach` places on either side of each; `cyclic` if the first comes after the last."""
    frames = x_BTCHW.shape[1]
    offset_S = torch.tensor(offsets(reach), device=x_BTCHW.device)
    place_TS = torch.arange(frames, device=x_BTCHW.device)[:, None] + offset_S
    there_TS = (place_TS >= 0) & (place_TS < frames) | cyclic
    place_TS = place_TS % frames
    times_BTS = torch.where(there_TS, t_BT[:, place_TS], ABSENT)
    return Near(x_BTCHW[:, place_TS] * there_TS[..., None, None, None], times_BTS)


@torch.inference_mode()
def one_by_one(denoise: Denoise, wanted: Wanted, seeds: Sequence[int], like: Tensor) -> Iterator[Tensor]:
    """Frames (B, C, H, W), each from those of its neighbours that are there by then; tensors are made `like` one.

    Each sample follows from its own seed, whatever is drawn beside it.
    """
    made = dict(wanted.given)
    for n in range(wanted.length):
        if n not in made:
            near = _near(made, n, wanted, like.new_zeros(len(seeds), *wanted.shape))
            usual = BETWEEN_STEPS if near.between else STEPS if near.sure else FIRST_STEPS
            steps = wanted.steps or usual
            schedule_KBT = together(grid(steps).to(like.device), torch.zeros_like(near.times[..., 0]) > 0)
            fresh = _drawn([_mixed(seed, n) for seed in seeds])
            noise_BTCHW = fresh(like.new_empty(len(seeds), 1, *wanted.shape))
            refined = _refined(denoise, lambda x, t, near=near: near, wanted, n, noise_BTCHW, schedule_KBT, fresh)
            *_, last_BTCHW = refined
            made[n] = last_BTCHW[:, 0]
        yield made[n].expand(len(seeds), -1, -1, -1)
        if not wanted.loop:
            made.pop(n - wanted.reach, None)


@torch.inference_mode()
def at_once(denoise: Denoise, wanted: Wanted, seeds: Sequence[int], like: Tensor) -> Iterator[Tensor]:
    """Frames (B, C, H, W), windows of them together, in the order in which they are done; as `one_by_one`.

    Half of a window are the last frames of the one before. A loop is one window.
    """
    made = dict(wanted.given)
    window = wanted.length if wanted.loop else wanted.window
    start = number = 0
    while start < wanted.length:
        before = 0 if wanted.loop else min(window // 2, sum(n < start for n in made))
        stop = min(start - before + window, wanted.length)
        parts = [_mixed(seed, number) for seed in seeds]
        for n, x_BCHW in enumerate(_window(denoise, wanted, made, start - before, stop, parts, like), start - before):
            if n >= start:
                made[n] = x_BCHW
                yield x_BCHW
        start, number = stop, number + 1


def _window(
    denoise: Denoise,
    wanted: Wanted,
    made: Mapping[int, Tensor],
    first: int,
    stop: int,
    seeds: Sequence[int],
    like: Tensor,
) -> Iterator[Tensor]:
    """Frames `first` to `stop`, some of which are made already."""
    fresh, frames = _drawn(seeds), stop - first
    x_BTCHW = fresh(like.new_empty(len(seeds), frames, *wanted.shape))
    there_BT = torch.zeros(len(seeds), frames, dtype=torch.bool, device=like.device)
    for n in range(frames):
        if first + n in made:
            x_BTCHW[:, n], there_BT[:, n] = made[first + n], True
    times_K = grid(wanted.steps or FIRST_STEPS).to(like.device)
    schedule_KBT = staggered(times_K, there_BT, lag=wanted.lag) if wanted.lag else together(times_K, there_BT)

    def near(x_BTCHW: Tensor, t_BT: Tensor) -> Near:
        return neighbours(x_BTCHW, t_BT, wanted.reach, cyclic=wanted.loop)

    done = 0
    steps = _refined(denoise, near, wanted, first, x_BTCHW, schedule_KBT, fresh)
    for number, step_BTCHW in enumerate(steps, start=1):
        while done < frames and bool((schedule_KBT[number, :, done] >= 1).all()):
            yield step_BTCHW[:, done]
            done += 1


def _refined(
    denoise: Denoise,
    near: Callable[[Tensor, Tensor], Near],
    wanted: Wanted,
    first: int,
    noise_BTCHW: Tensor,
    schedule_KBT: Tensor,
    fresh: Fresh,
) -> Iterator[Tensor]:
    """x after each step, with what is known of its frames, from place `first` on, in it."""
    mask_BTHW, pixels_BTCHW = _known(wanted, first, noise_BTCHW)
    turns = itertools.count()

    def kept(x_BTCHW: Tensor) -> Tensor:
        return torch.where(mask_BTHW[:, :, None] > 0, pixels_BTCHW, x_BTCHW)

    def clean(x_BTCHW: Tensor, t_BT: Tensor) -> Tensor:
        sure_BTHW = torch.maximum(mask_BTHW, (t_BT >= 1).to(mask_BTHW)[..., None, None])
        # A loop begins anywhere: were it always at the same frame, its ends would be further apart than other frames.
        turn = round(next(turns) * GOLDEN * x_BTCHW.shape[1]) % x_BTCHW.shape[1] if wanted.loop else 0
        x_BTCHW, t_BT, sure_BTHW = (each.roll(turn, 1) for each in (kept(x_BTCHW), t_BT, sure_BTHW))
        begun = _begun(t_BT) if wanted.lag else x_BTCHW.shape[1]
        beside = Near(*(each[:, :begun] for each in near(x_BTCHW, t_BT)))
        clean_BTCHW = denoise(x_BTCHW[:, :begun], t_BT[:, :begun], beside, sure_BTHW[:, :begun])
        return torch.cat([clean_BTCHW, x_BTCHW[:, begun:]], dim=1).roll(-turn, 1)

    sampler = SAMPLERS[wanted.sampler]
    schedule_KBT = schedule_KBT.to(noise_BTCHW.dtype)
    yield from map(kept, sampler(clean, noise_BTCHW, schedule_KBT, refresh=wanted.refresh, fresh=fresh))


def _begun(t_BT: Tensor) -> int:
    """How many frames of a staggered schedule there are up to the next that begins: those after it wait."""
    waiting_T = (t_BT == 0).all(dim=0)
    return int(waiting_T.int().argmax()) + 1 if bool(waiting_T.any()) else len(waiting_T)


def _near(made: Mapping[int, Tensor], n: int, wanted: Wanted, nothing_BCHW: Tensor) -> Near:
    """Neighbours of frame `n` among those that are made."""
    pixels: list[Tensor] = []
    times: list[float] = []
    for offset in offsets(wanted.reach):
        there = made.get((n + offset) % wanted.length if wanted.loop else n + offset)
        pixels.append(nothing_BCHW if there is None else there.expand_as(nothing_BCHW))
        times.append(ABSENT if there is None else 1.0)
    times_BTS = nothing_BCHW.new_tensor(times).expand(len(nothing_BCHW), 1, -1)
    return Near(torch.stack(pixels, dim=1)[:, None], times_BTS)


def _known(wanted: Wanted, first: int, x_BTCHW: Tensor) -> tuple[Tensor, Tensor]:
    """Masks (B, T, H, W) and pixels (B, T, C, H, W) of what is known of frames from place `first` on."""
    mask_BTHW, pixels_BTCHW = torch.zeros_like(x_BTCHW[:, :, 0]), torch.zeros_like(x_BTCHW)
    for n, (mask_BHW, pixels_BCHW) in wanted.known.items():
        if 0 <= n - first < x_BTCHW.shape[1]:
            mask_BTHW[:, n - first], pixels_BTCHW[:, n - first] = mask_BHW, pixels_BCHW
    return mask_BTHW, pixels_BTCHW


def _mixed(seed: int, number: int) -> int:
    """A seed of its own for each part of a sample (the odd constants are those of SplitMix64)."""
    return (seed * 0x9E3779B97F4A7C15 + number * 0xBF58476D1CE4E5B9) % 2**63


def _drawn(seeds: Sequence[int]) -> Fresh:
    """Normal noise of which each sample has a source of its own."""
    sources = [torch.Generator().manual_seed(seed) for seed in seeds]

    def fresh(x: Tensor) -> Tensor:
        return torch.stack([torch.randn(x.shape[1:], generator=source) for source in sources]).to(x)

    return fresh
