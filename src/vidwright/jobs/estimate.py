"""What a job would do, before it does it."""

from __future__ import annotations

import math
import os
import resource
import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from vidwright.core import Frame, VideoInfo
from vidwright.core.errors import BadInput
from vidwright.io.codecs import container_of
from vidwright.io.cursor import Cursor
from vidwright.io.probe import probe
from vidwright.io.streams import plan_streams
from vidwright.io.writer import encode_segment, loss_warnings, segment_suffix
from vidwright.jobs.compress import Compress, carried_along, opened
from vidwright.jobs.film import PASSES
from vidwright.jobs.folder import open_folder
from vidwright.jobs.job import Job, Process, Tell
from vidwright.jobs.rate import Curve

#: Frames of the source that are really worked on to learn the speed.
SAMPLE = 10


@dataclass(frozen=True, slots=True)
class Estimate:
    """A dry run. `frames` is None where the container does not count them; `seconds`, `bytes` follow from the sample.

    `bytes` are those of the result, where that is what is asked. `kept` lists what becomes of each other stream,
    `warnings` what is lost; `disk_bytes` is what the finished segments and the joined file need together, `disk_free`
    what there is; `memory_bytes` is the sample's peak.
    """

    input: Path
    output: Path
    width: int
    height: int
    frames: int | None
    frames_per_second: float
    seconds: float | None
    disk_bytes: int | None
    disk_free: int
    memory_bytes: int
    kept: tuple[str, ...]
    warnings: tuple[str, ...]
    bytes: int | None = None

    def as_json(self) -> dict[str, Any]:
        """Plain data for `--json`."""
        return {"schema": 1, **asdict(self), "input": str(self.input), "output": str(self.output)}


def estimate(job: Job, *, threads: int | None = None, tell: Tell = lambda words: None) -> Estimate:
    """Make the first frames of `job` for real, away from its output, and reckon the rest from them.

    `tell` is told what was decided, if anything was. Raises what the job itself would raise for its input, its options
    and its models.
    """
    container = container_of(job.output, job.settings.codec)
    media = probe(job.input, max_pixels=job.max_pixels)
    job, words = job.decided()
    process = job.open(media.info, threads=threads or os.cpu_count() or 1)
    if words:
        tell(words)
    streams = plan_streams(replace(media.streams, pace=process.pace), container)
    with tempfile.TemporaryDirectory() as folder, Cursor(job.input, keep=1, max_pixels=job.max_pixels) as cursor:
        path = Path(folder) / f"sample{segment_suffix(job.settings)}"
        clock = _Clock()
        frames = clock.watch(process.stream(cursor.read(0, SAMPLE + process.needs.lookahead), None))
        made = encode_segment(frames, process.info, path, job.settings)
        speed = clock.speed(made.frames)
    total = _frames(media.info, job, process)
    return Estimate(
        input=job.input,
        output=job.output,
        width=process.info.width,
        height=process.info.height,
        frames=total,
        frames_per_second=round(speed, 2),
        seconds=None if total is None else round(total / speed, 1),
        disk_bytes=None if total is None else 2 * made.bytes * total // max(made.frames, 1),
        disk_free=shutil.disk_usage(job.output.absolute().parent).free,
        memory_bytes=_peak_memory(),
        kept=tuple(f"{plan.track.kind} {plan.track.codec}: {plan.action}" for plan in streams.tracks),
        warnings=(*media.warnings, *loss_warnings(process.info, job.settings), *streams.warnings),
    )


def forecast(job: Compress, *, workers: int = 1) -> Estimate:
    """Encode samples of the film of `job` for real, away from its output, and reckon size and time from them.

    Raises what the job itself would raise for its input and its options.
    """
    container = container_of(job.output, job.codec)
    media = probe(job.input, max_pixels=job.max_pixels)
    size, quality = job.targets()
    carried = carried_along(job, media)

    def wanted(curve: Curve) -> float:
        crf = float(job.settings(media).row.crf or 0) if job.crf is None else job.crf
        if quality is not None:
            crf = curve.crf_of_quality(quality.least)
        if size is not None and size > carried:
            crf = max(crf if quality is not None else 0.0, curve.crf_of_octaves(math.log2(size - carried)))
        return crf

    stop = threading.Event()
    with (
        tempfile.TemporaryDirectory() as place,
        open_folder(Path(place) / job.output.name, {}) as folder,
    ):
        film = opened(job, media, folder, workers=workers, watch=lambda event: None, stop=stop)
        began = time.monotonic()
        shape = film.shape(wanted)
        speed = film.trials.encoded / (time.monotonic() - began)
        frames, settings = film.plan.frames, film.settings
    passes = 1 if size is None and quality is None else PASSES
    made = None if job.lossless else round(2 ** shape.octaves(wanted(shape))) + carried
    streams = plan_streams(media.streams, container)
    return Estimate(
        input=job.input,
        output=job.output,
        width=media.info.width,
        height=media.info.height,
        frames=frames,
        frames_per_second=round(speed / passes, 2),
        seconds=round(frames * passes / speed, 1),
        disk_bytes=None if made is None else (passes + 1) * made,
        disk_free=shutil.disk_usage(job.output.absolute().parent).free,
        memory_bytes=_peak_memory(),
        kept=tuple(f"{plan.track.kind} {plan.track.codec}: {plan.action}" for plan in streams.tracks),
        warnings=(*media.warnings, *loss_warnings(media.info, settings), *streams.warnings),
        bytes=made,
    )


class _Clock:
    """Times frames after the first, which pays for caches and thread pools."""

    def __init__(self) -> None:
        self._began = self._first = 0.0

    def watch(self, frames: Iterator[Frame]) -> Iterator[Frame]:
        self._began = time.monotonic()
        for frame in frames:
            self._first = self._first or time.monotonic()
            yield frame

    def speed(self, frames: int) -> float:
        """Frames per second up to now."""
        if frames == 1:
            return 1 / (time.monotonic() - self._began)
        return (frames - 1) / (time.monotonic() - self._first)


def _frames(info: VideoInfo, job: Job, process: Process) -> int | None:
    """How many frames will be made, as far as the source says how long it is."""
    begin, end = job.span
    duration = info.duration if info.duration is not None else (info.length and info.length / info.rate)
    if duration is None:
        return None
    if begin >= duration:
        raise BadInput(job.input, f"it has no frame from {float(begin):g} s on", "choose an earlier --start")
    if info.length is not None and begin == 0 and end is None and process.rate is None:
        return info.length * process.needs.rate
    return max(1, round((min(end or duration, duration) - begin) * (process.rate or process.info.rate)))


def _peak_memory() -> int:
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
