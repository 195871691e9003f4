"""Measures that FFmpeg has and torch has not: its filters, in the FFmpeg of `imageio-ffmpeg`.

Both videos go through one pipe, output and target in turn, so that neither can run ahead of the other.
Shape suffixes: H rows, W columns.
"""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager, suppress
from fractions import Fraction
from itertools import chain, zip_longest
from pathlib import Path
from typing import IO

import numpy as np
import torch
from torch import Tensor

from vidwright.core.errors import JobFailed, UsageError

#: Bits per sample that are measured, with the torch type they come in and their name in a Y4M header.
DEPTHS = {8: (torch.uint8, "420jpeg"), 10: (torch.uint16, "420p10")}
#: A filter's log, relative to the folder FFmpeg runs in: a path with a colon would need escapes.
LOG = "measured.log"
_GRAPH = (
    "split[a][b];[a]select=not(mod(n\\,2)),setpts=N[output];[b]select=mod(n\\,2),setpts=N[target];"
    "[output][target]{filter}"
)


def filtered(
    output: Iterable[Tensor],
    target: Iterable[Tensor],
    filter: str,
    *,
    what: str,
    bits: int = 8,
    smallest: int = 1,
    rate: Fraction = Fraction(25),
) -> str:
    """What FFmpeg's `filter` of two videos writes to `LOG` when it is shown `output` and `target`.

    Both are streams of luma (H, W) in code values of `bits` bits: uint8, or uint16 for 10 bits; chroma is grey. Errors
    call the measure `what`. Raises `ValueError` when lengths, sizes or types differ, or pictures are missing or have a
    side below `smallest`; `UsageError` without the extra `metrics`; `JobFailed` when FFmpeg fails.
    """
    if bits not in DEPTHS:
        raise ValueError(f"{what} is measured on 8 or 10 bits, got {bits}")
    planes = _in_turn(output, target, DEPTHS[bits][0])
    first = next(planes, None)
    if first is None:
        raise ValueError("no picture has been measured")
    height, width = first.shape
    if min(height, width) < smallest:
        raise ValueError(f"{what} needs pictures of at least {smallest}x{smallest} pixels, got {width}x{height}")
    with tempfile.TemporaryDirectory(prefix="vidwright-") as folder:
        with _running(_ffmpeg(what), Path(folder), filter, what) as pipe:
            speed = f"{rate.numerator}:{rate.denominator}"
            pipe.write(f"YUV4MPEG2 W{width} H{height} F{speed} Ip A1:1 C{DEPTHS[bits][1]}\n".encode())
            for plane_HW in chain([first], planes):
                pipe.write(_y4m_frame(plane_HW, bits))
        return (Path(folder) / LOG).read_text()


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


def _ffmpeg(what: str) -> str:
    try:
        import imageio_ffmpeg  # an extra: most who install the package measure no VMAF

        return imageio_ffmpeg.get_ffmpeg_exe()
    except (ImportError, RuntimeError) as error:
        raise UsageError(what, "its FFmpeg is not installed", "pip install 'vidwright[metrics]'") from error


@contextmanager
def _running(executable: str, folder: Path, filter: str, what: str) -> Generator[IO[bytes]]:
    """FFmpeg in `folder`, measuring what is written to the pipe; it has ended, one way or the other, on leaving.

    Raises `JobFailed` with FFmpeg's own last words.
    """
    graph = _GRAPH.format(filter=filter)
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
            raise JobFailed(what, f"FFmpeg failed: {last}", "install another imageio-ffmpeg, or leave this measure out")
