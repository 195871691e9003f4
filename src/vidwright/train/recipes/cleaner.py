"""Recipes of `enhance/cleaner`: from footage and what noise and codecs leave of it.

The loss is PSNR, sample by sample. Charbonnier's, with fewer coded and light samples and a coarser estimate, came to
0.8 dB more after as many steps where sigma is 25, and to the same where it is 10; but where nothing was to be taken
away it lost 1.9 dB and not 0.6. The weights that are shipped were made before harm had a weight of its own; learning on
with a weight of 3 for ten minutes took the loss on clean footage from 0.34 dB to 0.22, and 0.1 dB where sigma is 25.

Shapes: B batch, T = 2r + 1 frames, C channels, H height, W width.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn

from vidwright.data.damaged import KINDS, Damaged
from vidwright.data.loader import Batch
from vidwright.data.samples import Split
from vidwright.models.enhance.cleaner import Config
from vidwright.train.cleaning import DAMAGES, UNSEEN, cleaned, quality
from vidwright.train.excerpts import judged, truth
from vidwright.train.losses import l1, luma
from vidwright.train.optimiser import Optimiser
from vidwright.train.recipe import Recipe
from vidwright.train.schedule import Budget
from vidwright.train.task import Evaluation

#: An RMS error of one code value, 48 dB, is as good as none. Without a floor nothing would count but clean samples.
LEAST_ERROR = 1.0


@dataclass(frozen=True, slots=True)
class Cleaning:
    """Clean the middle one of 2 * `radius` + 1 frames, whatever damaged them, and tell how much it was.

    `patch` is the side of the crops in pixels, around which motion is sought in `margin` more, `mix` how often each
    kind of damage is met. Beside the error in R'G'B' `luma_weight` is the weight of that in luma, `damage_weight` of
    that in the estimated damage, and `harm_weight` of what is worse after cleaning than before. Validated by the mean
    PSNR over the kinds of damage of `train/cleaning.py` that are seen.
    """

    watch: ClassVar[str] = "psnr"
    better: ClassVar[Literal["higher", "lower"]] = "higher"

    radius: int = 1
    patch: int = 80
    margin: int = 0
    luma_weight: float = 1.0
    damage_weight: float = 1.0
    harm_weight: float = 1.0
    mix: tuple[tuple[str, float], ...] = (
        ("white", 0.28),
        ("sensor", 0.06),
        ("grain", 0.05),
        ("coded", 0.34),
        ("noisy-coded", 0.09),
        ("light", 0.12),
        ("clean", 0.06),
    )

    def __post_init__(self) -> None:
        if self.radius < 0 or self.margin < 0 or self.patch < 16 or self.patch % 8:
            raise ValueError("radius and margin must be at least 0 and patch a multiple of 8 from 16 on")
        unknown = [kind for kind, weight in self.mix if kind not in KINDS or weight < 0]
        if unknown or not self.mix or sum(weight for _, weight in self.mix) <= 0:
            raise ValueError(f"mix must be weights of {', '.join(KINDS)}")

    def samples(self, folder: Path, split: Split, seed: int) -> Damaged:
        """Windows of the folder's clips, with their margin: "seen" (T, 3, H, W) and "clean" (3, H, W), uint8."""
        side = self.patch + 2 * self.margin
        return Damaged(folder, split, radius=self.radius, patch=side, mix=self.mix, seed=seed)

    def objective(self, net: nn.Module, batch: Batch) -> dict[str, Tensor]:
        """The damage that is left, in R'G'B' and in luma, the error in how much there was, and the harm; in octaves.

        Each sample counts by its PSNR, which this is but for the unit, whether it was hardly damaged or badly. Harm is
        the damage that cleaning added to a sample's luma: what is clean and what is coded lightly look alike, and where
        it is to guess, to leave a picture alone is the better guess.
        """
        seen_BTCHW, target_BCHW = batch["seen"].float() / 255, batch["clean"].float() / 255
        output_BCHW, damage_B = net(seen_BTCHW, margin=self.margin, with_damage=True)
        inner = (..., *(slice(self.margin, side - self.margin) for side in target_BCHW.shape[-2:]))
        input_BCHW, target_BCHW = seen_BTCHW[:, self.radius][inner], target_BCHW[inner]
        before_BCHW, left_BCHW = input_BCHW - target_BCHW, output_BCHW - target_BCHW
        luma_B = damage_of(luma(left_BCHW))
        return {
            "rgb": damage_of(left_BCHW).mean(),
            "luma": self.luma_weight * luma_B.mean(),
            "harm": self.harm_weight * (luma_B - damage_of(luma(before_BCHW))).relu().mean(),
            "damage": self.damage_weight * l1(damage_B, damage_of(before_BCHW)),
        }

    def evaluate(self, net: nn.Module, folder: Path, split: Split, seed: int, limit: int | None) -> Evaluation:
        """PSNR in dB of eight frames of each shot, per kind of damage and over those that are seen; a picture of each.

        Of damage that nobody sees it is the change that cleaning makes to PSNR.
        """
        found: dict[str, list[float]] = {kind: [] for kind in DAMAGES}
        pictures: dict[str, Tensor] = {}
        for name, kind, damaged_TCHW, output_TCHW, truth_TCHW in self._cleaned(net, folder, split, limit):
            before = quality(kind, damaged_TCHW, truth_TCHW) if kind in UNSEEN else 0
            found[kind].append(quality(kind, output_TCHW, truth_TCHW) - before)
            if kind == "sigma25":
                shown = [damaged_TCHW[0], output_TCHW[0], truth_TCHW[0]]
                pictures[name] = torch.cat(shown, dim=-1).float() / 255
        means = {kind: math.fsum(values) / len(values) for kind, values in found.items()}
        per_kind = {f"{'change' if kind in UNSEEN else 'psnr'}.{kind}": value for kind, value in means.items()}
        seen = [value for kind, value in means.items() if kind not in UNSEEN]
        return Evaluation({"psnr": math.fsum(seen) / len(seen), **per_kind}, pictures)

    def outputs(self, net: nn.Module, folder: Path, split: Split, limit: int | None) -> Iterator[tuple[Tensor, Tensor]]:
        """Eight frames of each shot, cleaned after each kind of damage, beside the true ones."""
        for *_, output_TCHW, truth_TCHW in self._cleaned(net, folder, split, limit):
            yield output_TCHW, truth_TCHW

    def _cleaned(
        self, net: nn.Module, folder: Path, split: Split, limit: int | None
    ) -> Iterator[tuple[str, str, Tensor, Tensor, Tensor]]:
        for shot in judged(folder, split, limit):
            truth_TCHW = truth(shot)
            for kind, damage in DAMAGES.items():
                damaged_TCHW = damage(truth_TCHW)
                yield f"{shot.file.stem}-{shot.first}", kind, damaged_TCHW, cleaned(net, damaged_TCHW), truth_TCHW


def damage_of(error_Bx: Tensor) -> Tensor:
    """Damage (B,) by an error (B, ...) in units of the peak: log2 of its RMS in code values."""
    return (255**2 * error_Bx.flatten(1).square().mean(dim=1) + LEAST_ERROR**2).log2() / 2


def fast() -> Recipe:
    """Three frames as they are, on a laptop's CPU: three quarters of an hour on one core."""
    return Recipe(
        model="enhance/cleaner",
        weights="fast",
        config=Config(radius=1, align=False, widths=(24, 48, 96), depth=1, estimate=16),
        task=Cleaning(radius=1, patch=128),
        optimiser=Optimiser(kind="muon", learning_rate=4e-3, warmup=100, clip=1.0, ema=0.999),
        budget=Budget(minutes=45),
        batch=32,
        validations=4,
        validate_on=4,
    )


def best() -> Recipe:
    """Five frames, aligned: three quarters of an hour on one core."""
    return Recipe(
        model="enhance/cleaner",
        weights="best",
        config=Config(radius=2, align=True, widths=(32, 48, 96, 128), depth=1, estimate=16),
        task=Cleaning(radius=2, margin=24),
        optimiser=Optimiser(kind="muon", learning_rate=4e-3, warmup=100, clip=1.0, ema=0.999),
        budget=Budget(minutes=45),
        batch=12,
        validations=4,
        validate_on=4,
    )
