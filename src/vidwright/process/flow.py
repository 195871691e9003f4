"""Rectified flow as functions: noise (t = 0) and clean (t = 1) joined by straight lines.

    x_t = t clean + (1 - t) noise          velocity = dx/dt = clean - noise = (clean - x_t) / (1 - t)

Liu et al. 2022 (rectified flow), Lipman et al. 2022 (flow matching). Times are tensors whose axes are the first ones
of the data: (B,) one per sample, (B, T) one per frame, as in diffusion forcing (Chen et al. 2024). A frame that is
given, and not to be generated, has t = 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor

#: What a network predicts. Clean pictures lie on a small manifold and velocities do not, so that a small network
#: learns the former from whole patches (Li and He 2025).
Predicts = Literal["clean", "velocity"]

#: 1 - t counts as at least this where it divides: the velocity of a clean prediction is arbitrarily wrong near t = 1.
MARGIN = 0.05


def mix(clean: Tensor, noise: Tensor, t: Tensor) -> Tensor:
    """The point x_t on the line from noise (t = 0) to clean (t = 1)."""
    t = _over(t, clean)
    return t * clean + (1 - t) * noise


def velocity(clean: Tensor, noise: Tensor) -> Tensor:
    """dx_t / dt of the line from noise to clean, the same at every t."""
    return clean - noise


def velocity_from_clean(predicted: Tensor, x: Tensor, t: Tensor, *, margin: float = MARGIN) -> Tensor:
    """The velocity that leads from x_t to a predicted clean; exact for t <= 1 - margin, smaller beyond."""
    return (predicted - x) / (1 - _over(t, x)).clamp(min=margin)


def clean_from_velocity(predicted: Tensor, x: Tensor, t: Tensor) -> Tensor:
    """Where the line from x_t along a predicted velocity ends."""
    return x + (1 - _over(t, x)) * predicted


def loss(predicted: Tensor, clean: Tensor, noise: Tensor, t: Tensor, predicts: Predicts) -> Tensor:
    """Mean squared error of the velocity, a scalar in fp32, over what has noise in it (t < 1); 0 if nothing has.

    `predicted` is the network's answer to `mix(clean, noise, t)`. The error of a predicted clean is that of the
    velocity it leads to, with 1 - t counted as at least `MARGIN`.
    """
    predicted, clean, noise = predicted.float(), clean.float(), noise.float()
    t = _over(t.float(), clean)
    match predicts:
        case "velocity":
            error = predicted - velocity(clean, noise)
        case "clean":
            error = (predicted - clean) / (1 - t).clamp(min=MARGIN)
    noisy = (t < 1).expand_as(error)
    return error.square().mul(noisy).sum() / noisy.sum().clamp(min=1)


def logit_normal(
    shape: Sequence[int], *, mean: float = 0.0, std: float = 1.0, shift: float = 1.0, generator: torch.Generator
) -> Tensor:
    """Random times in (0, 1): the sigmoid of a normal distribution, then shifted; fp32. Esser et al. 2024.

    A `mean` below 0 trains on more noise. The times come from `generator` alone, on its device.
    """
    normal = torch.randn(tuple(shape), generator=generator, device=generator.device)
    return shifted((mean + std * normal).sigmoid(), shift)


def shifted(t: Tensor, shift: float) -> Tensor:
    """Times moved towards noise: (1 - t) / t grows by the factor `shift`, as more pixels need; 0 and 1 stay."""
    return t / (t + shift * (1 - t))


def step(
    x: Tensor, clean: Tensor, t: Tensor, to: Tensor, *, refresh: float = 0.0, fresh: Tensor | None = None
) -> Tensor:
    """From x_t to the later time `to`, given the clean that is predicted at t.

    The noise in x_t is what is left beside `clean`. With `refresh` 0 it is kept, which is Euler's step along the
    velocity; with 1 it gives way to `fresh`, normal noise, which corrects earlier mistakes of a weak network; between,
    sqrt(1 - refresh^2) of the old and `refresh` of the new (Song et al. 2020, DDIM's eta). What does not move, as what
    is at t = 1, stays as it is. Raises `ValueError` when there is something to refresh and no fresh noise.
    """
    moves = _over((to > t).to(x.dtype), x) > 0
    t, to = _over(t, x), _over(to, x)
    left = (x - t * clean) / (1 - t).clamp(min=torch.finfo(x.dtype).eps)
    if refresh:
        if fresh is None:
            raise ValueError("to refresh the noise takes fresh noise")
        left = (1 - refresh**2) ** 0.5 * left + refresh * fresh
    return torch.where(moves, to * clean + (1 - to) * left, x)


def _over(t: Tensor, x: Tensor) -> Tensor:
    """`t` with axes of length one where `x` has more; raises `ValueError` unless its own are the first of `x`."""
    if t.shape != x.shape[: t.ndim]:
        raise ValueError(f"times {tuple(t.shape)} are not for data {tuple(x.shape)}: their axes must be its first ones")
    return t.to(x.dtype).reshape(*t.shape, *[1] * (x.ndim - t.ndim))
