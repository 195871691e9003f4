"""Flicker taken out of a video that was edited frame by frame, with the help of the original.

    edit - original --carried from the neighbours along the original's motion, mean--> + original

"Blind video temporal consistency", Bonneel et al. 2015, takes the edit's details over and the original's changes in
time; here it is the difference of both that is made even, over a few frames on either side, so that no frame hangs on
all before it.

Shapes: C = 3 channels, H rows, W columns.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from vidwright.core import Frame, Needs
from vidwright.core.window import distinct, windows
from vidwright.jobs.beside import Beside
from vidwright.nn.resample import stretched
from vidwright.vision.carrying import further, looked_up, missed, still
from vidwright.vision.flow import small_grey, small_size

#: Frames on either side over which the edit is evened out.
EVEN = 5
#: Pixels, of small pictures, of missing there and back from which a neighbour counts half.
DOUBTFUL = 1.5

NEEDS = Needs(warmup=EVEN, lookahead=EVEN)


@dataclass(frozen=True, slots=True, eq=False)
class _Pair:
    """A frame, how it differs from the original, and the original small and grey."""

    frame: Frame
    delta: Tensor
    grey: Tensor


def steadied(frames: Iterable[Frame], original: Beside, opacity: Callable[[Frame], Tensor]) -> Generator[Frame]:
    """Frames with their difference from the `original` evened out, as far as the `opacity` (H, W) of it allows.

    An original of another size is stretched.
    """

    def pair(frame: Frame) -> _Pair:
        other_CHW = stretched(original.at(frame.time).data[:3], (frame.height, frame.width))
        size = small_size(frame.height, frame.width)
        return _Pair(frame, frame.data[:3] - other_CHW, small_grey(other_CHW, size))

    for window in windows(map(pair, frames), EVEN, is_cut=lambda each: each.frame.cut):
        middle = window[EVEN]
        change_CHW = opacity(middle.frame) * (_evened(window) - middle.delta)
        data = middle.frame.data.clone()
        data[:3] += change_CHW
        yield middle.frame.with_data(data)


def _evened(window: Sequence[_Pair]) -> Tensor:
    """The mean of the differences of all frames of a window, each as far as it is known where the middle one is."""
    shot, at = distinct(window)
    middle = shot[at]
    size = (middle.frame.height, middle.frame.width)
    total_CHW, weight_HW = middle.delta.clone(), torch.ones(size)
    for side in (range(at - 1, -1, -1), range(at + 1, len(shot))):
        way_3hw, last = still((middle.grey.shape[0], middle.grey.shape[1])), middle
        for n in side:
            way_3hw, last = further(way_3hw, last.grey, shot[n].grey), shot[n]
            share_HW = torch.exp2(-missed(way_3hw, size) / DOUBTFUL)
            total_CHW += looked_up(shot[n].delta, way_3hw) * share_HW
            weight_HW += share_HW
    return total_CHW / weight_HW
