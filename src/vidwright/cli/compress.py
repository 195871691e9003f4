"""`vidwright compress`."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from vidwright.cli.batch import RunOptions, outputs_of, run_all, sampled
from vidwright.cli.files import inputs
from vidwright.jobs.compress import Compress, CompressOptions


def compress(
    files: Annotated[list[str], Parameter(name="IN", negative=())],
    /,
    *,
    out: Annotated[str | None, Parameter(name=["--output", "-o"])] = None,
    sample: str | None = None,
    options: Annotated[CompressOptions, Parameter(name="*")] = CompressOptions(),  # noqa: B008 (frozen)
    how: RunOptions = RunOptions(),  # noqa: B008 (frozen)
) -> int:
    """Compress videos to a size or a quality; sound, subtitles, chapters and colour are kept.

    The file is a standard one that plays anywhere. It is decoded and measured before it is called done: its size is
    never above the one asked for, and its quality not below.

    Run the same command again to go on with an interrupted job.

    Parameters
    ----------
    files
        Files, folders, quoted globs, @list.txt, or - for a list on stdin.
    out
        A file, a folder, or a template such as 'out/{stem}.{codec}.{ext}'.
    sample
        Only this much of each file, from --start on: 5s.
    """
    options = sampled(options, sample)
    sources = inputs(files)
    outputs = outputs_of(sources, out, "{stem}.compressed.{ext}", options.codec)
    shared = options.model_dump()
    return run_all([Compress(input=a, output=b, **shared) for a, b in zip(sources, outputs, strict=True)], how)
