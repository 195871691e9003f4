"""The two kinds of model that turn frames into frames."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Generator, Iterable, Sequence
from fractions import Fraction

from torch import nn

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
