"""Rate and distortion of codecs on the same clips, and what one saves against another at equal quality.

Every point is a whole file, container and all. Speeds are those of one process, encoder and decoder alone.
"""

from __future__ import annotations

import math
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from fractions import Fraction
from itertools import islice
from pathlib import Path
from types import MappingProxyType
from typing import Any

from vidwright.core import Planes
from vidwright.core.video import RESTORE_TYPE
from vidwright.data.neighbours import in_codes
from vidwright.io.attachments import Attachment
from vidwright.io.codecs import EncoderSettings
from vidwright.io.join import SegmentPart, join
from vidwright.io.probe import probe
from vidwright.io.reader import Picture, Reader
from vidwright.io.writer import encode_segment, segment_suffix
from vidwright.jobs.attach import Restore, general, measurable
from vidwright.jobs.gate import fitted
from vidwright.jobs.restore import Filters
from vidwright.jobs.sidecar import NAME, Sidecar
from vidwright.jobs.sidecar import written as sidecar_bytes
from vidwright.metrics.align import align
from vidwright.metrics.bd import bd_rate
from vidwright.metrics.lpips import Lpips
from vidwright.metrics.ms_ssim import SMALLEST
from vidwright.metrics.psnr import mean_psnr, psnr
from vidwright.metrics.quality import likeness, measured
from vidwright.nn.threads import one_torch_thread

#: Frames of each clip, and of a quick look.
FRAMES, QUICK = 60, 12
#: A clip is one shot; this many milliseconds are longer than any, in as many bytes as a minute takes.
FOR_EVER = 2**20
#: What is compared: settings but for the CRF. Ours is what `compress` uses where nothing is asked for.
OURS = "ours (SVT-AV1 6, 10 bits)"
ENCODERS: Mapping[str, EncoderSettings] = MappingProxyType(
    {
        "x264 medium": EncoderSettings("h264"),
        "x264 veryslow": EncoderSettings("h264", preset="veryslow"),
        "x265 medium": EncoderSettings("hevc"),
        "SVT-AV1 8": EncoderSettings("av1", preset="fast", pixel_format="yuv420p"),
        "SVT-AV1 6": EncoderSettings("av1", pixel_format="yuv420p"),
        "SVT-AV1 4": EncoderSettings("av1", preset="slow", pixel_format="yuv420p"),
        OURS: EncoderSettings("av1", pixel_format="yuv420p10le"),
    }
)
#: CRFs of about the same qualities.
CRFS: Mapping[str, tuple[int, ...]] = MappingProxyType(
    {"h264": (23, 28, 33, 38), "hevc": (24, 29, 34, 39), "av1": (30, 40, 50, 60)}
)
#: Those that are also measured with the filters that `compress --restore auto` or `perceptual` adds.
FILTERED: Mapping[str, Mapping[Restore, str]] = MappingProxyType(
    {
        "x264 medium": {"auto": "x264 medium + filter"},
        **{name: {"auto": f"{name} + filter", "perceptual": f"{name} + perceptual"} for name in ("x265 medium", OURS)},
    }
)
ROWS = tuple(row for name in ENCODERS for row in (name, *FILTERED.get(name, {}).values()))
#: Columns of their names in a table.
WIDE = max(map(len, ROWS))
ANCHORS = ("x265 medium", "SVT-AV1 6", OURS)
#: MS-SSIM where pictures are large enough, LPIPS where its weights are given.
FIGURES = ("psnr_y", "psnr_u", "psnr_v", "ms_ssim", "vmaf", "lpips")


@dataclass(frozen=True, slots=True)
class Coded:
    """A clip encoded once: bytes of the file, pixels of its pictures, frames per second both ways, figures by name."""

    clip: str
    encoder: str
    crf: float
    bytes: int
    pixels: int
    encode_fps: float
    decode_fps: float
    figures: dict[str, float]


@dataclass(frozen=True, slots=True)
class Saving:
    """The rate that an encoder needs for the quality of another, in percent more, over the clips where both overlap."""

    encoder: str
    anchor: str
    figure: str
    percent: float
    clips: int


def points(
    files: Iterable[Path],
    *,
    only: Sequence[str] = (),
    frames: int = FRAMES,
    lpips: Path | None = None,
    watch: Callable[[str], None] = lambda line: None,
) -> Iterator[Coded]:
    """Every clip by every encoder, or `only` by those that begin with one of these, at all its CRFs, as it is done.

    `lpips` is a file of LPIPS's weights; raises `ModelRefused` for one that is not.
    """
    if lpips is not None:
        Lpips(lpips)  # which refuses other files before anything is encoded
    with tempfile.TemporaryDirectory() as place, one_torch_thread():
        for file in files:
            with Reader(file, cuts=False) as reader:
                source = _Source(file, list(islice(reader, frames)), lpips)
            for encoder, settings in ENCODERS.items():
                if only and not encoder.startswith(tuple(only)):
                    continue
                watch(f"{file.stem}: {encoder}")
                for crf in CRFS[settings.codec]:
                    yield from _coded(source, encoder, crf, Path(place))


class _Source:
    """A clip in memory, and what is measured against it."""

    def __init__(self, file: Path, pictures: Sequence[Picture], lpips: Path | None) -> None:
        self.name, self.info, self.pictures = file.stem, probe(file).info, pictures
        self.planes = [picture.planes() for picture in pictures]
        self._lpips = lpips

    def figures(self, seen: Sequence[Picture]) -> dict[str, float]:
        """All that is known of a copy, in the mean over pictures."""
        found = _figures([picture.planes() for picture in seen], self.planes)
        if self._lpips is None:
            return found
        distance = Lpips(self._lpips)
        for output, target in zip(seen, self.pictures, strict=True):
            distance.update(output.frame().data[:3], target.frame().data[:3])
        return found | {distance.name: distance.result()}


def _coded(source: _Source, encoder: str, crf: float, place: Path) -> Iterator[Coded]:
    """The clip encoded, and once more with each of its filters where the encoder is one of `FILTERED`."""
    info, pictures = source.info, source.pictures
    settings = replace(ENCODERS[encoder], crf=float(crf))
    segment, path = place / f"coded{segment_suffix(settings)}", place / "coded.mkv"

    def written(*attachments: Attachment) -> int:
        parts = [SegmentPart(segment, Fraction(0))]
        return join(parts, None, path, info=info, settings=settings, overwrite=True, attachments=attachments).bytes

    def shown(through: Callable[[Reader], Iterable[Picture]]) -> tuple[list[Picture], float]:
        began = time.monotonic()
        with Reader(path, cuts=False) as reader:
            return list(through(reader)), len(pictures) / (time.monotonic() - began)

    began = time.monotonic()
    made = encode_segment(iter(pictures), info, segment, settings)
    seconds, size = time.monotonic() - began, written()
    seen, speed = shown(lambda reader: reader)
    figures, pixels = source.figures(seen), len(pictures) * info.width * info.height
    plain = Coded(source.name, encoder, crf, size, pixels, len(pictures) / seconds, speed, figures)
    yield plain
    for restore, row in FILTERED.get(encoder, {}).items():
        if not measurable(restore, info):
            continue
        began, base, own = time.monotonic(), general(restore, info, settings, path), plain
        shot = fitted(segment, map(in_codes, source.planes), len(pictures), base, settings.codec, size=made.payload)
        fps = len(pictures) / (seconds + time.monotonic() - began)
        if not shot.plain:
            found = Sidecar(base.weights, (replace(shot, milliseconds=FOR_EVER),))
            size = written(Attachment(NAME, RESTORE_TYPE, sidecar_bytes(found)))
            seen, speed = shown(Filters(found, base.net, settings.codec).through)
            own = replace(plain, bytes=size, decode_fps=speed, figures=source.figures(seen))
        yield replace(own, encoder=row, encode_fps=fps)


def _figures(output: Sequence[Planes], target: Sequence[Planes]) -> dict[str, float]:
    rows: list[list[float]] = []
    similar: list[float] = []
    for a, b in zip(output, target, strict=True):
        pair = align(a, b)
        rows.append([psnr(p, q, peak=pair.peak) for p, q in (pair.luma, *pair.chroma)])
        if min(a.y.shape) >= SMALLEST:
            similar.append(likeness(a, b))
    found = {name: mean_psnr(column) for name, column in zip(FIGURES, zip(*rows, strict=True), strict=False)}
    if similar:
        found["ms_ssim"] = math.fsum(similar) / len(similar)
    scores = measured("vmaf", output, target)
    return found | {"vmaf": math.fsum(scores) / len(scores)}


def savings(found: Sequence[Coded], *, without: Iterable[str] = ()) -> list[Saving]:
    """BD-rates of each encoder against the anchors by each figure, in the mean over clips but those `without`."""
    skipped = set(without)
    curves: dict[tuple[str, str], list[Coded]] = {}
    for coded in found:
        if coded.clip not in skipped:
            curves.setdefault((coded.clip, coded.encoder), []).append(coded)
    rows: list[Saving] = []
    for anchor in ANCHORS:
        for encoder in ROWS:
            for figure in FIGURES:
                own = [(curves.get((clip, anchor)), curve) for (clip, name), curve in curves.items() if name == encoder]
                each = [_saving(base, curve, figure) for base, curve in own if base is not None and base is not curve]
                each = [percent for percent in each if percent is not None]
                if each:
                    rows.append(Saving(encoder, anchor, figure, math.fsum(each) / len(each), len(each)))
    return rows


def _saving(anchor: Sequence[Coded], curve: Sequence[Coded], figure: str) -> float | None:
    """None where the two do not overlap, or a curve turns back."""
    try:
        sides = [([c.bytes for c in each], [c.figures[figure] for c in each]) for each in (anchor, curve)]
        return bd_rate(*sides[0], *sides[1])
    except (ValueError, KeyError):
        return None


def text(found: Sequence[Coded], rows: Sequence[Saving]) -> str:
    """A table for each anchor, and the speeds."""
    known = [figure for figure in FIGURES if any(figure in coded.figures for coded in found)]
    lines: list[str] = []
    for anchor in ANCHORS:
        lines += [f"{'BD-rate, % against ' + anchor:{WIDE}}" + "".join(f"{figure:>9}" for figure in known)]
        for encoder in ROWS:
            cells = {row.figure: row.percent for row in rows if (row.encoder, row.anchor) == (encoder, anchor)}
            if cells:
                shown = (f"{cells[figure]:+9.1f}" if figure in cells else f"{'':>9}" for figure in known)
                lines.append(f"{encoder:{WIDE}}" + "".join(shown))
        lines.append("")
    lines.append(f"{'frames per second':{WIDE}}{'encode':>9}{'decode':>9}")
    for encoder in ROWS:
        own = [coded for coded in found if coded.encoder == encoder]
        if not own:
            continue
        speeds = (math.exp(math.fsum(map(math.log, values)) / len(own)) for values in _speeds(own))
        lines.append(f"{encoder:{WIDE}}" + "".join(f"{speed:9.0f}" for speed in speeds))
    return "\n".join(lines)


def _speeds(own: Sequence[Coded]) -> tuple[list[float], list[float]]:
    return [coded.encode_fps for coded in own], [coded.decode_fps for coded in own]


def as_json(found: Sequence[Coded], rows: Sequence[Saving], facts: Mapping[str, Any]) -> dict[str, Any]:
    """All points and savings as plain data."""
    return {
        "schema": 1,
        "machine": dict(facts),
        "points": [asdict(coded) for coded in found],
        "savings": [asdict(row) for row in rows],
    }
