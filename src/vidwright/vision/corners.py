"""Corners of a picture, and where they are in another one: Lucas-Kanade, there and back.

Shapes: H rows, W columns; N corners; 2 is (x, y) in pixels, centres at whole numbers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from torch import Tensor

#: Pixels by which the way there and back may miss its beginning, and how often the picture is halved for long ways.
MISSED, LEVELS = 0.7, 3


@dataclass(frozen=True, slots=True)
class Search:
    """Which corners are followed: at most `most` of them, `apart` pixels from each other, at least `weakest` as strong
    as the strongest; each is known by a `window` of pixels around it."""

    most: int
    weakest: float
    apart: int
    window: int


def matched(first_HW: Tensor, second_HW: Tensor, search: Search, inside_HW: Tensor | None) -> tuple[Any, Any]:
    """Corners (N, 2) of the first grey picture, and where those are in the second; uint8, of one size.

    Only those are looked for where `inside_HW` is true, and only those are found that the way back leads to again
    ("Forward-backward error", ICPR 2010). N may be 0.
    """
    first, second = first_HW.numpy(), second_HW.numpy()
    inside = None if inside_HW is None else inside_HW.numpy().astype(np.uint8)
    there = cv2.goodFeaturesToTrack(first, search.most, search.weakest, search.apart, mask=inside)
    if there is None:
        return np.empty((0, 2), np.float32), np.empty((0, 2), np.float32)
    window: dict[str, Any] = {"winSize": (search.window, search.window), "maxLevel": LEVELS}
    moved, found, _ = cv2.calcOpticalFlowPyrLK(first, second, there, np.empty_like(there), **window)
    back, again, _ = cv2.calcOpticalFlowPyrLK(second, first, moved, np.empty_like(there), **window)
    good = found[:, 0].astype(bool) & again[:, 0].astype(bool) & (np.linalg.norm(back - there, axis=-1)[:, 0] < MISSED)
    return there[good][:, 0], moved[good][:, 0]
