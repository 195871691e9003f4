"""What clips cost without loss: our model beside the usual codecs, every byte counted, every clip decoded again.

Shapes: N clips, T frames, H height, W width.
"""

from __future__ import annotations

import lzma
import math
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor

from vidwright.core.errors import JobFailed
from vidwright.io.lossless_size import LOSSLESS, LosslessSize, lossless_size
from vidwright.jobs.lossless import FrameDistribution, compress_lossless, decompress_lossless, negative_log_likelihood

OURS = "ours"


@dataclass(frozen=True, slots=True)
class Cost:
    """Bytes of all clips by one codec.

    `stream` and `file` hold all clips one after the other, `streams` and `files` are the sums over clips with one for
    each. A stream is what the codec's decoder must have; a file adds the container. Ours has no other container than
    its header and checksums, which are counted in all four.
    """

    codec: str
    stream: int
    file: int
    streams: int
    files: int


@dataclass(frozen=True, slots=True)
class LosslessTable:
    """Costs of `clips` clips of (frames, height, width), beside the bytes that the model's likelihood comes to."""

    clips: int
    frames: int
    height: int
    width: int
    likelihood: float
    costs: tuple[Cost, ...]

    @property
    def excess(self) -> float:
        """What our file has more than the likelihood, as a part of it."""
        return self.costs[0].file / self.likelihood - 1

    def as_dict(self) -> dict[str, Any]:
        """The table as JSON has it."""
        return asdict(self)

    def __str__(self) -> str:
        """The table as text; bits are per pixel of the one stream, and the last column compares it with ours."""
        pixels = self.clips * self.frames * self.height * self.width
        rows = [["codec", "stream", "file", "streams", "files", "bits/pixel", "of ours"]]
        rows.append(
            [f"{OURS}, likelihood", f"{self.likelihood:.0f}", "", "", "", f"{8 * self.likelihood / pixels:.5f}"]
        )
        for cost in self.costs:
            sizes = [str(size) for size in (cost.stream, cost.file, cost.streams, cost.files)]
            bits, ratio = 8 * cost.stream / pixels, cost.stream / self.costs[0].stream
            rows.append([cost.codec, *sizes, f"{bits:.5f}", f"{ratio:.2f}"])
        widths = [max(len(row[column]) for row in rows if column < len(row)) for column in range(len(rows[0]))]
        lines = ("  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=False)) for row in rows)
        kind = f"{self.clips} clips of {self.frames} frames, {self.width}x{self.height}; bytes"
        return "\n".join([kind, *(line.rstrip() for line in lines)])


def lossless_table(clips_NTCHW: Tensor, model: FrameDistribution) -> LosslessTable:
    """Code uint8 clips of the model's classes (N, T, 1, H, W), all at once and one by one, with every codec.

    xz, over the plain bytes, stands for a compressor that knows nothing of pictures. Raises `JobFailed` when any codec,
    ours included, does not give the pixels back; other errors are those of `compress_lossless`.
    """
    likelihood = negative_log_likelihood(clips_NTCHW, model) / math.log(2) / 8
    whole, apart = _ours(clips_NTCHW, model), sum(_ours(clip, model) for clip in clips_NTCHW)
    costs = [Cost(OURS, whole, whole, apart, apart)]
    for codec in LOSSLESS:
        costs.append(_cost(codec, clips_NTCHW, lambda clip_THW, codec=codec: lossless_size(clip_THW, codec)))
    costs.append(_cost("xz", clips_NTCHW, _xz))
    _, frames, _, height, width = clips_NTCHW.shape
    return LosslessTable(len(clips_NTCHW), frames, height, width, likelihood, tuple(costs))


def _cost(codec: str, clips_NTCHW: Tensor, size: Callable[[Tensor], LosslessSize]) -> Cost:
    one = size(clips_NTCHW.flatten(0, 1)[:, 0])
    each = [size(clip[:, 0]) for clip in clips_NTCHW]
    return Cost(codec, one.stream, one.file, sum(m.stream for m in each), sum(m.file for m in each))


def _ours(clip: Tensor, model: FrameDistribution) -> int:
    data = compress_lossless(clip, model)
    if not torch.equal(decompress_lossless(data, model), clip):
        raise JobFailed("our codec", "it gave other pixels than it got", "report it, with the clip and the weights")
    return len(data)


def _xz(clip_THW: Tensor) -> LosslessSize:
    data = clip_THW.contiguous().numpy().tobytes()
    hardest = 9 | lzma.PRESET_EXTREME
    bare = lzma.compress(data, lzma.FORMAT_RAW, filters=[{"id": lzma.FILTER_LZMA2, "preset": hardest}])
    return LosslessSize(len(bare), len(lzma.compress(data, preset=hardest)))
