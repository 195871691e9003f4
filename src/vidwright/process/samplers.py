"""Samplers: from noise to clean in steps, along a schedule that may be another for each frame.

    x (noise) --denoise(x, t)--> clean --step to the next t, some of the noise drawn anew--> x ... --> x (clean)

All have one signature: `denoise(x, t)` is the network, `schedule` the times (K + 1, ...) of its K steps, whose further
axes are those of t, and each yields x after every step, so that frames which have come to t = 1 can be handed out
while others are under way. `fresh(x)` draws noise like x; `refresh` is how much of it a step takes (`process.flow`).

Without refreshing these are the solvers of ordinary differential equations of the same names, for the velocity of
rectified flow; Karras et al. 2022 found Heun's to be the best of its cost for images.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from itertools import pairwise
from types import MappingProxyType
from typing import Literal, Protocol

import torch
from torch import Tensor

from vidwright.core.errors import JobFailed
from vidwright.process import flow

Denoise = Callable[[Tensor, Tensor], Tensor]
Fresh = Callable[[Tensor], Tensor]
Name = Literal["euler", "heun", "multistep"]

#: Nothing is divided by less.
TINY = 1e-6


class Sampler(Protocol):
    """What all samplers are called with."""

    def __call__(
        self, denoise: Denoise, x: Tensor, schedule: Tensor, *, refresh: float = 0.0, fresh: Fresh = torch.randn_like
    ) -> Iterator[Tensor]: ...


def euler(
    denoise: Denoise, x: Tensor, schedule: Tensor, *, refresh: float = 0.0, fresh: Fresh = torch.randn_like
) -> Iterator[Tensor]:
    """Each step by what the network says at its beginning: first order, one call a step."""
    for number, (t, to) in enumerate(pairwise(schedule)):
        clean = _sound(denoise(x, t), number)
        x = flow.step(x, clean, t, to, refresh=refresh, fresh=fresh(x) if refresh else None)
        yield x


def heun(
    denoise: Denoise, x: Tensor, schedule: Tensor, *, refresh: float = 0.0, fresh: Fresh = torch.randn_like
) -> Iterator[Tensor]:
    """Each step by the mean of the velocities at its beginning and at its end: second order, two calls.

    The step that ends at clean, where there is no noise left to judge by, is Euler's.
    """
    for number, (t, to) in enumerate(pairwise(schedule)):
        clean = _sound(denoise(x, t), number)
        inside = (to > t) & (to < 1)
        if inside.any():
            there = flow.step(x, clean, t, to)
            speed = flow.velocity_from_clean(clean, x, t, margin=TINY)
            ahead = flow.velocity_from_clean(_sound(denoise(there, to), number), there, to, margin=TINY)
            mean = torch.lerp(speed, ahead, 0.5 * _wide(inside, x))
            clean = flow.clean_from_velocity(mean, x, t)
        x = flow.step(x, clean, t, to, refresh=refresh, fresh=fresh(x) if refresh else None)
        yield x


def multistep(
    denoise: Denoise, x: Tensor, schedule: Tensor, *, refresh: float = 0.0, fresh: Fresh = torch.randn_like
) -> Iterator[Tensor]:
    """Each step by the velocity at its beginning, drawn out half a step from the one before: second order, one call.

    Adams and Bashforth's, for steps of any length.
    """
    before: tuple[Tensor, Tensor] | None = None
    for number, (t, to) in enumerate(pairwise(schedule)):
        clean = _sound(denoise(x, t), number)
        speed = flow.velocity_from_clean(clean, x, t, margin=TINY)
        if before is not None:
            was, earlier = before
            moved = (t > was) & (to > t)
            ahead = torch.where(moved, (to - t) / (t - was).clamp(min=TINY) / 2, 0)
            clean = flow.clean_from_velocity(speed + _wide(ahead, x) * (speed - earlier), x, t)
        x = flow.step(x, clean, t, to, refresh=refresh, fresh=fresh(x) if refresh else None)
        before = (t, speed)
        yield x


#: All samplers by name.
SAMPLERS: Mapping[Name, Sampler] = MappingProxyType({"euler": euler, "heun": heun, "multistep": multistep})


def guided(told: Tensor, untold: Tensor, scale: float) -> Tensor:
    """What a network says when told something, drawn out from what it says untold: 1 is as told, 0 as untold.

    Classifier-free guidance: Ho and Salimans 2022, where what it is told is a class; history guidance: Song et al.
    2025, where it is the frames before.
    """
    return torch.lerp(untold, told, scale)


def _wide(t: Tensor, x: Tensor) -> Tensor:
    return t.to(x.dtype).reshape(*t.shape, *[1] * (x.ndim - t.ndim))


def _sound(clean: Tensor, number: int) -> Tensor:
    if not bool(torch.isfinite(clean).all()):
        cause = f"step {number + 1} gave numbers that are none"
        raise JobFailed("sampling", cause, "use --dtype fp32, less --guidance, or other weights")
    return clean
