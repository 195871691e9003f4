"""Running a job: plan, make the segments that are not there yet, join."""

from __future__ import annotations

import threading
import time
from contextlib import closing
from dataclasses import replace
from fractions import Fraction
from typing import Any

import vidwright
from vidwright.core import Report
from vidwright.core.errors import Interrupted
from vidwright.io.codecs import container_of
from vidwright.io.join import SegmentPart, join
from vidwright.io.probe import MediaInfo, probe
from vidwright.io.writer import check_destination
from vidwright.jobs.compress import Compress, compress
from vidwright.jobs.folder import JobFolder, Plan, fingerprint, open_folder
from vidwright.jobs.generate import Generate, make
from vidwright.jobs.job import Event, Job, Process, Tell, Watch
from vidwright.jobs.planning import planned
from vidwright.jobs.restore import filters
from vidwright.jobs.segments import HAIR
from vidwright.jobs.work import Local


def run(
    job: Job | Generate | Compress,
    *,
    on: Local | None = None,
    overwrite: bool = False,
    restart: bool = False,
    watch: Watch = lambda event: None,
    tell: Tell = lambda words: None,
    stop: threading.Event | None = None,
) -> Report:
    """Do `job` as it is `decided`, going on from where an interrupted run of the same job stopped unless `restart`.

    `tell` is told once what was decided, if anything was, when nothing stands against it; `watch` is told of progress,
    from any thread. When `stop` gets set, the segments under way are finished and
    `Interrupted` is raised; what is finished is used by the next run. Raises the errors of `probe`,
    `check_destination`, `join` and of the job itself; on any of them `job.output` is as it was.
    """
    if isinstance(job, Generate):  # of no input: nothing of what follows is to be done for it
        return make(job, overwrite=overwrite, restart=restart, watch=watch, stop=stop)
    if isinstance(job, Compress):  # which makes each segment several times
        workers = 1 if on is None else on.workers
        return compress(job, workers=workers, overwrite=overwrite, restart=restart, watch=watch, tell=tell, stop=stop)
    began = time.monotonic()
    container_of(job.output, job.settings.codec)
    media = probe(job.input, max_pixels=job.max_pixels)
    check_destination(job.output, job.input, overwrite=overwrite)
    job, words = job.decided()
    process = job.open(media.info, threads=1)
    if words:
        tell(words)
    stop = stop or threading.Event()
    job = job.adapted(media.info, tell=tell, stop=stop)
    with open_folder(job.output, job.key(fingerprint(job.input), vidwright.__version__), restart=restart) as folder:
        layout = folder.plan or planned(job, media, process, watch, stop)
        folder.keep_plan(layout)
        resumed = len(folder.done)
        _make(job, on or Local(), folder, layout, watch, stop)
        watch(Event("join", layout.frames, layout.frames))
        report = _join(job, media, process, folder, layout, overwrite)
        notes = _notes(folder, layout)
        folder.remove()
    _, unused = filters(job.input)
    warnings = dict.fromkeys((*media.warnings, *[unused] * bool(unused), *layout.warnings, *report.warnings))
    return replace(
        report,
        seconds=time.monotonic() - began,
        damage=layout.damage,
        warnings=tuple(warnings),
        details={
            "segments": len(layout.segments),
            "resumed_segments": resumed,
            "job": job.model_dump(mode="json"),
            **notes,
        },
    )


def _notes(folder: JobFolder, layout: Plan) -> dict[str, list[Any]]:
    """What was noted of frames, without that of the frames that a segment was only warmed up by."""
    found: dict[str, list[Any]] = {}
    for segment in layout.segments:
        for name, rows in folder.done[segment.number].details.items():
            found.setdefault(name, []).extend(
                row for row in rows if segment.begin <= Fraction(row[0]) + HAIR < segment.end
            )
    return found


def _make(job: Job, on: Local, folder: JobFolder, layout: Plan, watch: Watch, stop: threading.Event) -> None:
    done = sum(each.frames for each in folder.done.values())

    def progress(frames: int) -> None:
        nonlocal done
        done += frames
        watch(Event("work", done, layout.frames))

    todo = [segment for segment in layout.segments if segment.number not in folder.done]
    watch(Event("work", done, layout.frames))
    if todo:
        with closing(on.run(job, todo, folder.path, progress, stop)) as results:
            for made in results:
                folder.add(made)
    if (missing := len(layout.segments) - len(folder.done)) > 0:
        finished = len(layout.segments) - missing
        raise Interrupted(
            job.output,
            f"stopped with {finished} of {len(layout.segments)} segments done",
            "run the same command to go on",
        )


def _join(job: Job, media: MediaInfo, process: Process, folder: JobFolder, layout: Plan, overwrite: bool) -> Report:
    (begin, end), pace, info = job.span, process.pace, process.info
    streams = replace(media.streams, start=begin, stop=end, pace=pace)
    done = folder.done
    parts = [SegmentPart(folder.path / done[each.number].file, (each.begin - begin) / pace) for each in layout.segments]
    report = join(parts, streams, job.output, info=info, settings=job.settings, overwrite=overwrite)
    return replace(report, warnings=(*report.warnings, *(w for each in done.values() for w in each.warnings)))
