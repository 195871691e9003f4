"""Pictures and clips that a generation is given, as a generator takes them."""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

from torch.nn import functional as F

from vidwright.core import Frame
from vidwright.core.errors import BadInput, UsageError
from vidwright.io.reader import Reader

#: Frames of a clip that is learned from; a longer one would not fit into the time or the memory of a laptop.
MOST_FRAMES = 1000


def last_frames(path: Path, count: int, size: tuple[int, int], *, max_pixels: int) -> list[Frame]:
    """The last `count` frames of a clip, of `size`. Raises `BadInput`."""
    with Reader(path, cuts=False, max_pixels=max_pixels) as pictures:
        return [fitted(each.frame(), size) for each in deque(pictures, maxlen=count)]


def shot(path: Path, *, max_pixels: int) -> list[Frame]:
    """The frames of a clip that is one shot, as they are. Raises `BadInput`, also for one that is too long."""
    with Reader(path, max_pixels=max_pixels) as pictures:
        frames = [each.frame() for each in itertools.islice(pictures, MOST_FRAMES + 1)]
    if len(frames) > MOST_FRAMES:
        raise BadInput(path, f"it has more than {MOST_FRAMES} frames", "cut a part of it out")
    if cut := next((frame for frame in frames[1:] if frame.cut), None):
        raise BadInput(path, f"the picture changes at {float(cut.time):.2f} s", "give a clip of one shot")
    return frames


def picture(path: Path, size: tuple[int, int], *, max_pixels: int) -> Frame:
    """A still picture, or the first frame of a clip, of `size`. Raises `BadInput`."""
    with Reader(path, cuts=False, max_pixels=max_pixels) as pictures:
        return fitted(next(pictures).frame(), size)


def keys(
    words: Sequence[str], length: int, size: tuple[int, int], rate: Fraction, *, max_pixels: int
) -> dict[int, Frame]:
    """Pictures by their place in `length` frames, of words such as a.png@1.5, seconds from the first frame.

    Raises `UsageError` for other words and for times outside of the result, and `BadInput`.
    """
    found: dict[int, Frame] = {}
    for word in words:
        path, at, time = word.rpartition("@")
        try:
            place = round(Fraction(time) * rate)
        except (ValueError, ZeroDivisionError):
            at = ""
            place = 0
        if not at or not path:
            raise UsageError(f"--key {word}", "it does not say which picture when", "give it as a.png@1.5, in seconds")
        if not 0 <= place < length:
            last = float((length - 1) / rate)
            raise UsageError(
                f"--key {word}", f"the result ends at {last:g} s", "give an earlier time or more --seconds"
            )
        found[place] = picture(Path(path), size, max_pixels=max_pixels)
    return found


def fitted(frame: Frame, size: tuple[int, int]) -> Frame:
    """The middle of a frame in the shape of `size`, resized to it; without alpha."""
    (height, width), data_CHW = size, frame.data[:3]
    scale = min(frame.height / height, frame.width / width)
    rows, columns = max(round(height * scale), 1), max(round(width * scale), 1)
    top, left = (frame.height - rows) // 2, (frame.width - columns) // 2
    middle_CHW = data_CHW[:, top : top + rows, left : left + columns]
    if middle_CHW.shape[1:] == size:
        return frame.with_data(middle_CHW)
    resized_BCHW = F.interpolate(middle_CHW[None], size=size, mode="bilinear", antialias=True, align_corners=False)
    return frame.with_data(resized_BCHW[0])
