"""What every model that turns frames into frames is."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Generator, Iterable

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

        Nothing is carried from before a frame whose `cut` is set to it or to what follows.
        """
