"""Samplers: from noise to clean in steps, along a schedule that may be another for each frame.

    x (noise) --denoise(x, t)--> clean --step to the next t, some of the noise drawn anew--> x ... --> x (clean)

All have one signature: `denoise(x, t)` is the network, `schedule` the times (K + 1, ...) of its K steps, whose further
axes are those of t, and each yields x after every step, so that frames which have come to t = 1 can be handed out
while others are under way. `fresh(x)` draws noise like x; `refresh` is how much of it a step takes (`process.flow`).

The two of second order find what the network would say half a step on, in the log of signal over noise, where its
answer changes evenly: Lu et al. 2022 (DPM-Solver++), there 2M is `multistep` and 2S with r = 1 is `heun`.
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

#: Times as near to 0 and 1 as this have a finite log of signal over noise.
EDGE = 1e-4


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
    """Each step by the mean of what the network says at its beginning and at its end: second order, two calls.

    The last step, after which there is no noise to judge by, and the first, which comes from nothing but noise, are
    Euler's.
    """
    for number, (t, to) in enumerate(pairwise(schedule)):
        clean = _sound(denoise(x, t), number)
        inside = ((t > EDGE) & (to < 1 - EDGE)).to(x.dtype)
        if inside.any():
            ahead = _sound(denoise(flow.step(x, clean, t, to), to), number)
            clean = torch.lerp(clean, ahead, 0.5 * _wide(inside, x))
        x = flow.step(x, clean, t, to, refresh=refresh, fresh=fresh(x) if refresh else None)
        yield x


def multistep(
    denoise: Denoise, x: Tensor, schedule: Tensor, *, refresh: float = 0.0, fresh: Fresh = torch.randn_like
) -> Iterator[Tensor]:
    """Each step by what the network says now and said before, drawn out half a step: second order, one call."""
    before: tuple[Tensor, Tensor] | None = None
    for number, (t, to) in enumerate(pairwise(schedule)):
        clean = seen = _sound(denoise(x, t), number)
        if before is not None:
            was, said = before
            past, step = _log_ratio(t) - _log_ratio(was), _log_ratio(to) - _log_ratio(t)
            inside = (was > EDGE) & (past > 0) & (to < 1 - EDGE)
            ahead = torch.where(inside, step / past.clamp(min=EDGE) / 2, 0)
            clean = clean + _wide(ahead.to(x.dtype), x) * (clean - said)
        x = flow.step(x, clean, t, to, refresh=refresh, fresh=fresh(x) if refresh else None)
        before = (t, seen)
        yield x


#: All samplers by name.
SAMPLERS: Mapping[Name, Sampler] = MappingProxyType({"euler": euler, "heun": heun, "multistep": multistep})


def guided(told: Tensor, untold: Tensor, scale: float) -> Tensor:
    """What a network says when told something, drawn out from what it says untold: 1 is as told, 0 as untold.

    Classifier-free guidance: Ho and Salimans 2022, where what it is told is a class; history guidance: Song et al.
    2025, where it is the frames before.
    """
    return torch.lerp(untold, told, scale)


def _log_ratio(t: Tensor) -> Tensor:
    return t.double().clamp(EDGE, 1 - EDGE).logit()


def _wide(t: Tensor, x: Tensor) -> Tensor:
    return t.reshape(*t.shape, *[1] * (x.ndim - t.ndim))


def _sound(clean: Tensor, number: int) -> Tensor:
    if not bool(torch.isfinite(clean).all()):
        cause = f"step {number + 1} gave numbers that are none"
        raise JobFailed("sampling", cause, "use --dtype fp32, less --guidance, or other weights")
    return clean
