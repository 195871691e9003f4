"""How the C library keeps memory, for work that takes and gives back pictures all the time."""

from __future__ import annotations

import ctypes
import sys

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # of glibc's malloc.h

#: Bytes from which a block comes from the kernel and goes back to it at once. Left alone glibc raises this to 32 MB,
#: and each thread's heap then keeps holes of pictures: 200 MB more at 1080p. Blocks below are kept and used again,
#: because a fresh one costs a page fault every 4 kB.
LARGE_BLOCK = 5 * 2**20
KEPT = 64 * 2**20


def keep_heap_small() -> None:
    """Make malloc give large blocks back; for this process, and only where the C library is glibc."""
    if sys.platform == "linux":
        mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
        if mallopt is not None:
            mallopt(_M_MMAP_THRESHOLD, LARGE_BLOCK)
            mallopt(_M_TRIM_THRESHOLD, KEPT)
