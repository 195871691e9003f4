"""Recipes of `enhance/interpolator`: from footage whose frames lie between others.

Shapes: B batch, T = 2 frames, C channels, H height, W width.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn

from vidwright.data.between import Between
from vidwright.data.loader import Batch
from vidwright.data.samples import Split
from vidwright.models.enhance.interpolator import Config
from vidwright.nn.model import InterpolationModel
from vidwright.train.excerpts import judged, truth
from vidwright.train.interpolation import FRAMES, mean_psnr_rgb, rebuilt
from vidwright.train.losses import log_mse
from vidwright.train.optimiser import Optimiser
from vidwright.train.recipe import Recipe
from vidwright.train.schedule import Budget
from vidwright.train.task import Evaluation


@dataclass(frozen=True, slots=True)
class Interpolation:
    """Make the frame that was filmed between two others.

    `patch` is the side of the crops in pixels. Validated by PSNR of R'G'B' as in `train/interpolation.py`.
    """

    watch: ClassVar[str] = "psnr"
    better: ClassVar[Literal["higher", "lower"]] = "higher"

    patch: int = 128

    def __post_init__(self) -> None:
        if self.patch < 16:
            raise ValueError("patch must be at least 16")

    def samples(self, folder: Path, split: Split, seed: int) -> Between:
        """Squares of the folder's clips: "pair" (2, 3, H, W) and "middle" (3, H, W), uint8, and "time" ()."""
        return Between(folder, split, size=self.patch, seed=seed)

    def objective(self, net: nn.Module, batch: Batch) -> dict[str, Tensor]:
        """Each crop's error in decibels: the hard ones, where nothing can be known, do not drown the others."""
        output_BCHW = net(batch["pair"].float() / 255, batch["time"])
        return {"log_mse": log_mse(output_BCHW, batch["middle"].float() / 255)}

    def evaluate(self, net: nn.Module, folder: Path, split: Split, seed: int, limit: int | None) -> Evaluation:
        """PSNR in dB of the eight frames made for each shot; a picture of each."""
        found: list[float] = []
        pictures: dict[str, Tensor] = {}
        for name, output_TCHW, truth_TCHW in self._rebuilt(net, folder, split, limit):
            found.append(mean_psnr_rgb(output_TCHW, truth_TCHW))
            pictures[name] = torch.cat([output_TCHW[3], truth_TCHW[3]], dim=-1).float() / 255
        return Evaluation({"psnr": sum(found) / len(found)}, pictures)

    def outputs(self, net: nn.Module, folder: Path, split: Split, limit: int | None) -> Iterator[tuple[Tensor, Tensor]]:
        """The eight frames made for each shot, beside the true ones."""
        for _, output_TCHW, truth_TCHW in self._rebuilt(net, folder, split, limit):
            yield output_TCHW, truth_TCHW

    def _rebuilt(
        self, net: nn.Module, folder: Path, split: Split, limit: int | None
    ) -> Iterator[tuple[str, Tensor, Tensor]]:
        assert isinstance(net, InterpolationModel)
        for shot in judged(folder, split, limit, frames=FRAMES):
            truth_TCHW = truth(shot, frames=FRAMES)
            yield f"{shot.file.stem}-{shot.first}", rebuilt(net.between, truth_TCHW), truth_TCHW[1::2]


def fast() -> Recipe:
    """For a laptop's CPU: 25 minutes on one core, which are too few to gain much over where training starts."""
    return Recipe(
        model="enhance/interpolator",
        weights="fast",
        config=Config(),
        task=Interpolation(),
        optimiser=Optimiser(learning_rate=1e-3, betas=(0.9, 0.99), warmup=100, clip=40, ema=0.999),
        budget=Budget(minutes=25),
        batch=8,
        validations=4,
        validate_on=4,
    )
