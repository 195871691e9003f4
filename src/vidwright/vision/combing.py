"""Find out by the pictures whether a video is interlaced, and which field is the earlier.

A field of one frame is woven with the other field of the same frame, and of the next. The longer the time between two
fields, the more what moves is combed: rows stand out from the rows above and below. In a clip of the top field first
the next frame's top field is as near to a bottom field as its own is, and the next bottom field three times as far from
a top field; in a clip of the bottom field first it is the other way round. In a progressive clip both fields of
a frame are of one moment, and to the next frame it is equally far both ways.

Shapes: H height, W width; h rows of one field.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import torch
from torch import Tensor

from vidwright.core import FieldOrder, Frame

#: Difference in combing between the two ways to the next frame, as a part of what the farther one adds: in progressive
#: clips 0.1 at most (seen, coded down to CRF 33); in interlaced ones 0.8 at least as filmed, and 0.25 coded at CRF 23.
ONE_SIDED = 0.2

#: How much combing has to grow with time for there to be motion to judge by, as a part of the detail that is there.
MOTION = 0.03

#: Luma is never mixed between fields; chroma of 4:2:0 that was coded as progressive is.
LUMA = torch.tensor([0.299, 0.587, 0.114])


def field_order_of(frames: Sequence[Frame]) -> FieldOrder:
    """The field order that successive frames show; "progressive" where they are too few, or too little moves.

    Eight frames of a moving picture are enough. Pairs across a cut are not looked at.
    """
    same = next_top = next_bottom = 0.0
    for one, other in itertools.pairwise(frames):
        if other.cut or one.data.shape != other.data.shape:
            continue
        (top, bottom), (top_after, bottom_after) = _fields(one), _fields(other)
        same += (combing(top, bottom) + combing(top_after, bottom_after)) / 2
        next_top += combing(top_after, bottom)
        next_bottom += combing(top, bottom_after)
    far = max(next_top, next_bottom) - same
    if far <= MOTION * same or abs(next_bottom - next_top) < ONE_SIDED * far:
        return "progressive"
    return "top" if next_bottom > next_top else "bottom"


def combing(top_hW: Tensor, bottom_hW: Tensor) -> float:
    """Mean absolute difference of each row of the two fields, woven, from the mean of the rows above and below it.

    0 for fields of fewer than two rows.
    """
    pairs = min(len(top_hW), len(bottom_hW)) - 1
    if pairs < 1:
        return 0.0
    inside = (bottom_hW[:pairs] - (top_hW[:pairs] + top_hW[1 : pairs + 1]) / 2).abs().mean()
    outside = (top_hW[1 : pairs + 1] - (bottom_hW[:pairs] + bottom_hW[1 : pairs + 1]) / 2).abs().mean()
    return float(inside + outside) / 2


def _fields(frame: Frame) -> tuple[Tensor, Tensor]:
    luma_HW = torch.einsum("chw,c->hw", frame.data[:3], LUMA)
    return luma_HW[0::2], luma_HW[1::2]
