"""Two video files, picture by picture: how near is B to A?"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import asdict, dataclass
from fractions import Fraction
from itertools import zip_longest
from pathlib import Path
from typing import Any, Literal

from vidwright.core import Planes, VideoInfo
from vidwright.core.errors import QualityMissed, UsageError
from vidwright.core.overlap import overlap
from vidwright.io.probe import probe
from vidwright.io.reader import Reader
from vidwright.metrics.align import Pair, align
from vidwright.metrics.psnr import mean_psnr, psnr
from vidwright.metrics.quality import nearest_rank
from vidwright.metrics.ssim import WINDOW, ssim
from vidwright.nn.threads import one_torch_thread

FigureName = Literal["psnr", "psnr_u", "psnr_v", "ssim"]
UNITS: dict[FigureName, str] = {"psnr": "dB", "psnr_u": "dB", "psnr_v": "dB", "ssim": ""}
#: The ways a figure of many frames is put into one number, each a field of `Figure`.
SUMMARIES = ("mean", "p5", "worst")
_WORST_SHOWN = 6


@dataclass(frozen=True, slots=True)
class FileFacts:
    """One of the two files: bytes on disk, upright size in pixels, mean rate, seconds, frames decoded."""

    path: Path
    bytes: int
    width: int
    height: int
    sample_aspect: Fraction
    rate: Fraction
    duration: Fraction
    frames: int
    codec: str
    pixel_format: str

    @property
    def bitrate(self) -> float:
        """Bits per second of the whole file, sound included; 0 when the duration is not known."""
        return float(self.bytes * 8 / self.duration) if self.duration else 0.0


@dataclass(frozen=True, slots=True)
class FrameScore:
    """The figures of one pair of pictures; `time` is A's, in seconds from its first frame.

    PSNR in dB of luma and of each chroma plane, infinite for equal planes; SSIM of luma. None is not measured.
    """

    time: Fraction
    psnr: float
    psnr_u: float | None
    psnr_v: float | None
    ssim: float | None


@dataclass(frozen=True, slots=True)
class Figure:
    """One measure over all frames: mean, 5th percentile (the frame that 95 % are at least as good as), worst frame.

    A mean PSNR leaves out equal frames, whose PSNR is infinite; `equal` counts them.
    """

    name: FigureName
    unit: str
    mean: float
    p5: float
    worst: float
    equal: int


@dataclass(frozen=True, slots=True)
class Comparison:
    """What `compare` found: both files, the figures, each frame's score, the worst frames' numbers, worst first."""

    a: FileFacts
    b: FileFacts
    figures: tuple[Figure, ...]
    frames: tuple[FrameScore, ...]
    worst: tuple[int, ...]
    warnings: tuple[str, ...]

    def figure(self, name: str) -> Figure | None:
        """The figure of that name, or None when it was not measured."""
        return next((figure for figure in self.figures if figure.name == name), None)

    def check(self, fail_under: dict[str, float]) -> None:
        """Hold the figures to gates, each a figure's name and its least value.

        A bare name means the mean; `psnr.p5` and `psnr.worst` mean the figure's other two summaries. Raises
        `QualityMissed` for the first figure below its gate, `UsageError` for what is no figure of this comparison.
        """
        for gate, least in fail_under.items():
            name, _, summary = gate.partition(".")
            figure = self.figure(name)
            if figure is None or (summary or "mean") not in SUMMARIES:
                legal = ", ".join(figure.name for figure in self.figures)
                raise UsageError(
                    f"--fail-under {gate}={least:g}",
                    f"{gate} is not a figure of this comparison",
                    f"use one of {legal}, with .p5 or .worst for another than the mean",
                )
            value: float = getattr(figure, summary or "mean")
            if not value >= least:
                shown = f"{value:.4f}".rstrip("0").rstrip(".")
                raise QualityMissed(
                    self.b.path,
                    f"{gate} is {shown}{figure.unit and ' '}{figure.unit}, below the gate of {least:g}",
                    f"make it with higher quality, or lower the gate; the worst frame is number {self.worst[0]}",
                )

    def as_json(self) -> dict[str, Any]:
        """Plain data for `--json`: an infinite PSNR is null, a figure that was not measured is left out."""
        return {
            "schema": 1,
            "a": _facts_json(self.a),
            "b": _facts_json(self.b),
            "figures": {figure.name: _json_figure(figure) for figure in self.figures},
            "frames": [_json_score(number, score) for number, score in enumerate(self.frames)],
            "worst": list(self.worst),
            "warnings": list(self.warnings),
        }


def compare(a: Path, b: Path, *, progress: Callable[[int, int | None], None] | None = None) -> Comparison:
    """Measure B against A, frame by frame in display order, on the luma and chroma code values as stored.

    Streams both files: memory holds a few pictures and the scores. Where the two differ in depth, size or
    chroma sampling the lesser is brought to the greater; that and any difference in length or timing is said in
    `warnings`. `progress(done, total)` is called for each pair; total is None where no container says it.
    Raises `BadInput` when a file can not be read or has no picture.
    """
    infos = probe(a).info, probe(b).info
    tally = _Tally(progress, _expected(*infos))
    with Reader(a, cuts=False) as left, Reader(b, cuts=False) as right, one_torch_thread():
        with closing(overlap(zip_longest(_planes(left), _planes(right)), depth=2)) as pairs:
            for first, second in pairs:
                tally.take(first, second)
        tally.add_notes("A", left)
        tally.add_notes("B", right)
    facts_a, facts_b = _facts(a, infos[0], tally.count_a), _facts(b, infos[1], tally.count_b)
    scores, warnings = tuple(tally.scores), tuple(tally.warnings(facts_a, facts_b))
    return Comparison(facts_a, facts_b, tuple(_figures(scores)), scores, _worst(scores), warnings)


class _Tally:
    """Scores each pair of pictures as it comes and remembers how the two files disagree."""

    def __init__(self, progress: Callable[[int, int | None], None] | None, expected: int | None) -> None:
        self._progress = progress
        self._expected = expected
        self._notes: dict[str, None] = {}  # in order of appearance, each once
        self._starts: tuple[Fraction, Fraction] | None = None
        self._apart = Fraction(0)
        self.scores: list[FrameScore] = []
        self.count_a = self.count_b = 0

    def take(self, first: Planes | None, second: Planes | None) -> None:
        self.count_a += first is not None
        self.count_b += second is not None
        if first is None or second is None:
            return
        if self._starts is None:
            self._starts = first.time, second.time
        time = first.time - self._starts[0]
        self._apart = max(self._apart, abs(time - (second.time - self._starts[1])))
        pair = align(first, second)
        self._notes.update(dict.fromkeys(pair.notes))
        self.scores.append(_score(pair, time))
        if self._progress is not None:
            self._progress(len(self.scores), self._expected)

    def add_notes(self, name: str, reader: Reader) -> None:
        self._notes.update(dict.fromkeys(f"{name}: {warning}" for warning in reader.warnings))
        if reader.damage:
            self._notes[f"{name} is damaged ({reader.damage}): a lost frame shifts every pair after it"] = None

    def warnings(self, a: FileFacts, b: FileFacts) -> Iterator[str]:
        yield from self._notes
        if a.frames != b.frames:
            shorter = min(a.frames, b.frames)
            yield f"A has {a.frames} frames, B {b.frames}: the first {shorter} of each were compared"
        if self._apart * 2 > 1 / a.rate:
            yield f"frame times differ by up to {float(self._apart):.3f} s: frames were paired by number, not by time"
        if any(score.ssim is None for score in self.scores):
            yield f"SSIM was not measured: it needs pictures of at least {WINDOW}x{WINDOW} pixels"


def _planes(reader: Reader) -> Iterator[Planes]:
    for picture in reader:
        yield picture.planes()


def _expected(a: VideoInfo, b: VideoInfo) -> int | None:
    lengths = [info.length for info in (a, b) if info.length is not None]
    return min(lengths) if lengths else None


def _score(pair: Pair, time: Fraction) -> FrameScore:
    chroma = [psnr(second, first, peak=pair.peak) for first, second in pair.chroma]
    first, second = pair.luma
    large_enough = min(first.shape) >= WINDOW
    return FrameScore(
        time=time,
        psnr=psnr(second, first, peak=pair.peak),
        psnr_u=chroma[0] if chroma else None,
        psnr_v=chroma[1] if chroma else None,
        ssim=ssim(second, first, peak=pair.peak) if large_enough else None,
    )


def _figures(scores: tuple[FrameScore, ...]) -> Iterator[Figure]:
    for name, unit in UNITS.items():
        values: list[float] = [value for score in scores if (value := getattr(score, name)) is not None]
        if len(values) < len(scores):
            continue
        mean = math.fsum(values) / len(values) if name == "ssim" else mean_psnr(values)
        equal = sum(math.isinf(score.psnr) for score in scores) if name == "ssim" else sum(map(math.isinf, values))
        yield Figure(name, unit, mean, nearest_rank(values, 5), min(values), equal)


def _worst(scores: tuple[FrameScore, ...]) -> tuple[int, ...]:
    """Frames of lowest luma PSNR, kept a twentieth of the length apart: neighbours of a bad frame tell nothing new."""
    apart = max(len(scores) // 20, 1)
    chosen: list[int] = []
    for number in sorted(range(len(scores)), key=lambda n: (scores[n].psnr, n)):
        if math.isinf(scores[number].psnr) and chosen:
            break
        if all(abs(number - other) >= apart for other in chosen):
            chosen.append(number)
        if len(chosen) == _WORST_SHOWN:
            break
    return tuple(chosen)


def _facts(path: Path, info: VideoInfo, frames: int) -> FileFacts:
    duration = info.duration if info.duration is not None else frames / info.rate
    return FileFacts(
        path=path,
        bytes=path.stat().st_size,
        width=info.width,
        height=info.height,
        sample_aspect=info.sample_aspect,
        rate=info.rate,
        duration=duration,
        frames=frames,
        codec=info.codec,
        pixel_format=info.pixel_format,
    )


def _facts_json(facts: FileFacts) -> dict[str, Any]:
    return asdict(facts) | {
        "path": str(facts.path),
        "sample_aspect": str(facts.sample_aspect),
        "rate": str(facts.rate),
        "duration": float(facts.duration),
        "bitrate": round(facts.bitrate),
    }


def _json_figure(figure: Figure) -> dict[str, Any]:
    plain = asdict(figure)
    del plain["name"]
    return {key: _finite(value) for key, value in plain.items()}


def _json_score(number: int, score: FrameScore) -> dict[str, Any]:
    measured = {name: _finite(value) for name in UNITS if (value := getattr(score, name)) is not None}
    return {"frame": number, "time": float(score.time), **measured}


def _finite(value: Any) -> Any:
    return None if isinstance(value, float) and math.isinf(value) else value
