"""Adapting: a network learns a little more from the very clip that it is to work on.

    plain network --> steps of Adam on what the clip teaches of itself --> their average --.
          |                                                                                v
          '----------------- judged on pieces of the clip that nothing was learned from ---'--> the better of the two

A clip is known by its pieces: some successive frames here and there, uint8 (T, 3, H, W). Most of them are learned from;
every fourth is only judged by. What is learned of them is a lesson: `train/frame_to_frame.py` for cleaners,
`train/across_scales.py` for upscalers, `train/between_frames.py` for interpolators, `train/within_clip.py` for networks
that complete, whose pieces have a fourth plane that says where they are unknown.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol, TypeVar

import torch
from torch import Tensor, nn

from vidwright.data.loader import Batch
from vidwright.data.seeding import generator
from vidwright.train.loop import Diverged, Step, train
from vidwright.train.optimiser import Optimiser
from vidwright.train.parallel import World
from vidwright.train.schedule import Budget
from vidwright.train.state import State

P = TypeVar("P")

#: One in so many pieces is judged by, beginning with the second.
HELD_OUT = 4

#: Decibels below which a gain is no gain, of what held-out pieces are a fair measure of.
MARGIN = 0.02

#: Small steps, as the network knows nearly everything already; the average is of about the last fifty.
OPTIMISER = Optimiser(learning_rate=1.5e-3, warmup=20, ema=0.98)


class Lesson(Protocol):
    """What a clip teaches a network of itself; made of the clip's pieces, and of the network before it learns.

    `optimiser` is how it is learned unless told otherwise, `judged` in words what the held-out frames are judged by,
    `margin` the decibels by which they have to be better.
    """

    optimiser: ClassVar[Optimiser]
    judged: ClassVar[str]
    margin: ClassVar[float]

    def __init__(self, net: Any, pieces: Sequence[Tensor]) -> None:
        """Raises `ValueError`, which says why, where the pieces teach such a network nothing."""
        ...

    def learning(self, net: nn.Module) -> list[nn.Parameter]:
        """The parameters that are to be moved."""
        ...

    def batch(self, random: torch.Generator) -> Batch:
        """Samples of the pieces that are learned from."""
        ...

    def objective(self, net: nn.Module, batch: Batch) -> dict[str, Tensor]:
        """Named scalar losses of a batch; their sum is minimised."""
        ...

    def quality(self, net: nn.Module) -> float:
        """In dB, on the pieces that are only judged by."""
        ...


@dataclass(frozen=True, slots=True)
class Gain:
    """Quality in dB on held-out pieces, of the plain network and of what it became in so many steps.

    It has won if it is better by more than `margin`.
    """

    before: float
    after: float
    steps: int
    margin: float = MARGIN

    @property
    def decibels(self) -> float:
        """By how much quality has risen."""
        return self.after - self.before

    @property
    def won(self) -> bool:
        """Whether it has risen enough to be worth other weights."""
        return self.decibels > self.margin


def divided(pieces: Sequence[P]) -> tuple[list[P], list[P]]:
    """Which pieces are learned from, and which are held out to judge by. Raises `ValueError` for fewer than two."""
    if len(pieces) < 2:
        raise ValueError(f"it takes two pieces of a clip, and there are {len(pieces)}")
    held = [piece for number, piece in enumerate(pieces) if number % HELD_OUT == 1]
    return [piece for number, piece in enumerate(pieces) if number % HELD_OUT != 1], held


def adapt(
    net: nn.Module,
    lesson: Lesson,
    budget: Budget,
    *,
    optimiser: Optimiser | None = None,
    seed: int = 0,
    watch: Callable[[Step], None] = lambda step: None,
) -> Gain:
    """Let `net` learn `lesson` in place, for as long as `budget` says; its weights stay to the bit if nothing is won.

    A budget in steps gives the same weights each time; one in minutes gives what this machine can do in them. `watch`
    is told of each step, and what it raises ends the learning. Training through learned weights at test time: Shocher
    et al. 2018 (ZSSR), which began with none.
    """
    plain = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    before = lesson.quality(net)
    for parameter in lesson.learning(net):
        parameter.requires_grad_(True)
    optimiser = optimiser or lesson.optimiser
    state = State.fresh(net, optimiser)
    world = World(next(net.parameters()).device)
    steps = train(state, _batches(lesson, seed), lesson.objective, optimiser=optimiser, budget=budget, world=world)
    with suppress(Diverged):  # its last good state will hardly win
        for step in steps:
            watch(step)
    net.requires_grad_(False)
    net.load_state_dict(state.averaged())
    gain = Gain(before, lesson.quality(net), state.step, lesson.margin)
    if not gain.won:
        net.load_state_dict(plain)
    return gain


def _batches(lesson: Lesson, seed: int) -> Iterator[Batch]:
    number = 0
    while True:
        yield lesson.batch(generator(seed, number))
        number += 1
