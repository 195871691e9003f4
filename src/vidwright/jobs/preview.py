"""Single frames of an edit, made exactly as the whole job would make them, to look at before it is run."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import closing
from fractions import Fraction
from itertools import islice

from vidwright.core import Frame
from vidwright.io.cursor import Cursor
from vidwright.io.probe import probe
from vidwright.io.scan import scan
from vidwright.jobs.changes import Keys
from vidwright.jobs.edit import Edit
from vidwright.jobs.job import Tell
from vidwright.jobs.segments import plan, shown_at

#: Frames that are shown of an edit that has no keys.
FRAMES = 5


def preview(job: Edit, *, tell: Tell = lambda words: None) -> Iterator[tuple[Frame, Frame]]:
    """Frames before and after: those of the keys of all changes, or `FRAMES` evenly spaced ones.

    Raises what running the job would.
    """
    info = probe(job.input, max_pixels=job.max_pixels).info
    job, _ = job.decided()
    job = job.adapted(info, tell=tell, stop=threading.Event())
    process = job.open(info, threads=os.cpu_count() or 1)
    found = scan(job.input, max_pixels=job.max_pixels)
    with Cursor(job.input, keep=process.needs.warmup + process.needs.lookahead, max_pixels=job.max_pixels) as cursor:
        for n in _shown(job, found.times):
            (part,) = plan(found.times, found.cuts, process.needs, end=found.times[-1] + 1, start=n, stop=n + 1)
            frames = list(cursor.read(part.first, part.last))
            with closing(process.stream(iter(frames), found.times[n])) as results:
                skip = n - part.first if process.rate is None else 0
                yield frames[n - part.first], next(islice(results, skip, None))


def _shown(job: Edit, times: tuple[Fraction, ...]) -> list[int]:
    """The numbers of the frames to show."""
    seconds = [shape.at for change in job.changes for shape in change.region.shapes if shape.at is not None]
    seconds += [key.at for change in job.changes for put in [change.put] if isinstance(put, Keys) for key in put.keys]
    if not seconds:
        return sorted({round((k + 0.5) * len(times) / FRAMES - 0.5) for k in range(FRAMES)})
    return sorted({shown_at(times, Fraction(str(at))) for at in seconds})
