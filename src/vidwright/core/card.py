"""What a model says of itself: its needs, its origin and its weights."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Needs:
    """What a model asks of whoever runs it.

    `scale` is output size over input size. `warmup` and `lookahead` are how many frames before and after a
    frame change its result: a run that starts in the middle of a shot must be given that many more on either
    side. `multiple_of` is the divisor of height and width that the network pads to by itself. `rate` is frames out for
    each frame in, over which they spread evenly: 2 for a deinterlacer.
    """

    scale: int = 1
    rate: int = 1
    warmup: int = 0
    lookahead: int = 0
    multiple_of: int = 1


@dataclass(frozen=True, slots=True)
class Card:
    """The title page of a model file.

    `build(config)` makes the network, whose `needs` follow from its config; `config` is the class of its settings;
    `weights` names the sets that are shipped, the default first; a model without parameters has none.
    """

    task: str
    summary: str
    build: Callable[[Any], Any]
    config: type
    weights: tuple[str, ...] = ()
    paper: str = ""
    licence: str = "Apache-2.0"
