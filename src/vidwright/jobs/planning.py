"""The one pass over a source that a job is planned from."""

from __future__ import annotations

import bisect
import threading
from fractions import Fraction
from pathlib import Path
from typing import Protocol

from vidwright.core.errors import BadInput, Interrupted
from vidwright.io.probe import MediaInfo
from vidwright.io.scan import scan
from vidwright.jobs.folder import Plan
from vidwright.jobs.job import SEGMENT_SECONDS, Event, Process, Watch
from vidwright.jobs.segments import plan


class Ranged(Protocol):
    """A job that works on a part of a source."""

    @property
    def input(self) -> Path: ...
    @property
    def output(self) -> Path: ...
    @property
    def max_pixels(self) -> int: ...
    @property
    def span(self) -> tuple[Fraction, Fraction | None]: ...


def planned(
    job: Ranged, media: MediaInfo, process: Process, watch: Watch, stop: threading.Event, *, shots: bool = False
) -> Plan:
    """The segments of the part of the source that `job` works on, as `process` needs them; each shot's own of `shots`.

    `watch` is told of each frame that is read. Raises `BadInput` where that part has no frame, and `Interrupted`.
    """

    def progress(frames: int) -> None:
        if stop.is_set():
            raise Interrupted(job.output, "stopped before the first segment was begun", "run the same command to start")
        watch(Event("plan", frames, media.info.length))

    begin, end = job.span
    found = scan(job.input, max_pixels=job.max_pixels, progress=progress)
    first = bisect.bisect_left(found.times, begin)
    after = len(found.times) if end is None else bisect.bisect_left(found.times, end)
    last = found.times[-1] + (found.duration or 1 / media.info.rate)
    over = min(time for time in (last, *found.times[after : after + 1], end) if time is not None)
    segments = plan(
        found.times,
        found.cuts,
        process.needs,
        end=over,
        rate=process.rate,
        start=first,
        stop=after,
        seconds=SEGMENT_SECONDS,
        shots=shots,
    )
    if not segments:
        until = "on" if end is None else f"to {float(end):g} s"
        raise BadInput(
            job.input, f"it has no frame from {float(begin):g} s {until}", "choose an earlier --start or a later --stop"
        )
    return Plan(segments, found.damage, found.warnings)
