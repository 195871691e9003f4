"""`vidwright demo`: the main job on the clip that comes with the package."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

from vidwright.bench.compare import compare
from vidwright.bench.report import write_report
from vidwright.cli.batch import RunOptions, run_all
from vidwright.cli.terminal import say
from vidwright.jobs.enhance import Enhance


def demo(*, out: Path = Path("demo-out")) -> None:
    """Enlarge the sample clip and show before and after.

    Parameters
    ----------
    out
        Folder for the result and its page.
    """
    out.mkdir(parents=True, exist_ok=True)
    sample = Path(str(resources.files("vidwright"))) / "sample" / "flower.mp4"
    result, page = out / "flower.x2.mp4", out / "flower.html"
    job = Enhance(input=sample, output=result, scale=2, clean="off", deinterlace="off", preset="veryfast")
    run_all([job], RunOptions(overwrite=True))
    say("making the page of before and after ...")
    write_report(compare(sample, result), page)
    print(f"result: {result}\nbefore and after: {page}")
