"""`vidwright compare`."""

from __future__ import annotations

import json as jsonlib
import math
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from vidwright.bench.compare import compare as compare_files
from vidwright.bench.report import write_report
from vidwright.cli.progress import Style, shown
from vidwright.cli.terminal import say
from vidwright.core.errors import UsageError
from vidwright.jobs.job import Event


def compare(
    a: Path,
    b: Path,
    /,
    *,
    report: Path | None = None,
    fail_under: Annotated[list[str] | None, Parameter(negative=())] = None,
    progress: Style = "auto",
    json: Annotated[bool, Parameter(negative=())] = False,
) -> None:
    """Measure video B against video A, frame by frame: PSNR and SSIM.

    Parameters
    ----------
    a
        The reference.
    b
        What is compared with it.
    report
        Write a page with both videos, a wipe between them, and the worst frames.
    fail_under
        Exit with 8 when a figure is lower: psnr=35, ssim.p5=0.9, psnr.worst=30.
    progress
        How progress is shown on stderr.
    json
        Print the result as JSON.
    """
    with shown(progress, f"{a.name} and {b.name}") as watch:
        result = compare_files(a, b, progress=lambda done, total: watch(Event("work", done, total)))
    if json:
        print(jsonlib.dumps(result.as_json()))
    else:
        for figure in result.figures:
            mean, p5, worst = (_number(value) for value in (figure.mean, figure.p5, figure.worst))
            print(f"{figure.name:7} mean {mean} {figure.unit}, 5th percentile {p5}, worst {worst}".replace(" ,", ","))
    for warning in result.warnings:
        say(f"warning: {warning}")
    if report is not None:
        write_report(result, report)
        say(f"report: {report}")
    result.check(dict(_gate(each) for each in fail_under or ()))


def _number(value: float) -> str:
    return "∞" if math.isinf(value) else f"{value:.4g}"


def _gate(text: str) -> tuple[str, float]:
    name, _, value = text.partition("=")
    try:
        return name, float(value)
    except ValueError as error:
        raise UsageError(f"--fail-under {text}", "this is not figure=number", "give for example psnr=35") from error
