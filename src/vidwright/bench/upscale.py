"""How well upscalers bring back what was shrunk, for each way of shrinking.

Frames 8 to 15 of each clip, as 8-bit R'G'B', cropped from the centre to at most 480x272 and to multiples of 8, are
the truth; they are shrunk, rounded to 8 bits and enlarged by each model, which sees those eight frames and nothing
else. PSNR of BT.601 studio luma without a 4-pixel border, mean over frames, then over clips.

Shapes: T frames, C channels, H height, W width.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import torch
from torch import Tensor

from vidwright.core import Frame
from vidwright.core.errors import BadInput
from vidwright.data import degrade
from vidwright.data.pairs import clips
from vidwright.io import open_video
from vidwright.io.roundtrip import roundtrip
from vidwright.metrics.psnr import psnr_y
from vidwright.nn.model import FrameModel

FIRST, LAST = 8, 16
HEIGHT, WIDTH = 272, 480

Shrink = Callable[[Tensor, int], Tensor]

#: The ways of shrinking, from the one of papers to those of users' files.
SHRINKS: dict[str, Shrink] = {
    "bicubic": lambda x_TCHW, scale: degrade.shrink(x_TCHW, scale, degrade.bicubic),
    "cubic": lambda x_TCHW, scale: degrade.shrink(x_TCHW, scale, degrade.cubic),
    "area": lambda x_TCHW, scale: degrade.shrink(x_TCHW, scale, degrade.area),
    "lanczos": lambda x_TCHW, scale: degrade.shrink(x_TCHW, scale, degrade.lanczos),
    "bicubic+crf28": lambda x_TCHW, scale: roundtrip(degrade.shrink(x_TCHW, scale, degrade.bicubic), "h264", 28),
}


@dataclass(frozen=True, slots=True)
class Score:
    """PSNR-Y in dB of one model on one clip shrunk in one way."""

    model: str
    shrink: str
    clip: str
    psnr_y: float


def upscale_scores(folder: Path, models: dict[str, FrameModel]) -> Iterator[Score]:
    """Score each model on each clip of `folder` and each way of shrinking, as they are done.

    The models enlarge by one and the same whole factor. Raises `BadInput` for a clip that is too short.
    """
    scale = next(iter(models.values())).needs.scale
    for path in clips(folder):
        truth = _truth(path)
        for (shrink, shrunk), (name, model) in itertools.product(SHRINKS.items(), models.items()):
            enlarged = _enlarge(model, shrunk(truth, scale))
            pairs = zip(enlarged.float() / 255, truth.float() / 255, strict=True)
            values = [float(psnr_y(output, target)) for output, target in pairs]
            yield Score(name, shrink, path.stem, sum(values) / len(values))


def table(scores: Sequence[Score], *, without: str = "_screen") -> str:
    """Scores as text: a row per model and way of shrinking, a column per clip, then the mean of the natural clips.

    Clips whose name ends in `without` are screen recordings: shown, and left out of the mean.
    """
    names = list(dict.fromkeys(score.clip for score in scores))
    natural = [name for name in names if not name.endswith(without)]
    rows = [["shrunk by", "model", *names, "natural mean"]]
    for shrink, model in dict.fromkeys((score.shrink, score.model) for score in scores):
        values = {score.clip: score.psnr_y for score in scores if (score.shrink, score.model) == (shrink, model)}
        mean = sum(values[name] for name in natural) / max(len(natural), 1)
        rows.append([shrink, model, *(f"{values[name]:.2f}" for name in names), f"{mean:.2f}"])
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows)
    return "\n".join(line.rstrip() for line in lines)


def _truth(path: Path) -> Tensor:
    frames = [degrade.to_bytes(frame.data[:3] * 255) for frame in itertools.islice(open_video(path), FIRST, LAST)]
    if len(frames) < LAST - FIRST:
        raise BadInput(path, f"it has fewer than {LAST} frames", "leave it out of the folder")
    x_TCHW = torch.stack(frames)
    height, width = (min(most, side) // 8 * 8 for most, side in zip((HEIGHT, WIDTH), x_TCHW.shape[-2:], strict=True))
    top, left = (x_TCHW.shape[-2] - height) // 2, (x_TCHW.shape[-1] - width) // 2
    return x_TCHW[..., top : top + height, left : left + width].contiguous()


def _enlarge(model: FrameModel, low_TCHW: Tensor) -> Tensor:
    frames = (Frame(data.float() / 255, Fraction(number, 25)) for number, data in enumerate(low_TCHW))
    return torch.stack([degrade.to_bytes(frame.data * 255) for frame in model.stream(frames)])
