"""OpenCV's threads: one inside, and what was before afterwards."""

from __future__ import annotations

import cv2
import pytest

from vidwright.vision.threads import one_opencv_thread


def test_one_inside_and_as_before_afterwards_even_when_it_fails():
    before = cv2.getNumThreads()
    with pytest.raises(KeyError), one_opencv_thread():
        assert cv2.getNumThreads() == 1
        raise KeyError
    assert cv2.getNumThreads() == before
