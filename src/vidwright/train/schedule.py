"""How long a run is, and how fast it learns on the way."""

from __future__ import annotations

import math
from dataclasses import dataclass

from vidwright.core.errors import UsageError


@dataclass(frozen=True, slots=True)
class Budget:
    """A number of steps, or minutes of wall clock over all resumed runs; exactly one of the two.

    With minutes the learning rate follows the clock, so a slow machine gives a shorter run and not an unfinished one.
    """

    steps: int | None = None
    minutes: float | None = None

    def __post_init__(self) -> None:
        given = [value for value in (self.steps, self.minutes) if value is not None]
        if len(given) != 1 or given[0] <= 0:
            raise UsageError("the budget", "it must be either steps or minutes, above 0", "give --steps or --minutes")

    def progress(self, step: int, seconds: float) -> float:
        """The share of the budget that is used, from 0 to 1."""
        used = step / self.steps if self.steps is not None else seconds / (60 * (self.minutes or 1))
        return min(used, 1.0)


def learning_rate(peak: float, step: int, warmup: int, progress: float) -> float:
    """The rate of step `step`: up to `peak` within `warmup` steps, times half a cosine down to 0 at the budget's end.

    Loshchilov and Hutter 2017 (SGDR, without the restarts).
    """
    warm = min(1.0, (step + 1) / max(warmup, 1))
    return peak * warm * 0.5 * (1 + math.cos(math.pi * progress))
