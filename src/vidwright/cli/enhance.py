"""`vidwright enhance`."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from vidwright.cli.batch import RunOptions, default_suffix, run_all, sampled
from vidwright.cli.files import distinct, inputs, output
from vidwright.core.errors import VidwrightError
from vidwright.io import probe
from vidwright.io.codecs import CODECS
from vidwright.jobs.auto import rate_for, scale_for
from vidwright.jobs.enhance import Enhance, enlarged
from vidwright.jobs.options import EnhanceOptions


def enhance(
    files: Annotated[list[str], Parameter(name="IN", negative=())],
    /,
    *,
    out: Annotated[str | None, Parameter(name=["--output", "-o"])] = None,
    sample: str | None = None,
    options: Annotated[EnhanceOptions, Parameter(name="*")] = EnhanceOptions(),  # noqa: B008 (frozen)
    how: RunOptions = RunOptions(),  # noqa: B008 (frozen)
) -> int:
    """Enhance videos: deinterlace, clean, enlarge, interpolate; sound, subtitles, chapters and colour are kept.

    What is not given is decided by a look at each file, and said in a line.

    Run the same command again to go on with an interrupted job.

    Parameters
    ----------
    files
        Files, folders, quoted globs, @list.txt, or - for a list on stdin.
    out
        A file, a folder, or a template such as 'out/{stem}_{height}p.{ext}'.
    sample
        Only this much of each file, from --start on: 5s.
    """
    options = sampled(options, sample)
    sources = inputs(files)
    outputs = [_output(source, out, options) for source in sources]
    distinct(outputs)
    jobs = [
        Enhance(input=source, output=path, **options.model_dump())
        for source, path in zip(sources, outputs, strict=True)
    ]
    return run_all(jobs, how)


def _output(source: Path, pattern: str | None, options: EnhanceOptions) -> Path:
    fields: dict[str, str | int] = {
        "ext": default_suffix(source, CODECS[options.codec].containers),
        "model": options.model.replace(":", "-").replace("/", "-"),
        "codec": options.codec,
    }
    try:
        info = probe(source, max_pixels=options.max_pixels).info
        scale, rate = scale_for(info, options), Fraction(rate_for(info, options) or info.rate)
    except VidwrightError:  # which the job itself will say, in its turn
        unknown = dict.fromkeys(("scale", "height", "width", "fps"), "")
        return output(source, pattern, "{stem}.enhanced.{ext}", fields | unknown)
    width, height = enlarged(info, scale)
    fields |= {"scale": f"{scale:g}", "height": height, "width": width, "fps": f"{float(rate):.5g}"}
    return output(source, pattern, "{stem}.enhanced.{ext}" if scale == 1 else "{stem}.x{scale}.{ext}", fields)
