"""Schedules: at which time each frame is at each step of a sampler.

    together          staggered            given
    step 0: 0  0  0       0  0  0          1  0  0
    step 1: .5 .5 .5      .5 0  0          1  .5 .5
    step 2: 1  1  1       1  .5 0  ...     1  1  1

The matrix is that of Chen et al. 2024 (diffusion forcing). Shapes: K steps, B samples, T frames.
"""

from __future__ import annotations

import torch
from torch import Tensor

from vidwright.process.flow import shifted


def grid(steps: int, *, shift: float = 3.0) -> Tensor:
    """Times (steps + 1,) from 0 to 1, denser near noise by `shift` (`process.flow.shifted`)."""
    return shifted(torch.linspace(0, 1, steps + 1), shift)


def together(times_K: Tensor, given_BT: Tensor) -> Tensor:
    """Schedule (K, B, T): all frames at the same times, but those that are `given` are clean throughout."""
    return torch.where(given_BT, 1.0, times_K[:, None, None])


def staggered(times_K: Tensor, given_BT: Tensor, *, lag: int) -> Tensor:
    """Schedule in which each frame that is made is `lag` steps behind the one before, so that they end in turn.

    There are `lag` more steps for each frame after the first that any sample makes.
    """
    turn_BT = (~given_BT).cumsum(dim=1) - 1
    count = len(times_K) + lag * max(int(turn_BT.max()), 0)
    step_KBT = torch.arange(count)[:, None, None] - lag * turn_BT
    return torch.where(given_BT, 1.0, times_K[step_KBT.clamp(0, len(times_K) - 1)])
