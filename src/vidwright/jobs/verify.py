"""A finished file, decoded whole and measured against its source, before it takes its name."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from vidwright.core import Planes
from vidwright.core.errors import JobFailed
from vidwright.io.cursor import Cursor
from vidwright.io.reader import Reader
from vidwright.jobs.film import Film
from vidwright.jobs.job import Event, Watch
from vidwright.jobs.restore import Filters
from vidwright.jobs.trials import truth
from vidwright.metrics.quality import At, Name, likeness, measured, summary
from vidwright.nn.threads import one_torch_thread


@dataclass(frozen=True, slots=True)
class Verdict:
    """The figure of every frame of a file, and its MS-SSIM where that was asked for."""

    name: Name
    frames: tuple[float, ...]
    similar: tuple[float, ...] = ()

    def figure(self, at: At) -> float:
        """One figure of all frames."""
        return summary(self.name, self.frames, at)

    @property
    def similarity(self) -> float:
        """The mean of MS-SSIM over all frames."""
        return math.fsum(self.similar) / len(self.similar)

    @property
    def decisive(self) -> float:
        """What tells which of two is better: MS-SSIM where it was measured, else the measure of the file."""
        return self.similarity if self.similar else self.figure("mean")

    def of(self, frames: slice) -> Verdict:
        """That of some frames."""
        return replace(self, frames=self.frames[frames], similar=self.similar[frames])

    def as_json(self) -> dict[str, Any]:
        """Plain data: an infinite figure is null."""
        figures = {at: self.figure(at) for at in ("mean", "p5", "worst")}
        shown = {at: None if figure == float("inf") else round(figure, 4) for at, figure in figures.items()}
        facts = {"measure": self.name, **shown, "worst_frame": self.frames.index(min(self.frames))}
        return facts | ({"ms_ssim": round(self.similarity, 5)} if self.similar else {})


def verify(
    film: Film,
    path: Path,
    watch: Watch,
    source: Path,
    max_pixels: int,
    *,
    filters: Filters | None = None,
    similarity: bool = False,
) -> Verdict:
    """Decode all of `path`, through `filters` if it is to be seen so, and measure it, by MS-SSIM too if asked for.

    Raises `JobFailed` when it is damaged or has not the source's frames.
    """
    first, last = film.plan.segments[0].start, film.plan.segments[-1].stop
    seen, similar = 0, list[float]()

    def shown(reader: Reader) -> Iterator[Planes]:
        nonlocal seen
        for picture in reader if filters is None else filters.through(reader):
            seen += 1
            watch(Event("verify", seen, film.plan.frames))
            yield picture.planes()

    def noted(pairs: Iterable[tuple[Planes, Planes]]) -> Iterator[tuple[Planes, Planes]]:
        for made, true in pairs:
            if similarity:
                similar.append(likeness(made, true))
            yield made, true

    with Reader(path, cuts=False) as reader, Cursor(source, keep=1, max_pixels=max_pixels) as again, one_torch_thread():
        wanted = (truth(picture, film.settings) for picture in again.pictures(first, last))
        try:
            if film.settings.lossless:
                figures = [_equal(made, true) for made, true in zip(shown(reader), wanted, strict=True)]
            else:  # both sides are read in turn, so that neither is stored
                left, right = itertools.tee(noted(zip(shown(reader), wanted, strict=True)))
                output, target = (made for made, _ in left), (true for _, true in right)
                figures = measured(film.trials.name, output, target, rate=film.media.info.rate)
        except ValueError as error:
            raise _not_whole(path, str(error)) from error
        if reader.damage or seen != film.plan.frames:
            raise _not_whole(path, f"{seen} of {film.plan.frames} frames, damage: {reader.damage}")
    return Verdict(film.trials.name, tuple(figures), tuple(similar))


def _equal(made: Planes, true: Planes) -> float:
    """The PSNR of a picture that is as it was. Raises `ValueError` for another, in luma or in chroma."""
    for name in ("y", "u", "v"):
        a, b = getattr(made, name), getattr(true, name)
        if a is not None and b is not None and not torch.equal(a, b):
            raise ValueError(f"code values at {float(true.time):.3f} s are not what they were")
    return math.inf


def _not_whole(path: Path, what: str) -> JobFailed:
    step = "run the same command with --restart; if it happens again, report it with this message"
    return JobFailed(path, f"the finished file is not what it should be ({what})", step)
