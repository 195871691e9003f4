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

from vidwright.bench.baselines import RATE, as_frames
from vidwright.core import Video, VideoInfo
from vidwright.io.writer import save_video
from vidwright.jobs.enhance import Enhance
from vidwright.jobs.run import run

#: Frames of the film that is measured on, and how often: the median counts.
FRAMES, ROUNDS = 48, 3


def whole_fps(film_TCHW: Tensor, fields: Mapping[str, Any], *, rounds: int = ROUNDS) -> float:
    """Frames made per second of the clock, by a job with these `fields` over a lossless file of uint8 frames.

    From opening the input to the renamed output in H.264 (preset veryfast): planning, loading the weights, reading and
    writing are in it. Raises what the job raises.
    """
    height, width = film_TCHW.shape[-2:]
    info = VideoInfo(width, height, RATE, time_base=1 / RATE)
    threads = torch.get_num_threads()
    try:
        with tempfile.TemporaryDirectory(prefix="vidwright-") as folder:
            source = Path(folder) / "in.mkv"
            save_video(Video(info, lambda: as_frames(film_TCHW)), source, codec="ffv1")
            steps = {"clean": "off", "deinterlace": "off", **fields}
            job = Enhance(input=source, output=Path(folder) / "out.mp4", preset="veryfast", device="cpu", **steps)
            reports = [run(job, overwrite=True) for _ in range(rounds)]
    finally:
        torch.set_num_threads(threads)
    return statistics.median(report.frames / report.seconds for report in reports)
