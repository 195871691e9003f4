"""Rate and distortion of codecs on the same clips, and what one saves against another at equal quality.

Every point is a whole file, container and all. Speeds are those of one process, encoder and decoder alone.
"""

from __future__ import annotations

import math
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor

from vidwright.core import Planes
from vidwright.io.codecs import EncoderSettings
from vidwright.io.probe import probe
from vidwright.io.reader import Picture, Reader
from vidwright.io.writer import encode_segment, segment_suffix
from vidwright.metrics.align import align
from vidwright.metrics.bd import bd_rate
from vidwright.metrics.ms_ssim import SMALLEST, ms_ssim
from vidwright.metrics.psnr import mean_psnr, psnr
from vidwright.metrics.quality import measured
from vidwright.nn.threads import one_torch_thread

#: Frames of each clip, and of a quick look.
FRAMES, QUICK = 60, 12
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
ANCHORS = ("x265 medium", "SVT-AV1 6")
FIGURES = ("psnr_y", "psnr_u", "psnr_v", "ms_ssim", "vmaf")


@dataclass(frozen=True, slots=True)
class Coded:
    """A clip encoded once: bytes of the file, frames per second of both ways, and figures by name."""

    clip: str
    encoder: str
    crf: float
    bytes: int
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
    files: Iterable[Path], *, frames: int = FRAMES, watch: Callable[[str], None] = lambda line: None
) -> Iterator[Coded]:
    """Every clip by every encoder at all its CRFs, as they are done."""
    with tempfile.TemporaryDirectory() as place, one_torch_thread():
        for file in files:
            with Reader(file, cuts=False) as reader:
                pictures = list(islice(reader, frames))
            truth = [picture.planes() for picture in pictures]
            for encoder, settings in ENCODERS.items():
                watch(f"{file.stem}: {encoder}")
                for crf in CRFS[settings.codec]:
                    yield _coded(file, encoder, crf, pictures, truth, Path(place))


def _coded(
    file: Path, encoder: str, crf: float, pictures: Sequence[Picture], truth: Sequence[Planes], place: Path
) -> Coded:
    plain = ENCODERS[encoder]
    settings = EncoderSettings(plain.codec, crf, plain.preset, pixel_format=plain.pixel_format)
    path = place / f"coded{segment_suffix(settings)}"
    began = time.monotonic()
    made = encode_segment(iter(pictures), probe(file).info, path, settings)
    encoded = time.monotonic()
    with Reader(path, cuts=False) as reader:
        shown = list(reader)
    seconds = time.monotonic() - encoded
    figures = _figures([picture.planes() for picture in shown], truth)
    count = len(pictures)
    return Coded(file.stem, encoder, crf, made.bytes, count / (encoded - began), count / seconds, figures)


def _figures(output: Sequence[Planes], target: Sequence[Planes]) -> dict[str, float]:
    rows: list[list[float]] = []
    similar: list[float] = []
    for a, b in zip(output, target, strict=True):
        pair = align(a, b)
        rows.append([psnr(p, q, peak=pair.peak) for p, q in (pair.luma, *pair.chroma)])
        if min(a.y.shape) >= SMALLEST:
            similar.append(float(ms_ssim(*(_picture(each) for each in pair.luma), peak=pair.peak)))
    found = {name: mean_psnr(column) for name, column in zip(FIGURES, zip(*rows, strict=True), strict=False)}
    if similar:
        found["ms_ssim"] = math.fsum(similar) / len(similar)
    scores = measured("vmaf", output, target)
    return found | {"vmaf": math.fsum(scores) / len(scores)}


def _picture(plane_HW: Tensor) -> Tensor:
    return plane_HW[None, None].to(torch.float32)


def savings(found: Sequence[Coded], *, without: Iterable[str] = ()) -> list[Saving]:
    """BD-rates of each encoder against the anchors by each figure, in the mean over clips but those `without`."""
    skipped = set(without)
    curves: dict[tuple[str, str], list[Coded]] = {}
    for coded in found:
        if coded.clip not in skipped:
            curves.setdefault((coded.clip, coded.encoder), []).append(coded)
    rows: list[Saving] = []
    for anchor in ANCHORS:
        for encoder in ENCODERS:
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
    lines: list[str] = []
    for anchor in ANCHORS:
        lines += [f"{'BD-rate, % against ' + anchor:34}" + "".join(f"{figure:>9}" for figure in FIGURES)]
        for encoder in ENCODERS:
            cells = {row.figure: row.percent for row in rows if (row.encoder, row.anchor) == (encoder, anchor)}
            if cells:
                shown = (f"{cells[figure]:+9.1f}" if figure in cells else f"{'':>9}" for figure in FIGURES)
                lines.append(f"{encoder:34}" + "".join(shown))
        lines.append("")
    lines.append(f"{'frames per second':34}{'encode':>9}{'decode':>9}")
    for encoder in ENCODERS:
        own = [coded for coded in found if coded.encoder == encoder]
        speeds = (math.exp(math.fsum(map(math.log, values)) / len(own)) for values in _speeds(own))
        lines.append(f"{encoder:34}" + "".join(f"{speed:9.0f}" for speed in speeds))
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
