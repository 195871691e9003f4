"""A clip that goes on from its last frame to its first.

    source    . . s-n .. s ................ e-n .. e . .
    result               s ................ e-n .. e       the last n frames turn into those before s, which lead to s

Where it begins and ends is decided by looking: at the two places, near the ends, whose last n frames look most alike.
The one picture turns into the other along the motion between them, and not by being laid over it.

Shapes: N pictures, H rows, W columns; C channels.
"""

from __future__ import annotations

import itertools
import math
from collections import deque
from collections.abc import Generator, Iterable, Iterator, Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import torch
from torch import Tensor

from vidwright.core import Frame, Needs, Video, VideoInfo
from vidwright.core.errors import UsageError
from vidwright.io.writer import save_video
from vidwright.jobs.beside import Beside
from vidwright.jobs.changes import Seam
from vidwright.jobs.job import Process
from vidwright.vision.camera import aligned_flow, camera_motion
from vidwright.vision.carrying import looked_up
from vidwright.vision.flow import small_grey, small_size

#: Rows of the pictures that are compared.
LINES = 32
#: The part of a clip at either end in which the seam is looked for, and that in frames at most.
ENDS, MOST = 0.125, 100
#: Ticks of a second to which a place is rounded, downwards, lest its frame is left out.
TICKS = 10**6


def within(frames: Iterable[Frame], start: Fraction, stop: Fraction | None) -> Iterator[Frame]:
    """Those that are shown from one second to the other."""
    after = itertools.dropwhile(lambda frame: frame.time < start, frames)
    return after if stop is None else itertools.takewhile(lambda frame: frame.time < stop, after)


def seam(frames: Iterable[Frame], seconds: float, rate: Fraction) -> Seam:
    """Where a loop of the `frames` best begins and ends if its last `seconds` are to be blended.

    Raises `UsageError` for a video that is too short for that.
    """
    times: list[Fraction] = []
    greys: list[Tensor] = []
    for frame in frames:
        times.append(frame.time)
        greys.append(small_grey(frame.data, small_size(frame.height, frame.width, LINES)))
    blended = max(round(Fraction(str(seconds)) * rate), 1)
    reach = min(int(ENDS * len(greys)), MOST)
    first, last = range(blended, blended + reach + 1), range(len(greys) - 1 - reach, len(greys))
    if last.start - first[-1] <= blended:
        cause = f"the video has {len(greys)} frames, and {blended} are to be blended"
        raise UsageError(f"--loop {seconds:g}", cause, "give a longer video, or fewer seconds")
    begin, end = _likest(greys, first, last, blended)
    return Seam(begin=_place(times[begin]), end=_place(times[end]), frames=blended)


def _likest(greys: Sequence[Tensor], first: range, last: range, blended: int) -> tuple[int, int]:
    """The two places before which so many pictures differ least for as much as they are apart.

    Neighbours are always the most alike, and a loop of them would be the shortest.
    """
    early_NHW, late_NHW = (
        torch.stack([grey.float() for grey in greys[places.start - blended : places.stop]]) for places in (first, last)
    )
    off_NN = torch.cdist(early_NHW.flatten(1), late_NHW.flatten(1), p=1)
    best = min(
        (float(off_NN[one:, other:].diagonal()[:blended].mean()) / (last[other] - first[one]), one, other)
        for one in range(len(first))
        for other in range(len(last))
    )
    return first[best[1]], last[best[2]]


def _place(time: Fraction) -> float:
    return math.floor(time * TICKS) / TICKS


def lead(frames: Iterable[Frame], put: Seam, path: Path, info: VideoInfo) -> None:
    """Write the frames that come before the beginning of a loop, as a video of their own, without loss."""
    before = deque(itertools.takewhile(lambda frame: frame.time < put.begin, frames), put.frames)
    numbered = [replace(frame, data=frame.data[:3], time=n / info.rate) for n, frame in enumerate(before)]
    opaque = replace(info, alpha=False, hdr=None, rotation=0)
    save_video(Video(opaque, lambda: iter(numbered)), path, codec="ffv1", carry=False)


def looped(put: Seam, info: VideoInfo, path: Path, *, max_pixels: int) -> Process:
    """Frames of which the last ones turn into those that `lead` has written to `path`."""
    other = Beside(path, max_pixels=max_pixels)

    def stream(frames: Iterable[Frame], begin: Fraction | None) -> Generator[Frame]:
        for frame in frames:
            left = Fraction(str(put.end)) - frame.time
            number = put.frames - max(round(left * info.rate), 1)
            if number < 0 or left <= 0:
                yield frame
                continue
            target_CHW = other.at(number / info.rate).data
            yield frame.with_data(between(frame.data, target_CHW, (number + 1) / (put.frames + 1)))

    return Process(Needs(), info, stream)


def between(first_CHW: Tensor, second_CHW: Tensor, share: float) -> Tensor:
    """A picture with so much of the second in it, all that both show being so far on its way; alpha is the first's."""
    size = (first_CHW.shape[-2], first_CHW.shape[-1])
    first_HW, second_HW = (small_grey(picture_CHW, small_size(*size)) for picture_CHW in (first_CHW, second_CHW))
    camera_33 = camera_motion(first_HW, second_HW)
    there_2HW = aligned_flow(first_HW, second_HW, camera_33)
    back_2HW = aligned_flow(second_HW, first_HW, camera_33.inverse())
    # To the picture between from either side: about what moves there by its share moves here by the rest of it.
    one_CHW = looked_up(first_CHW[:3], share * back_2HW)
    other_CHW = looked_up(second_CHW[:3], (1 - share) * there_2HW)
    return torch.cat([torch.lerp(one_CHW, other_CHW, share), first_CHW[3:]])
