"""Read a whole file once, without its pixels: what a job has to know before it is planned."""

from __future__ import annotations

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

    `times` are exact seconds per frame, `cuts` the numbers of the frames that begin a new shot; `duration` is how long
    the last frame is shown, None where the file does not say.
    """

    times: tuple[Fraction, ...]
    cuts: tuple[int, ...]
    damage: Damage
    warnings: tuple[str, ...] = ()
    duration: Fraction | None = None


def scan(path: Path, *, max_pixels: int = MAX_PIXELS, progress: Callable[[int], None] | None = None) -> Scan:
    """Decode every frame of `path` and note its time and whether a shot begins there.

    `progress` is called after each frame with the number of frames so far. Raises `BadInput` as `Reader` does.
    """
    times: list[Fraction] = []
    cuts: list[int] = []
    duration: Fraction | None = None
    with Reader(path, max_pixels=max_pixels) as reader:
        for picture in reader:
            if picture.cut:
                cuts.append(len(times))
            times.append(picture.time)
            duration = picture.duration
            if progress is not None:
                progress(len(times))
        return Scan(tuple(times), tuple(cuts), reader.damage, reader.warnings, duration)
