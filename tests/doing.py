"""What the tests of jobs share."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Any

import av

from vidwright.jobs.enhance import Enhance


def lanczos(source: Path, output: Path, **options: Any) -> Enhance:
    """A job without a network, with nothing left to decide."""
    plain = {"model": "lanczos", "scale": 2, "clean": "off", "deinterlace": "off", "preset": "ultrafast"}
    return Enhance(**{"input": source, "output": output} | plain | options)


def exact(source: Path, output: Path, **options: Any) -> Enhance:
    """A job without a network or loss."""
    return lanczos(source, output, **{"codec": "ffv1"} | options)


def pictures(path: Path) -> list[str]:
    """A digest of each frame's code values."""
    with av.open(str(path)) as source:
        return [hashlib.md5(frame.to_ndarray().tobytes()).hexdigest() for frame in source.decode(video=0)]


def listing(folder: Path) -> list[str]:
    """All that lies in `folder`, hidden or not."""
    return sorted(os.listdir(folder))
