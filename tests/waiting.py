"""Waiting for what another process or thread does."""

from __future__ import annotations

import time


def until(condition, seconds: float):
    """Wait for `condition` to hold, and return what it gave."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.05)
    return found
