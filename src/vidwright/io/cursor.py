"""Frames by number, for work that goes forward in overlapping ranges."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType

from vidwright.core.frame import Frame
from vidwright.io.container import MAX_PIXELS
from vidwright.io.reader import Picture, Reader


class Cursor:
    """Reads ranges of frames with one decoder as long as they move forward; a context manager.

    The last `keep` pictures stay in memory (as decoded, not as R'G'B'), so ranges may overlap by that many. A range
    that begins before those makes the file be read again from its first frame: decoders give the same picture only
    when they come from the same beginning. Frames are the same, bit for bit, as those of a fresh `Reader`.
    """

    def __init__(self, path: Path, *, keep: int, max_pixels: int = MAX_PIXELS) -> None:
        self._path = path
        self._max_pixels = max_pixels
        self._kept: deque[Picture] = deque(maxlen=max(keep, 1))
        self._next = 0  # number of the picture that the reader gives next
        self._reader: Reader | None = None

    def read(self, start: int, stop: int) -> Iterator[Frame]:
        """Frames number `start` up to, not including, `stop`; fewer where the video ends."""
        return (picture.frame() for picture in self.pictures(start, stop))

    def pictures(self, start: int, stop: int) -> Iterator[Picture]:
        """The same as they were decoded."""
        for number in range(start, stop):
            picture = self._picture(number)
            if picture is None:
                return
            yield picture

    def close(self) -> None:
        """Close the file; a later read opens it again."""
        if self._reader is not None:
            self._reader.close()
        self._reader = None
        self._kept.clear()
        self._next = 0

    def __enter__(self) -> Cursor:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _picture(self, number: int) -> Picture | None:
        if number < self._next - len(self._kept):
            self.close()
        if self._reader is None:
            self._reader = Reader(self._path, max_pixels=self._max_pixels)
        while self._next <= number:
            picture = next(self._reader, None)
            if picture is None:
                return None
            self._kept.append(picture)
            self._next += 1
        return self._kept[number - self._next]
