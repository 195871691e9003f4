"""VMAF, "Toward a practical perceptual video quality metric", 2016, by FFmpeg's libvmaf.

Shape suffixes: H rows, W columns.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from vidwright.core.errors import BadInput
from vidwright.io.probe import probe
from vidwright.io.reader import Reader
from vidwright.metrics.ffmpeg import LOG, filtered

#: libvmaf dies of smaller pictures.
SMALLEST = 17


@dataclass(frozen=True, slots=True)
class Vmaf:
    """VMAF of each picture, 0 to 100, higher is better. Equal videos reach 97 and more, not always 100."""

    frames: tuple[float, ...]

    @property
    def mean(self) -> float:
        """The mean over pictures, which is what is called the VMAF of a video."""
        return math.fsum(self.frames) / len(self.frames)


def vmaf(output: Iterable[Tensor], target: Iterable[Tensor], *, bits: int = 8) -> Vmaf:
    """Measure `output` against `target` with the model vmaf_v0.6.1 (a television at three times its height).

    Both are streams of luma (H, W) in studio-swing code values of `bits` bits: uint8, or uint16 for 10 bits; VMAF
    looks at no colour. A video is measured as a whole: the score of a picture depends on its neighbours.
    Raises `ValueError` when lengths, sizes or types differ, or pictures are missing or too small; `UsageError`
    without the extra `metrics`; `JobFailed` when FFmpeg fails.
    """
    filter = f"libvmaf=log_fmt=json:log_path={LOG}:n_threads={os.cpu_count() or 1}"
    log = json.loads(filtered(output, target, filter, what="VMAF", bits=bits, smallest=SMALLEST))
    return Vmaf(tuple(float(frame["metrics"]["vmaf"]) for frame in log["frames"]))


def vmaf_of_files(output: Path, target: Path) -> Vmaf:
    """Measure one video file against another, luma as it is stored, paired in display order.

    Raises `BadInput` when a file cannot be read or the two differ in length, size or depth, and else as `vmaf`.
    """
    bits = max(probe(path).info.colour.bits for path in (output, target))
    with Reader(output, cuts=False) as left, Reader(target, cuts=False) as right:
        try:
            return vmaf(_luma(left), _luma(right), bits=bits)
        except ValueError as error:
            raise BadInput(output, f"VMAF: {error}", f"give a video of the same format as {target}") from error


def _luma(reader: Reader) -> Iterator[Tensor]:
    for picture in reader:
        yield picture.planes().y
