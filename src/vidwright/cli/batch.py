"""Running one job or many: what is asked, shown, printed and returned is the same for every verb."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, TypeVar

from cyclopts import Parameter

from vidwright.cli.files import distinct, output
from vidwright.cli.main import error_as_json
from vidwright.cli.progress import Style, shown
from vidwright.cli.terminal import interruptible, say
from vidwright.core import Report
from vidwright.core.errors import EXIT_DAMAGED_INPUT, BatchFailed, Interrupted, UsageError, VidwrightError
from vidwright.io.codecs import CODECS
from vidwright.jobs.compress import Compress
from vidwright.jobs.estimate import Estimate, estimate, forecast
from vidwright.jobs.framing import FILLED
from vidwright.jobs.job import Job, Range
from vidwright.jobs.run import run
from vidwright.jobs.work import Local

R = TypeVar("R", bound=Range)


@Parameter(name="*")
@dataclass(frozen=True)
class RunOptions:
    """How jobs are run; none of it changes a result."""

    workers: int = 1
    "Processes that make segments at the same time."
    threads: int | None = None
    "Threads of each worker; all cores divided among the workers if not given."
    overwrite: Annotated[bool, Parameter(negative=())] = False
    "Replace outputs that exist."
    skip_existing: Annotated[bool, Parameter(name=["--skip-existing", "-n"], negative=())] = False
    "Leave out inputs whose output exists."
    restart: Annotated[bool, Parameter(negative=())] = False
    "Forget what an interrupted run has finished."
    dry_run: Annotated[bool, Parameter(negative=())] = False
    "Say what would be done: streams kept or lost, memory, disk, time."
    progress: Style = "auto"
    "How progress is shown on stderr."
    json: Annotated[bool, Parameter(negative=())] = False
    "Print the result as JSON on stdout."


def run_all(
    jobs: Sequence[Job | Compress], options: RunOptions, *, noted: Callable[[Report], None] = lambda report: None
) -> int:
    """Run `jobs` one after the other, going on past failures, and print what came of each; returns the exit code.

    `noted` is given each report.

    A single job's error is raised; in a batch each is printed and `BatchFailed` is raised at the end.
    """
    results: list[dict[str, Any]] = []
    failed = damaged = 0
    for job in jobs:
        if options.skip_existing and job.output.exists():
            say(f"{job.output}: exists already, skipped")
            continue
        try:
            dry = options.dry_run
            result = _estimated(job, options) if dry else _run_one(job, options)
        except Interrupted:
            say(f"resume with: {shlex.join(['vidwright', *sys.argv[1:]])}")
            raise
        except VidwrightError as error:
            if len(jobs) == 1:
                raise
            failed += 1
            results.append({"error": error_as_json(error)})
            say(f"error: {error}")
            continue
        results.append(result.as_json())
        if isinstance(result, Report):
            damaged += bool(result.damage)
            noted(result)
        say(_words(result))
    if options.json:
        print(json.dumps(results[0] if len(jobs) == len(results) == 1 else {"schema": 1, "results": results}))
    if failed:
        raise BatchFailed(
            f"{failed} of {len(jobs)} files",
            "failed, as said above; the others are done",
            "mend them, and use --skip-existing",
        )
    return EXIT_DAMAGED_INPUT if damaged else 0


def size(count: float) -> str:
    """Bytes for people."""
    for unit in ("bytes", "kB", "MB", "GB"):
        if count < 1000 or unit == "GB":
            break
        count /= 1000
    return f"{count:.0f} {unit}" if unit == "bytes" else f"{count:.1f} {unit}"


def _estimated(job: Job | Compress, options: RunOptions) -> Estimate:
    if isinstance(job, Compress):
        return forecast(job, workers=options.workers)
    return estimate(job, threads=options.threads, tell=say)


def _run_one(job: Job | Compress, options: RunOptions) -> Report:
    on = Local(workers=options.workers, threads=options.threads)
    with interruptible("finishing the segment under way") as stop, shown(options.progress, job.input.name) as watch:
        return run(job, on=on, overwrite=options.overwrite, restart=options.restart, watch=watch, tell=say, stop=stop)


def _words(result: Report | Estimate) -> str:
    if isinstance(result, Report):
        lines = [
            f"{result.output}: {result.frames} frames in {result.seconds:.1f} s "
            f"({result.frames / result.seconds:.1f} fps), {size(result.bytes)}"
        ]
        lines += [f"  {words}" for words in (_quality(result), _restored(result), _filled(result)) if words]
        lines += [f"  damaged input: {result.damage}"] * bool(result.damage)
    else:
        time = "unknown time" if result.seconds is None else f"about {result.seconds:.0f} s"
        disk = "unknown" if result.disk_bytes is None else size(result.disk_bytes)
        lines = [
            f"{result.input} -> {result.output}: {result.width}x{result.height}, {result.frames or 'unknown'} frames",
            *([] if result.bytes is None else [f"  about {size(result.bytes)}"]),
            f"  {result.frames_per_second:g} fps, {time}; disk {disk} of {size(result.disk_free)} free; "
            f"memory {size(result.memory_bytes)}",
            *(f"  {kept}" for kept in result.kept),
        ]
    return "\n".join([*lines, *(f"  warning: {warning}" for warning in result.warnings)])


def _quality(report: Report) -> str:
    """What a verified file came to; nothing for other verbs."""
    found: dict[str, Any] | None = report.details.get("quality")
    if found is None:
        return ""
    shown = {at: "equal" if found[at] is None else f"{found[at]:.4g}" for at in ("mean", "p5", "worst")}
    figures = ", ".join(f"{at} {figure}" for at, figure in shown.items())
    crfs = report.details["crf"].values()
    spread = f"crf {min(crfs):g}" + ("" if min(crfs) == max(crfs) else f" to {max(crfs):g}")
    how = "lossless" if report.details["job"]["lossless"] else spread
    return (
        f"{found['measure']} {figures} (frame {found['worst_frame']}){_similarity(found)}; "
        f"{report.details['encoder']}, {how}"
    )


def _restored(report: Report) -> str:
    """What the filters of a file are worth; nothing where there are none."""
    found: dict[str, Any] | None = report.details.get("restored")
    if found is None:
        return ""
    cost = f"{found['bytes']} bytes for {found['shots']} of {report.details['segments']} shots"
    if "measure" not in found:
        return f"filters: {cost}"
    figures = ", ".join(f"{at} {found[at]:.4g}" for at in ("mean", "p5", "worst") if found[at] is not None)
    return f"by `vidwright decompress`: {found['measure']} {figures}{_similarity(found)}; {cost}"


def _similarity(found: dict[str, Any]) -> str:
    """MS-SSIM where it was measured too."""
    return f"; ms-ssim mean {found['ms_ssim']:.4f}" if "ms_ssim" in found else ""


def _filled(report: Report) -> str:
    """How what was hidden was filled; nothing where nothing was."""
    rows: list[tuple[float, float, float]] = report.details.get(FILLED, [])
    hidden = sum(part for _, part, _ in rows)
    if not hidden:
        return ""
    copied = sum(part * copy for _, part, copy in rows) / hidden
    return f"filled {len(rows)} frames: {copied:.0%} copied from other frames, {1 - copied:.0%} made up"


def sampled(options: R, sample: str | None) -> R:
    """`options` for only so much of the input as --sample says, such as 5s. Raises `UsageError`."""
    if sample is None:
        return options
    try:
        seconds = float(sample.removesuffix("s"))
    except ValueError:
        seconds = 0.0
    if seconds <= 0:
        raise UsageError(f"--sample {sample}", "this is not a length of time", "give seconds, such as 5s")
    return options.model_copy(update={"stop": options.start + seconds})


def default_suffix(source: Path, containers: Sequence[str]) -> str:
    """The source's own container where the codec may go into it, else Matroska, which holds everything."""
    suffix = source.suffix[1:].lower()
    return suffix if suffix in containers else "mkv" if "mkv" in containers else containers[0]


def outputs_of(sources: Sequence[Path], out: str | None, pattern: str, codec: str) -> list[Path]:
    """Where each source goes, by `out` or else `pattern`, in a container that holds `codec`; no two to one place."""
    outputs: list[Path] = []
    for source in sources:
        fields: dict[str, str | int] = {"ext": default_suffix(source, CODECS[codec].containers), "codec": codec}
        outputs.append(output(source, out, pattern, fields))
    distinct(outputs)
    return outputs
