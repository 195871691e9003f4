"""`vidwright generate` and `vidwright repro`."""

from __future__ import annotations

import json
import shlex
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import torch
from cyclopts import Parameter

from vidwright.bench.sheet import sheet
from vidwright.cli.batch import size
from vidwright.cli.progress import Style, shown
from vidwright.cli.terminal import interruptible, say
from vidwright.core import Frame, Report
from vidwright.core.errors import Interrupted
from vidwright.core.files import write_atomic
from vidwright.io.stills import encode_still
from vidwright.jobs.generate import Generate, GenerateOptions, make, recorded

#: Seconds between two pictures of what is being made.
PREVIEW_EVERY = 1.0


@Parameter(name="*")
@dataclass(frozen=True)
class MakeOptions:
    """How a generation is run; none of it changes a result."""

    threads: int | None = None
    "Threads to compute with; all cores if not given."
    overwrite: Annotated[bool, Parameter(negative=())] = False
    "Replace outputs that exist."
    restart: Annotated[bool, Parameter(negative=())] = False
    "Forget what an interrupted run has finished."
    preview: Path | None = None
    "A PNG of the newest frame, written anew every second."
    progress: Style = "auto"
    "How progress is shown on stderr."
    json: Annotated[bool, Parameter(negative=())] = False
    "Print the result as JSON on stdout."


def generate(
    *,
    out: Annotated[Path, Parameter(name=["--output", "-o"])],
    count: int = 1,
    contact_sheet: Path | None = None,
    options: Annotated[GenerateOptions, Parameter(name="*", negative=())] = GenerateOptions(),  # noqa: B008 (frozen)
    how: MakeOptions = MakeOptions(),
) -> int:
    """Generate a video of a class, a picture, a clip to go on from or to look like, or of nothing at all.

    Run the same command again to go on with an interrupted job. The file says how it was made: see `vidwright repro`.

    Parameters
    ----------
    out
        The file; with --count, its name gets the seed of each before the suffix.
    count
        How many, with the seeds from --seed on.
    contact_sheet
        A PNG of all that were made: a row for each, frames from left to right.
    """
    shared = options.model_dump(exclude={"seed"})
    outputs = [out if count == 1 else out.with_stem(f"{out.stem}.{options.seed + n}") for n in range(count)]
    jobs = [Generate(output=path, seed=options.seed + n, **shared) for n, path in enumerate(outputs)]
    return _run(jobs, how, contact_sheet)


def repro(
    file: Path,
    /,
    *,
    out: Annotated[Path, Parameter(name=["--output", "-o"])],
    how: MakeOptions = MakeOptions(),
) -> int:
    """Make a generated file again, with the same bytes.

    Parameters
    ----------
    file
        A file that `vidwright generate` wrote.
    out
        Where the copy goes.
    """
    return _run([recorded(file, out)], how, None)


def _run(jobs: Sequence[Generate], how: MakeOptions, contact_sheet: Path | None) -> int:
    if how.threads is not None:
        torch.set_num_threads(how.threads)
    reports = [_run_one(job, how) for job in jobs]
    if contact_sheet is not None:
        write_atomic(contact_sheet, sheet([job.output for job in jobs]))
    if how.json:
        rows = [report.as_json() for report in reports]
        print(json.dumps(rows[0] if len(rows) == 1 else {"schema": 1, "results": rows}))
    return 0


def _run_one(job: Generate, how: MakeOptions) -> Report:
    show = (lambda frame: None) if how.preview is None else _preview(how.preview)
    try:
        with (
            interruptible("finishing the segment under way") as stop,
            shown(how.progress, job.output.name) as watch,
        ):
            report = make(job, overwrite=how.overwrite, restart=how.restart, watch=watch, show=show, stop=stop)
    except Interrupted:
        say(f"resume with: {shlex.join(['vidwright', *sys.argv[1:]])}")
        raise
    speed = f"{report.frames / report.seconds:.1f} fps"
    say(f"{report.output}: {report.frames} frames in {report.seconds:.1f} s ({speed}), {size(report.bytes)}")
    for warning in report.warnings:
        say(f"  warning: {warning}")
    return report


def _preview(path: Path) -> Callable[[Frame], None]:
    shown_at = float("-inf")

    def show(frame: Frame) -> None:
        nonlocal shown_at
        if time.monotonic() - shown_at >= PREVIEW_EVERY:
            shown_at = time.monotonic()
            write_atomic(path, encode_still(frame.data, format="png"))

    return show
