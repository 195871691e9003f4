"""The user's cache: what was learned or found of an input, by a key that says all that it follows from.

What lies in it can be removed at any time and is then made again. Of all of it `MOST_BYTES` are kept, those that were
used last, and whatever a job that runs now may be using.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

from vidwright.core import files
from vidwright.core.errors import JobFailed

#: Bytes that are kept.
MOST_BYTES = 2**29
#: What was used in the last so many seconds may be of a job that runs.
IN_USE = 3600


def folder() -> Path:
    """Where it is; not made yet."""
    root = os.environ.get("XDG_CACHE_HOME")
    return (Path(root) if root else Path.home() / ".cache") / "vidwright" / "adapted"


def make_folder(path: Path) -> None:
    """Make it. Raises `JobFailed` where it cannot be written to."""
    files.make_folder(path)
    if not os.access(path, os.W_OK):
        raise JobFailed(path, "the folder may not be written to", "set XDG_CACHE_HOME to one that may")


def used(path: Path) -> None:
    """Remember that a file was used now; when it was made stays."""
    os.utime(path, ns=(time.time_ns(), path.stat().st_mtime_ns))


def prune(*needed: Path) -> None:
    """Remove the files that were not used for longest, until all of them take `MOST_BYTES` at most.

    Those that are `needed` now, one or more of one folder, stay, and so do those that may be in use.
    """
    old = time.time_ns() - IN_USE * 10**9
    stats = {path: path.stat() for path in needed[0].parent.iterdir() if path not in needed and path.is_file()}
    room = MOST_BYTES - sum(path.stat().st_size for path in needed)
    for path in sorted(stats, key=lambda path: stats[path].st_atime_ns, reverse=True):
        room -= stats[path].st_size
        if room < 0 and stats[path].st_atime_ns < old:
            path.unlink(missing_ok=True)
