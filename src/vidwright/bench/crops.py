"""Pieces of pictures for the eye: what went in, what came out, and what should have, pixel by pixel.

Shapes: T frames, C channels, H height, W width.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from torch.nn import functional as F

from vidwright.bench.enhance import Cell
from vidwright.io.stills import encode_still

#: Height and width of a piece, in pixels of the output.
SIZE = (144, 192)
#: Pixels between the places that are looked at for one.
STRIDE = 8

INPUT, TRUTH = "input", "truth"


@dataclass(frozen=True, slots=True)
class Crop:
    """One place of one clip: PNGs by the name of what made them.

    `gain` in dB is what ours won over the baseline on the whole clip, on average; None without any of ours.
    """

    column: str
    clip: str
    gain: float | None
    width: int
    height: int
    pictures: tuple[tuple[str, bytes], ...]


def crop(cell: Cell, ours: Sequence[str]) -> Crop:
    """The place in the middle frame where the task's baseline errs most, as the input, it, ours and the truth show it.

    A smaller input is enlarged by repeating its pixels.
    """
    baseline = cell.task.baseline
    number = len(cell.target) // 2
    height, width = (min(most, side) for most, side in zip(SIZE, cell.target.shape[-2:], strict=True))
    error_CHW = (cell.outputs[baseline][number].float() - cell.target[number].float()).square()
    means_HW = F.avg_pool2d(error_CHW.mean(0, keepdim=True), (height, width), STRIDE)[0]
    top, left = (STRIDE * place for place in divmod(int(means_HW.argmax()), means_HW.shape[-1]))
    source = cell.source[number * len(cell.source) // len(cell.target)]
    scale = cell.target.shape[-1] // source.shape[-1]
    shown = {INPUT: source.repeat_interleave(scale, -1).repeat_interleave(scale, -2)}
    shown |= {name: cell.outputs[name][number] for name in (baseline, *ours)} | {TRUTH: cell.target[number]}
    pieces = {name: picture[:, top : top + height, left : left + width] for name, picture in shown.items()}
    values = {score.method: score.psnr for score in cell.scores}
    gains = [values[name] - values[baseline] for name in ours]
    pictures = tuple((name, encode_still(piece.float() / 255, format="png")) for name, piece in pieces.items())
    return Crop(cell.column, cell.clip, sum(gains) / len(gains) if gains else None, width, height, pictures)


def spread(crops: Iterable[Crop]) -> list[Crop]:
    """Three of them: where ours won most, middling and least; all when they are fewer."""
    ranked = sorted(crops, key=lambda each: -(each.gain or 0.0))
    return ranked if len(ranked) <= 3 else [ranked[0], ranked[len(ranked) // 2], ranked[-1]]
