"""A second video that goes along with the one that is worked on: masks, another background, the original of an edit."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

from vidwright.core import Frame
from vidwright.core.errors import BadInput
from vidwright.io.reader import Reader
from vidwright.jobs.segments import HAIR


class Beside:
    """The frame of a file that is shown at a time: the first before it begins, and the last after it ends.

    It is read on as times rise, and again from its beginning where they fall. A picture is a video of one frame.
    """

    def __init__(self, path: Path, *, max_pixels: int) -> None:
        self._path, self._max_pixels = path, max_pixels
        self._frames: Iterator[Frame] | None = None
        self._first: Frame | None = None
        self._now: Frame | None = None
        self._next: Frame | None = None

    def at(self, time: Fraction) -> Frame:
        """The frame at `time` in seconds. Raises `BadInput` for a file that has none."""
        over = self._now is not None and self._now is not self._first and time + HAIR < self._now.time
        if self._frames is None or over:
            self._frames = _read(self._path, self._max_pixels)
            self._first = self._now = next(self._frames, None)
            self._next = next(self._frames, None)
        while self._next is not None and self._next.time <= time + HAIR:
            self._now, self._next = self._next, next(self._frames, None)
        if self._now is None:
            raise BadInput(self._path, "it has no picture", "give a picture or a video")
        return self._now


def _read(path: Path, max_pixels: int) -> Iterator[Frame]:
    """No method of what holds it: a circle would be closed some day, by whatever thread is working then."""
    with Reader(path, cuts=False, max_pixels=max_pixels) as pictures:
        for picture in pictures:
            yield picture.frame()
