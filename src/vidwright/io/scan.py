"""Read a whole file once, without its pixels: what a job has to know before it is planned."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from vidwright.core.report import Damage
from vidwright.io.container import MAX_PIXELS
from vidwright.io.reader import Reader


@dataclass(frozen=True, slots=True)
class Scan:
    """The result of one whole decode.

    `times` and `durations` are exact seconds per frame; a duration reaches to the next frame, the last one is what
    the file says or else that of the frame before. `cuts` are the numbers of the frames that begin a new shot.
    """

    times: tuple[Fraction, ...]
    durations: tuple[Fraction, ...]
    cuts: tuple[int, ...]
    damage: Damage
    warnings: tuple[str, ...] = ()


def scan(path: Path, *, max_pixels: int = MAX_PIXELS, progress: Callable[[int], None] | None = None) -> Scan:
    """Decode every frame of `path` and note its time and whether a shot begins there.

    `progress` is called after each frame with the number of frames so far. Raises `BadInput` as `Reader` does.
    """
    times: list[Fraction] = []
    cuts: list[int] = []
    last: Fraction | None = None
    with Reader(path, max_pixels=max_pixels) as reader:
        for picture in reader:
            if picture.cut:
                cuts.append(len(times))
            times.append(picture.time)
            last = picture.duration
            if progress is not None:
                progress(len(times))
        durations = [after - before for before, after in itertools.pairwise(times)]
        durations.append(last or (durations[-1] if durations else Fraction(1, 25)))
        return Scan(tuple(times), tuple(durations), tuple(cuts), reader.damage, reader.warnings)
