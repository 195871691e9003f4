"""`vidwright decompress`."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from vidwright.cli.batch import RunOptions, outputs_of, run_all, sampled
from vidwright.cli.files import inputs
from vidwright.jobs.decompress import Decompress, DecompressOptions


def decompress(
    files: Annotated[list[str], Parameter(name="IN", negative=())],
    /,
    *,
    out: Annotated[str | None, Parameter(name=["--output", "-o"])] = None,
    sample: str | None = None,
    options: Annotated[DecompressOptions, Parameter(name="*")] = DecompressOptions(),  # noqa: B008 (frozen)
    how: RunOptions = RunOptions(),  # noqa: B008 (frozen)
) -> int:
    """Write the picture of compressed videos as `compress --restore` measured it; all else is kept.

    A file without such data comes out as any player shows it.

    Parameters
    ----------
    files
        Files, folders, quoted globs, @list.txt, or - for a list on stdin.
    out
        A file, a folder, or a template such as 'out/{stem}.{ext}'.
    sample
        Only this much of each file, from --start on: 5s.
    """
    options = sampled(options, sample)
    sources = inputs(files)
    outputs = outputs_of(sources, out, "{stem}.decompressed.{ext}", options.codec)
    shared = options.model_dump()
    return run_all([Decompress(input=a, output=b, **shared) for a, b in zip(sources, outputs, strict=True)], how)
