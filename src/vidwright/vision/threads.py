"""How many threads OpenCV computes with."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

import cv2


@contextmanager
def one_opencv_thread() -> Generator[None]:
    """OpenCV computes on the caller's thread alone inside; results are the same, times can be compared."""
    before = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        yield
    finally:
        cv2.setNumThreads(before)
