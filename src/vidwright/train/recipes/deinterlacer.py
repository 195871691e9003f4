"""Recipes of `enhance/deinterlacer`: from progressive footage, of which every frame gives one field.

Shapes: B batch, 2 moments, T = 3 frames, C channels, H height, W width.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn

from vidwright.data.fields import Fields
from vidwright.data.loader import Batch
from vidwright.data.samples import Split
from vidwright.models.enhance.deinterlacer import Config
from vidwright.nn.model import FrameModel
from vidwright.train.deinterlacing import deinterlaced
from vidwright.train.excerpts import judged, truth
from vidwright.train.losses import charbonnier, luma
from vidwright.train.optimiser import Optimiser
from vidwright.train.recipe import Recipe
from vidwright.train.schedule import Budget
from vidwright.train.task import Evaluation
from vidwright.train.upscaling import mean_psnr_y


@dataclass(frozen=True, slots=True)
class Deinterlacing:
    """Make whole frames of both fields of the middle of three interlaced frames.

    `patch` is the side of the crops in pixels, `luma_weight` the weight of the error in luma beside that in R'G'B'.
    Validated by PSNR-Y as in `train/deinterlacing.py`.
    """

    watch: ClassVar[str] = "psnr_y"
    better: ClassVar[Literal["higher", "lower"]] = "higher"

    patch: int = 80
    luma_weight: float = 1.0

    def __post_init__(self) -> None:
        if self.patch < 4 or self.patch % 2:
            raise ValueError("patch must be even and at least 4")

    def samples(self, folder: Path, split: Split, seed: int) -> Fields:
        """Squares of the folder's clips: "interlaced" (3, 3, H, W) and "truth" (2, 3, H, W), uint8."""
        return Fields(folder, split, size=self.patch, seed=seed)

    def objective(self, net: nn.Module, batch: Batch) -> dict[str, Tensor]:
        """Charbonnier loss of R'G'B' and of luma."""
        output_B2CHW, truth_B2CHW = net(batch["interlaced"].float() / 255), batch["truth"].float() / 255
        lumas = [luma(rgb) for rgb in (output_B2CHW, truth_B2CHW)]
        return {"rgb": charbonnier(output_B2CHW, truth_B2CHW), "luma": self.luma_weight * charbonnier(*lumas)}

    def evaluate(self, net: nn.Module, folder: Path, split: Split, seed: int, limit: int | None) -> Evaluation:
        """PSNR-Y in dB of eight frames of each shot; a picture of each."""
        found: list[float] = []
        pictures: dict[str, Tensor] = {}
        for name, output_TCHW, truth_TCHW in self._deinterlaced(net, folder, split, limit):
            found.append(mean_psnr_y(output_TCHW, truth_TCHW))
            pictures[name] = torch.cat([output_TCHW[3], truth_TCHW[3]], dim=-1).float() / 255
        return Evaluation({"psnr_y": sum(found) / len(found)}, pictures)

    def outputs(self, net: nn.Module, folder: Path, split: Split, limit: int | None) -> Iterator[tuple[Tensor, Tensor]]:
        """Eight frames of each shot, interlaced and deinterlaced, beside the true ones."""
        for _, output_TCHW, truth_TCHW in self._deinterlaced(net, folder, split, limit):
            yield output_TCHW, truth_TCHW

    def _deinterlaced(
        self, net: nn.Module, folder: Path, split: Split, limit: int | None
    ) -> Iterator[tuple[str, Tensor, Tensor]]:
        assert isinstance(net, FrameModel)
        for shot in judged(folder, split, limit):
            truth_TCHW = truth(shot)
            yield f"{shot.file.stem}-{shot.first}", deinterlaced(net.stream, truth_TCHW), truth_TCHW


def fast() -> Recipe:
    """Fields to frames on a laptop's CPU: half an hour on one core."""
    return Recipe(
        model="enhance/deinterlacer",
        weights="fast",
        config=Config(),
        task=Deinterlacing(),
        optimiser=Optimiser(learning_rate=1.5e-3, betas=(0.9, 0.99), warmup=100, clip=0.1, ema=0.999),
        budget=Budget(minutes=25),
        batch=8,
        validations=4,
        validate_on=4,
    )
