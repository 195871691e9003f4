"""Recipes of `enhance/restorer`: from footage and what is left of it after each kind of shrinking.

Shapes: B batch, T = 3 frames, C channels, H height, W width of the input; s scale.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn

from vidwright.data.crops import KINDS, Crops
from vidwright.data.loader import Batch
from vidwright.data.samples import Split
from vidwright.models.enhance.restorer import Config
from vidwright.train.excerpts import judged, truth
from vidwright.train.losses import charbonnier
from vidwright.train.optimiser import Optimiser
from vidwright.train.recipe import Recipe
from vidwright.train.schedule import Budget
from vidwright.train.task import Evaluation
from vidwright.train.upscaling import SHRINKS, enlarge, mean_psnr_y

LUMA = torch.tensor([0.299, 0.587, 0.114])


@dataclass(frozen=True, slots=True)
class Upscaling:
    """Upscale the middle of three frames, whatever shrank them.

    `patch` is the side of the input's crops in pixels, `mix` how often each kind of shrinking is met, `luma_weight` the
    weight of the error in luma beside that in R'G'B'. Validated by PSNR-Y over the shrinkings of `train/upscaling.py`.
    """

    watch: ClassVar[str] = "psnr_y"
    better: ClassVar[Literal["higher", "lower"]] = "higher"

    scale: int = 2
    patch: int = 48
    luma_weight: float = 1.0
    mix: tuple[tuple[str, float], ...] = (
        ("bicubic", 0.42),
        ("cubic", 0.18),
        ("area", 0.12),
        ("lanczos", 0.12),
        ("blur", 0.04),
        ("h264", 0.12),
    )

    def __post_init__(self) -> None:
        if self.scale < 2 or self.patch < 4:
            raise ValueError("scale must be at least 2 and patch at least 4")
        unknown = [kind for kind, weight in self.mix if kind not in KINDS or weight < 0]
        if unknown or not self.mix or sum(weight for _, weight in self.mix) <= 0:
            raise ValueError(f"mix must be weights of {', '.join(KINDS)}")

    def samples(self, folder: Path, split: Split, seed: int) -> Crops:
        """Crops of the folder's clips: "low" (3, 3, H, W) and "high" (3, s*H, s*W), uint8."""
        return Crops(folder, split, scale=self.scale, patch=self.patch, mix=self.mix, seed=seed)

    def objective(self, net: nn.Module, batch: Batch) -> dict[str, Tensor]:
        """Charbonnier loss of R'G'B' and of luma."""
        output_BCHW, target_BCHW = net(batch["low"].float() / 255), batch["high"].float() / 255
        luma = [torch.einsum("bchw,c->bhw", rgb, LUMA.to(rgb.device)) for rgb in (output_BCHW, target_BCHW)]
        return {"rgb": charbonnier(output_BCHW, target_BCHW), "luma": self.luma_weight * charbonnier(*luma)}

    def evaluate(self, net: nn.Module, folder: Path, split: Split, seed: int, limit: int | None) -> Evaluation:
        """PSNR-Y in dB of eight frames of each shot, per kind of shrinking and over all; a picture of each."""
        found: dict[str, list[float]] = {kind: [] for kind in SHRINKS}
        pictures: dict[str, Tensor] = {}
        for name, kind, output_TCHW, truth_TCHW in self._enlarged(net, folder, split, limit):
            found[kind].append(mean_psnr_y(output_TCHW, truth_TCHW))
            if kind == "bicubic":
                pictures[name] = torch.cat([output_TCHW[0], truth_TCHW[0]], dim=-1).float() / 255
        means = {kind: sum(values) / len(values) for kind, values in found.items()}
        per_kind = {f"psnr_y.{kind}": value for kind, value in means.items()}
        return Evaluation({"psnr_y": sum(means.values()) / len(means), **per_kind}, pictures)

    def outputs(self, net: nn.Module, folder: Path, split: Split, limit: int | None) -> Iterator[tuple[Tensor, Tensor]]:
        """Eight frames of each shot, enlarged after each kind of shrinking, beside the true ones."""
        for _, _, output_TCHW, truth_TCHW in self._enlarged(net, folder, split, limit):
            yield output_TCHW, truth_TCHW

    def _enlarged(
        self, net: nn.Module, folder: Path, split: Split, limit: int | None
    ) -> Iterator[tuple[str, str, Tensor, Tensor]]:
        for shot in judged(folder, split, limit):
            truth_TCHW = truth(shot)
            for kind, shrunk in SHRINKS.items():
                name = f"{shot.file.stem}-{shot.first}"
                yield name, kind, enlarge(net, shrunk(truth_TCHW, self.scale)), truth_TCHW


def x2_fast() -> Recipe:
    """Twice the size on a laptop's CPU: half an hour on one core, after which little is gained."""
    return Recipe(
        model="enhance/restorer",
        weights="x2-fast",
        config=Config(scale=2, channels=32, depth=4, expand=32),
        task=Upscaling(scale=2),
        optimiser=Optimiser(learning_rate=1.5e-3, betas=(0.9, 0.99), warmup=100, clip=0.1, ema=0.999),
        budget=Budget(minutes=30),
        batch=16,
    )
