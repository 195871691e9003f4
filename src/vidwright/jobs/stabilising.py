"""Shake taken out: each frame is laid where a calm camera would have shown it.

    greys --camera_motion--> homographies to the neighbours --mean--> the calm place of each pixel
    frame --sampled there--> frame with a hidden border --Filler--> frame

"Full-frame video stabilization with motion inpainting", Matsushita et al. 2006: the mean is weighted by a Gaussian, and
the border is filled from the neighbours instead of being cut off. Where a shot begins or ends the mean is one of a line
fitted to the neighbours that there are, or a pan would be held back there.

Shapes: C channels, H rows, W columns; 33 is a homography; N neighbours.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Iterable, Iterator, Sequence
from itertools import pairwise

import torch
from torch import Tensor

from vidwright.core import Frame, Needs, VideoInfo
from vidwright.core.window import distinct, windows
from vidwright.jobs.changes import Stabilise
from vidwright.jobs.fill import Filler
from vidwright.jobs.framing import filled
from vidwright.jobs.job import Process
from vidwright.jobs.steps import chain
from vidwright.vision.camera import camera_motion, chained, furthest, inside, places, scaled
from vidwright.vision.carrying import sampled
from vidwright.vision.flow import small_grey, small_size

#: Frames on either side whose mean is the calm camera's place, and the Gaussian's standard deviation among them.
CALM, SIGMA = 24, 9.6
#: Pixels, of the small pictures, by which motion is misjudged: so much shake is left, lest still pictures are blurred.
UNSURE = 0.1
#: The part of a picture's height by which it is moved at most, lest all too much of it has to be made up.
FURTHEST = 1 / 6


def stabilised(put: Stabilise, info: VideoInfo, filler: Filler) -> Process:
    """Frames without shake, as far as `put` says, their new border filled."""
    needs = Needs(warmup=CALM, lookahead=CALM)
    fill = filled(filler, info, lambda frame: frame.data[-1])
    return chain(
        info,
        [
            lambda info: Process(needs, info, lambda frames, begin: _calmed(frames, put.share)),
            lambda info: fill,
            lambda info: Process(Needs(), info, lambda frames, begin: _without_last(frames)),
        ],
    )


class _Look:
    """A frame as the search for motion sees it."""

    def __init__(self, frame: Frame) -> None:
        self.cut = frame.cut
        self.small = small_size(frame.height, frame.width)
        self.grey = small_grey(frame.data, self.small)
        self._since: Tensor | None = None

    def since(self, last: _Look) -> Tensor:
        """The camera's motion from the frame before, which is always the same one."""
        if self._since is None:
            self._since = camera_motion(last.grey, self.grey)
        return self._since


def _calmed(frames: Iterable[Frame], share: float) -> Generator[Frame]:
    """Each frame where it calmly is, with one more channel that is 1 in its new border and else 0."""
    waiting: deque[Frame] = deque()  # the pictures of those alone that are still to come out: at 4K each takes 100 MB

    def looks() -> Iterator[_Look]:
        for frame in frames:
            waiting.append(frame)
            yield _Look(frame)

    for window in windows(looks(), CALM, is_cut=lambda look: look.cut):
        frame, look = waiting.popleft(), window[CALM]
        calm_33 = _calm(window, share)
        yield frame.with_data(
            _laid(frame.data, scaled(calm_33, (frame.height / look.small[0], frame.width / look.small[1])))
        )


def _calm(window: Sequence[_Look], share: float) -> Tensor:
    """Where a calm camera would show the pixels of a window's middle frame, as a homography of its small picture."""
    shot, at = distinct(window)
    size = shot[at].small
    still_33 = torch.eye(3, dtype=torch.float64)
    ways = chained([later.since(earlier) for earlier, later in pairwise(shot)], at)
    weight_N = weights(list(ways))
    mean_33 = (torch.stack(list(ways.values())) * weight_N[:, None, None]).sum(0)
    far = furthest(mean_33, size)
    if far <= UNSURE:
        return still_33
    wanted = min(share * (far - UNSURE), FURTHEST * size[0])
    return torch.lerp(still_33, mean_33 / mean_33[2, 2], wanted / far)


def weights(offsets: Sequence[int]) -> Tensor:
    """How much each neighbour counts, (N,) of sum 1: the value at 0 of the line that is fitted to them by a Gaussian.

    With as many before as after it is the Gaussian itself. "Locally weighted regression", Cleveland and Devlin 1988.
    """
    offset_N = torch.tensor(offsets, dtype=torch.float64)
    weight_N = torch.exp(-0.5 * (offset_N / SIGMA) ** 2)
    first, second = (float((weight_N * offset_N**power).sum()) for power in (1, 2))
    line_N = weight_N * (second - first * offset_N) if len(offsets) > 1 else weight_N
    return line_N / line_N.sum()


def _laid(picture_CHW: Tensor, calm_33: Tensor) -> Tensor:
    """The picture with its pixels where `calm_33` moves them, and a channel (1, H, W) of where there is none."""
    size = (picture_CHW.shape[-2], picture_CHW.shape[-1])
    if torch.equal(calm_33, torch.eye(3, dtype=torch.float64)):
        return torch.cat([picture_CHW, torch.zeros(1, *size)])
    where_2HW = places(calm_33.inverse(), size)
    return torch.cat([sampled(picture_CHW, where_2HW, fine=True), (~inside(where_2HW, size)).float()[None]])


def _without_last(frames: Iterable[Frame]) -> Generator[Frame]:
    for frame in frames:
        yield frame.with_data(frame.data[:-1])
