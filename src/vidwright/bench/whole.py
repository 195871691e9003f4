"""How fast `enhance` is from file to file, on all cores.

Shapes: T frames, C channels, H height, W width.
"""

from __future__ import annotations

import statistics
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from vidwright.core import Video, VideoInfo
from vidwright.io.writer import save_video
from vidwright.jobs.enhance import Enhance
from vidwright.jobs.run import run
from vidwright.train.excerpts import RATE, as_frames

#: Frames of the film that is measured on, and how often: the median counts.
FRAMES, ROUNDS = 48, 3


def whole_fps(film_TCHW: Tensor, fields: Mapping[str, Any], *, rounds: int = ROUNDS) -> float:
    """Frames made per second of the clock, by a job with these `fields` over a lossless file of uint8 frames.

    From opening the input to the renamed output in H.264 (preset veryfast): planning, loading the weights, reading and
    writing are in it. Raises what the job raises.
    """
    threads = torch.get_num_threads()
    try:
        with tempfile.TemporaryDirectory(prefix="vidwright-") as folder:
            source = film(film_TCHW, Path(folder) / "in.mkv")
            job = as_job(source, Path(folder) / "out.mp4", fields)
            reports = [run(job, overwrite=True) for _ in range(rounds)]
    finally:
        torch.set_num_threads(threads)
    return statistics.median(report.frames / report.seconds for report in reports)


def film(x_TCHW: Tensor, path: Path) -> Path:
    """Write uint8 frames to `path` without loss, and return it."""
    height, width = x_TCHW.shape[-2:]
    info = VideoInfo(width, height, RATE, time_base=1 / RATE)
    save_video(Video(info, lambda: as_frames(x_TCHW)), path, codec="ffv1")
    return path


def as_job(source: Path, output: Path, fields: Mapping[str, Any]) -> Enhance:
    """The job with these fields that does nothing else, on the CPU."""
    nothing = {"clean": "off", "deinterlace": "off"}
    return Enhance(input=source, output=output, preset="veryfast", device="cpu", **{**nothing, **fields})
