"""`vidwright edit`."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from vidwright.cli.batch import RunOptions, outputs_of, run_all, sampled
from vidwright.cli.files import inputs
from vidwright.jobs.changes import Change, Fill
from vidwright.jobs.edit import Edit, EditOptions
from vidwright.jobs.region import Region


def edit(
    files: Annotated[list[str], Parameter(name="IN", negative=())],
    /,
    *,
    out: Annotated[str | None, Parameter(name=["--output", "-o"])] = None,
    remove: Annotated[list[str] | None, Parameter(negative=())] = None,
    sample: str | None = None,
    options: Annotated[EditOptions, Parameter(name="*")] = EditOptions(),  # noqa: B008 (frozen)
    how: RunOptions = RunOptions(),  # noqa: B008 (frozen)
) -> int:
    """Edit videos."""
    options = sampled(options, sample)
    sources = inputs(files)
    outputs = outputs_of(sources, out, "{stem}.edited.{ext}", options.codec)
    changes = tuple(Change(region=Region.parse(word), put=Fill(model="none")) for word in remove or [])
    jobs = [
        Edit(input=source, output=path, changes=changes, **options.model_dump())
        for source, path in zip(sources, outputs, strict=True)
    ]
    return run_all(jobs, how)
