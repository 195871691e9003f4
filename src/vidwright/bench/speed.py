"""How much of the bare network's speed is left when files are read and written around it."""

from __future__ import annotations

import itertools
import os
import statistics
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from vidwright import models
from vidwright.io import open_video
from vidwright.io.scan import scan
from vidwright.io.writer import encode_segment
from vidwright.jobs.enhance import Enhance
from vidwright.jobs.job import share_threads
from vidwright.jobs.run import run

#: Decoded frames that the bare network is fed from memory.
FRAMES = 48


@dataclass(frozen=True, slots=True)
class Speeds:
    """Frames per second on one clip: medians of rounds in which each was measured once, one after the other.

    `network` is the model's stream over frames in memory, `whole` the job from file to file, `decode` reading alone
    (as a job plans), `encode` writing alone.
    """

    network: float
    whole: float
    decode: float
    encode: float

    @property
    def share(self) -> float:
        """What of the network's speed the whole job reaches."""
        return self.whole / self.network


def speeds(clip: Path, *, model: str, rounds: int = 3) -> Speeds:
    """Measure `clip` through `enhance/<model>`; all cores, H.264 preset veryfast out."""
    net = models.load(*models.parse("enhance", model))
    frames = list(itertools.islice(open_video(clip), FRAMES))
    pixels = frames[0].width * frames[0].height * net.needs.scale**2
    share_threads([net], os.cpu_count() or 1, pixels=pixels)
    found: list[tuple[float, float, float, float]] = []
    with tempfile.TemporaryDirectory() as folder:
        job = Enhance(
            input=clip, output=Path(folder) / "out.mp4", model=model, clean="off", deinterlace="off", preset="veryfast"
        )
        list(net.stream(frames[:2]))
        for _ in range(rounds):
            began = time.monotonic()
            for _ in net.stream(frames):
                pass
            network = len(frames) / (time.monotonic() - began)
            report = run(job, overwrite=True)
            began = time.monotonic()
            decode = len(scan(clip).times) / (time.monotonic() - began)
            began = time.monotonic()
            video = open_video(job.output)
            made = encode_segment(video, video.info, Path(folder) / "again.mp4", job.settings)
            encode = made.frames / (time.monotonic() - began)
            found.append((network, report.frames / report.seconds, decode, encode))
    return Speeds(*(statistics.median(column) for column in zip(*found, strict=True)))
