"""How well upscalers bring back what was shrunk: a table of models, by the protocol of `train/upscaling.py`."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from vidwright.nn.model import FrameModel
from vidwright.train.excerpts import judged, truth
from vidwright.train.upscaling import SHRINKS, enlarge, mean_psnr_y


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
    for shot in (each for each in judged(folder, "all") if each.first == 0):
        target = truth(shot)
        for (shrink, shrunk), (name, model) in itertools.product(SHRINKS.items(), models.items()):
            yield Score(name, shrink, shot.file.stem, mean_psnr_y(enlarge(model, shrunk(target, scale)), target))


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
