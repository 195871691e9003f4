"""`vidwright demo`: some of what there is, on the clip that comes with the package."""

from __future__ import annotations

from fractions import Fraction
from importlib import resources
from pathlib import Path

import torch

from vidwright.bench.compare import compare
from vidwright.bench.report import write_report
from vidwright.bench.sheet import drawn, evenly
from vidwright.cli.batch import RunOptions, run_all
from vidwright.cli.terminal import say
from vidwright.core.files import write_atomic
from vidwright.io import open_video
from vidwright.io.container import MAX_PIXELS
from vidwright.io.stills import encode_still
from vidwright.jobs.changes import Border, Change, Key, Keys
from vidwright.jobs.edit import Edit
from vidwright.jobs.enhance import Enhance
from vidwright.jobs.masks import Masks
from vidwright.jobs.region import Region

#: Seconds of the sample that are edited.
SECONDS = 0.3
#: Frames of each that are shown, and their rows.
SHOWN, ROWS = 4, 180


def demo(*, out: Path = Path("demo-out")) -> None:
    """Enlarge the sample clip and show before and after; take the flower out of it, recolour it, make it wider.

    Parameters
    ----------
    out
        Folder for the results, their page and their sheet.
    """
    out.mkdir(parents=True, exist_ok=True)
    sample = Path(str(resources.files("vidwright"))) / "sample" / "flower.mp4"
    result, page = out / "flower.x2.mp4", out / "flower.html"
    job = Enhance(input=sample, output=result, scale=2, clean="off", deinterlace="off", preset="veryfast")
    run_all([job], RunOptions(overwrite=True))
    say("making the page of before and after ...")
    write_report(compare(sample, result), page)
    edited = _edited(sample, out)
    print(f"result: {result}\nbefore and after: {page}\nedited: {edited}")


def _edited(sample: Path, out: Path) -> Path:
    """The sheet of the sample's first frames as it is, without its flower, with a blue one, and wider."""
    key = out / "blue.png"
    (first, *_) = open_video(sample)
    flower = Masks(Region.mask(sample.with_name("flower_mask.mkv")), open_video(sample).info, max_pixels=MAX_PIXELS)
    blue_CHW = torch.where(flower.at(first.time), first.data[[2, 1, 0]], first.data)
    write_atomic(key, encode_still(blue_CHW, format="png"))
    asked = {
        "removed": Change(region=Region.mask(sample.with_name("flower_mask.mkv")).grow(6)),
        "blue": Change(put=Keys(keys=(Key(path=key, at=0),), colour=True)),
        "wide": Change(put=Border(aspect="21:9")),
    }
    jobs = [
        Edit(input=sample, output=out / f"flower.{name}.mp4", changes=(change,), stop=SECONDS, preset="veryfast")
        for name, change in asked.items()
    ]
    run_all(jobs, RunOptions(overwrite=True))
    page = out / "edited.png"
    videos = [open_video(sample, stop=Fraction(str(SECONDS))), *(open_video(job.output) for job in jobs)]
    clips = [[frame.data[:3] for frame in video] for video in videos]
    write_atomic(page, drawn([[clip[n] for n in evenly(len(clip), SHOWN)] for clip in clips], side=ROWS))
    return page
