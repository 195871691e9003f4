"""VMAF, "Toward a practical perceptual video quality metric", 2016, by libvmaf in the FFmpeg of `imageio-ffmpeg`.

Both videos go through one pipe, output and target in turn, so that neither can run ahead of the other.
Shape suffixes: H rows, W columns.
"""

from __future__ import annotations

import json
import math
import os
import subprocess
import tempfile
from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import chain, zip_longest
from pathlib import Path
from typing import IO

import numpy as np
import torch
from torch import Tensor

from vidwright.core.errors import BadInput, JobFailed, UsageError
from vidwright.io.probe import probe
from vidwright.io.reader import Reader

#: What libvmaf measures: bits per sample, with the torch type they come in and their name in a Y4M header.
_DEPTHS = {8: (torch.uint8, "420jpeg"), 10: (torch.uint16, "420p10")}
#: libvmaf dies of smaller pictures.
SMALLEST = 17
_LOG = "vmaf.json"  # relative to the folder FFmpeg runs in: a path with a colon would need escapes
_GRAPH = (
    "split[a][b];[a]select=not(mod(n\\,2)),setpts=N[output];[b]select=mod(n\\,2),setpts=N[target];"
    "[output][target]libvmaf=log_fmt=json:log_path={log}:n_threads={threads}"
)


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
    if bits not in _DEPTHS:
        raise ValueError(f"VMAF is measured on 8 or 10 bits, got {bits}")
    planes = _in_turn(output, target, _DEPTHS[bits][0])
    first = next(planes, None)
    if first is None:
        raise ValueError("no picture has been measured")
    height, width = first.shape
    if min(height, width) < SMALLEST:
        raise ValueError(f"VMAF needs pictures of at least {SMALLEST}x{SMALLEST} pixels, got {width}x{height}")
    with tempfile.TemporaryDirectory(prefix="vidwright-") as folder:
        with _running(_ffmpeg(), Path(folder)) as pipe:
            pipe.write(f"YUV4MPEG2 W{width} H{height} F25:1 Ip A1:1 C{_DEPTHS[bits][1]}\n".encode())
            for plane_HW in chain([first], planes):
                pipe.write(_y4m_frame(plane_HW, bits))
        log = json.loads((Path(folder) / _LOG).read_text())
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


def _in_turn(output: Iterable[Tensor], target: Iterable[Tensor], dtype: torch.dtype) -> Iterator[Tensor]:
    """Output, target, output, target; raises `ValueError` unless all are of one kind and both end together."""
    size = None
    for number, pair in enumerate(zip_longest(output, target)):
        for plane_HW in pair:
            if plane_HW is None:
                raise ValueError(f"output and target differ in length: one ends after {number} pictures")
            size = size or plane_HW.shape
            if plane_HW.shape != size or plane_HW.ndim != 2 or plane_HW.dtype != dtype:
                found = f"{tuple(plane_HW.shape)} of {plane_HW.dtype} in picture {number}"
                raise ValueError(f"expected luma {tuple(size)} of {dtype}, got {found}")
            yield plane_HW


def _y4m_frame(plane_HW: Tensor, bits: int) -> bytes:
    """The luma with grey chroma, which VMAF does not look at."""
    height, width = plane_HW.shape
    codes = plane_HW.cpu().numpy()
    grey = np.full(2 * ((height + 1) // 2) * ((width + 1) // 2), 1 << (bits - 1), dtype=codes.dtype)
    little = codes.dtype.newbyteorder("<")
    return b"FRAME\n" + codes.astype(little).tobytes() + grey.astype(little).tobytes()


def _ffmpeg() -> str:
    try:
        import imageio_ffmpeg  # an extra: most who install the package measure no VMAF

        return imageio_ffmpeg.get_ffmpeg_exe()
    except (ImportError, RuntimeError) as error:
        raise UsageError("vmaf", "its FFmpeg is not installed", "pip install 'vidwright[metrics]'") from error


@contextmanager
def _running(executable: str, folder: Path) -> Generator[IO[bytes]]:
    """FFmpeg in `folder`, measuring what is written to the pipe; it has ended, one way or the other, on leaving.

    Raises `JobFailed` with FFmpeg's own last words.
    """
    graph = _GRAPH.format(log=_LOG, threads=os.cpu_count() or 1)
    command = [executable, "-nostdin", "-loglevel", "error", "-f", "yuv4mpegpipe", "-i", "pipe:0"]
    command += ["-filter_complex", graph, "-f", "null", "-"]
    with tempfile.TemporaryFile() as words:
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stderr=words, cwd=folder)
        assert process.stdin is not None
        try:
            with suppress(BrokenPipeError):  # it has ended early, and says why below
                yield process.stdin
                process.stdin.close()
            process.wait()
        finally:
            process.kill()
            process.wait()
            with suppress(BrokenPipeError):
                process.stdin.close()
        if process.returncode:
            words.seek(0)
            last = (words.read().decode(errors="replace").strip().splitlines() or ["no reason given"])[-1]
            raise JobFailed("vmaf", f"FFmpeg failed: {last}", "install another imageio-ffmpeg, or leave VMAF out")
