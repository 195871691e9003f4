"""What a compression is to come to, in the user's words: a size, a quality."""

from __future__ import annotations

import re
from dataclasses import dataclass

from vidwright.core.errors import UsageError, did_you_mean
from vidwright.metrics.quality import CEILING, MEASURES, At, Name

_UNITS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "ki": 2**10, "mi": 2**20, "gi": 2**30}
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([kmg]i?)?b?", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Quality:
    """A figure that a measure has to reach, over all frames as `at` says."""

    name: Name
    least: float
    at: At

    def __str__(self) -> str:
        return f"{self.name} {self.least:g}" + ("" if self.at == "mean" else f" at {self.at}")


def size(text: str) -> int:
    """Bytes of a size such as 25MB (millions), 24MiB (of 2 to the 20th) or 800kB. Raises `UsageError`."""
    found = _SIZE.fullmatch(text.strip())
    count = round(float(found[1]) * _UNITS[(found[2] or "").lower()]) if found else 0
    if count <= 0:
        raise UsageError(f"--target-size {text}", "this is not a size", "give one such as 25MB, 800kB or 1.5GiB")
    return count


def quality(text: str, at: At) -> Quality:
    """A target such as vmaf=93. Raises `UsageError`, also for more than an equal picture has."""
    said, _, figure = text.partition("=")
    option = f"--target-quality {text}"
    known: dict[str, Name] = {name: name for name in MEASURES}
    name = known.get(said)
    if name is None:
        raise UsageError(option, f"there is no measure {said!r}", did_you_mean(said, MEASURES))
    try:
        least = float(figure)
    except ValueError:
        raise UsageError(option, "its figure is not a number", f"give one such as {name}={_USUAL[name]}") from None
    most = min(MEASURES[name].perfect, CEILING)
    if not 0 < least <= most:
        raise UsageError(option, "no file is that good", f"give at most {most:g}, or use --lossless")
    return Quality(name, least, at)


_USUAL: dict[Name, str] = {"psnr": "40", "ssim": "0.98", "vmaf": "93", "xpsnr": "38"}
