"""The kinds of model: two that turn frames into frames, one that completes them, and one that makes frames."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Generator, Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction

from torch import Tensor, nn

from vidwright.core import Frame, Needs


class FrameModel(nn.Module):
    """A network with its needs, and a way to run it over frames in constant memory.

    `at_once` is how many frames `stream` may compute at the same time, each in a thread of its own. It changes no
    pixel, and on two to four cores is faster than as many threads inside each operation.
    """

    needs: Needs
    at_once: int = 1

    @abstractmethod
    def stream(self, frames: Iterable[Frame]) -> Generator[Frame, None, None]:
        """One frame out for each frame in, in order, at the same times; memory and look-ahead are local variables.

        Where `needs.rate` is above 1 it is so many frames, the first of them at the same time. Nothing is carried from
        before a frame whose `cut` is set to it or to what follows.
        """


class InterpolationModel(nn.Module):
    """A network that makes the frames between two neighbours of one shot, at any times."""

    at_once: int = 1

    @abstractmethod
    def between(self, first: Frame, second: Frame, times: Sequence[Fraction]) -> list[Frame]:
        """The frames at `times`, which lie after `first.time` and before `second.time`; a pure function of the two."""


class CompletionModel(nn.Module):
    """A network that makes the pixels of a frame that nobody knows, from that frame and its neighbours.

    `reach` is how many pixels around an unknown one it looks at; what lies beyond does not change what is made. Within
    `margin` of them lies all that is worth looking at. A window of it should begin at multiples of `multiple`.
    """

    reach: int
    margin: int
    multiple: int

    @abstractmethod
    def forward(self, x_BTCHW: Tensor, unknown_BT1HW: Tensor) -> Tensor:
        """The middle one of T = 3 frames with its unknown pixels made: (B, 3, H, W) fp32; known ones to the bit."""


@dataclass(frozen=True, slots=True)
class Usual:
    """What a generator makes where nothing else is asked for: `length` frames of `size`, `rate` of them a second.

    `size` is (height, width); length and size are None where they are those of the clip that is given. `memory` is how
    many frames a continuation looks back at, 0 if there is no such thing.
    """

    length: int | None
    size: tuple[int, int] | None
    rate: Fraction
    memory: int = 0


class GenerativeModel(nn.Module):
    """A network that makes frames.

    `sample(*, length, size, seed, ...)` yields `length` frames of `size` (height, width), the same for the same seed.
    Its further arguments are what the network can be told, by names that mean the same in all of them: `label`, `clip`
    (frames that come before), `keys` (frames by their place in the result), `like`, `content`, `loop`, `steps`,
    `guidance`, `variation`. Raises `UsageError` for what it cannot make, naming the nearest that it can.
    """

    usual: Usual
    sample: Callable[..., Generator[Frame, None, None]]
