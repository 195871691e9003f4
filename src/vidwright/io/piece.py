"""Some pictures out of the middle of a file, without decoding all that comes before them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from fractions import Fraction
from itertools import islice
from pathlib import Path

import av.error

from vidwright.io.container import open_input
from vidwright.io.decode import Tally, decode, main_stream
from vidwright.io.pixels import colour_of
from vidwright.io.probe import rotation_of
from vidwright.io.reader import Picture, Reader

#: Seconds before the wanted picture at which to look for a key frame: containers that sort by decoding time may
#: else begin with a key frame that is shown after it.
MARGIN = 1


def read_piece(path: Path, first: int, count: int, *, stamp: int | None = None) -> Iterator[Picture]:
    """Pictures `first` to `first` + `count` - 1 of a file, counted as `Reader` counts them; fewer where it ends.

    `stamp` is the file's own time stamp (pts) of picture `first`, if it is known and stamps rise through the whole
    file: it is then sought, and decoding begins at a key frame before it. Raises `BadInput` as `Reader` does.
    """
    done = 0
    if stamp is not None:
        for picture in islice(_sought(path, stamp), count):
            done += 1
            yield picture
    if done == 0:
        with Reader(path, cuts=False) as reader:
            yield from islice(reader, first, first + count)


def _sought(path: Path, stamp: int) -> Iterator[Picture]:
    """Pictures from the one stamped `stamp` on; none at all if seeking does not lead there."""
    with open_input(path) as container:
        stream = main_stream(container, path)
        tick = stream.time_base or Fraction(1, 90000)
        with suppress(av.error.FFmpegError):
            container.seek(stamp - round(MARGIN / tick), stream=stream, backward=True)
        before = found = False
        for frame in decode(container, stream, Tally()):
            if not found and (frame.pts is None or frame.pts > stamp or not (before or frame.key_frame)):
                return
            before, found = True, found or frame.pts == stamp
            if found:
                yield Picture(frame, (frame.pts or 0) * tick, None, False, rotation_of(frame), colour_of(frame))
