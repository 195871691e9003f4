"""Whether `compress` keeps what it promises: sizes that are not exceeded and nearly filled, qualities that are met."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from fractions import Fraction
from itertools import islice
from pathlib import Path
from statistics import median
from typing import Any, Literal

from vidwright.bench.rates import FRAMES
from vidwright.core import Frame, Video, VideoInfo
from vidwright.core.errors import JobFailed, QualityMissed
from vidwright.io.probe import probe
from vidwright.io.reader import Reader
from vidwright.io.writer import save_video
from vidwright.jobs.compress import Compress, compress
from vidwright.jobs.film import NEAR
from vidwright.metrics.quality import MEASURES, Name
from vidwright.nn.resample import resized

Codec = Literal["av1", "hevc", "h264"]
#: Kilobytes, twenty to one, and figures of a measure.
SIZES = (40, 80, 160, 320, 800)
#: The name of all clips one after the other.
FILM = "film"
QUALITIES: tuple[tuple[Name, float], ...] = (("vmaf", 90.0), ("psnr", 36.0), ("ssim", 0.96))


@dataclass(frozen=True, slots=True)
class Kept:
    """One run: what was asked for, and what the finished file has; `got` is None where no file can have it.

    `most` says that the source gives no larger file, or no better one.
    """

    clip: str
    codec: Codec
    asked: str
    wanted: float
    got: float | None
    most: bool = False


def film(files: Sequence[Path], path: Path) -> Path:
    """All clips one after the other in the first one's size, without loss: a film of many shots, at 25 frames a second.

    Raises `BadInput`.
    """
    first = probe(files[0]).info

    def frames() -> Iterator[Frame]:
        shown = 0
        for file in files:
            with Reader(file, cuts=False) as pictures:
                for picture in islice(pictures, FRAMES):
                    data = resized(picture.frame().data[None].movedim(1, -1), (1, first.height, first.width))
                    yield Frame(data[0].movedim(-1, 0), Fraction(shown, 25), Fraction(1, 25))
                    shown += 1

    info = VideoInfo(first.width, first.height, Fraction(25), Fraction(1, 25))
    save_video(Video(info, frames), path, codec="ffv1")
    return path


def sizes(files: Iterable[Path], codec: Codec, *, watch: Callable[[str], None]) -> Iterator[Kept]:
    """Every clip at every size."""
    for file in files:
        for size in SIZES:
            watch(f"{file.stem}: {codec}, {size} kB")
            details, got = _made(file, codec, target_size=f"{size}kB")
            most = got is not None and set(details["crf"].values()) == {1.0}
            yield Kept(file.stem, codec, "size", 1000.0 * size, got, most)


def qualities(files: Iterable[Path], codec: Codec, *, watch: Callable[[str], None]) -> Iterator[Kept]:
    """Every clip at every quality."""
    for file in files:
        for name, least in QUALITIES:
            watch(f"{file.stem}: {codec}, {name} {least:g}")
            details, got = _made(file, codec, target_quality=f"{name}={least:g}")
            reached = None if got is None else details["quality"]["mean"]
            most = got is not None and max(details["crf"].values()) >= 51
            yield Kept(file.stem, codec, name, least, reached, most)


def _made(file: Path, codec: Codec, **target: str) -> tuple[dict[str, Any], float | None]:
    """The details of a file and its bytes; None where it says that there can be none."""
    with tempfile.TemporaryDirectory() as place:
        output = Path(place) / "out.mkv"
        try:
            report = compress(Compress.model_validate({"input": file, "output": output, "codec": codec, **target}))
        except (JobFailed, QualityMissed):
            return {}, None
        return report.details, float(output.stat().st_size)


def text(found: Sequence[Kept]) -> str:
    """What was kept, in counts."""
    lines: list[str] = []
    for codec in dict.fromkeys(kept.codec for kept in found):
        own = [kept for kept in found if kept.codec == codec and kept.got is not None]
        for what in ("clips", FILM):
            files = [kept for kept in own if kept.asked == "size" and (kept.clip == FILM) == (what == FILM)]
            if files:
                above = sum(kept.got > kept.wanted for kept in files if kept.got is not None)
                able = [kept for kept in files if not kept.most]
                near = sum(kept.got >= NEAR * kept.wanted for kept in able if kept.got is not None)
                words = f"{above} exceeded, {near} of {len(able)} filled to 2 %"
                lines.append(f"{codec}, {what}: {len(files)} sizes, {words}")
        for name in MEASURES:
            same = [kept for kept in own if kept.asked == name]
            over = [kept.got - kept.wanted for kept in same if kept.got is not None]
            if over:
                missed = sum(each < 0 for each in over)
                lines.append(f"{codec}: {len(same)} of {name}, {missed} missed, median {median(over):+.3f} above")
    return "\n".join(lines)


def as_json(found: Sequence[Kept]) -> list[dict[str, Any]]:
    """Plain data."""
    return [asdict(kept) for kept in found]
