"""Recipes of `enhance/restorer`: from footage and what is left of it after each kind of shrinking.

Shapes: B batch, T frames, C channels, H height, W width of the input; s scale.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn

from vidwright.data.crops import KINDS, Crops
from vidwright.data.loader import Batch
from vidwright.data.samples import Split
from vidwright.models.enhance.restorer import Config
from vidwright.nn.critic import PatchCritic
from vidwright.nn.resample import lanczos
from vidwright.train.excerpts import judged, truth
from vidwright.train.losses import charbonnier, cross_entropy, hinge_discriminator, hinge_generator, luma
from vidwright.train.optimiser import Optimiser
from vidwright.train.recipe import Recipe
from vidwright.train.schedule import Budget
from vidwright.train.task import Evaluation
from vidwright.train.upscaling import SHRINKS, detail, enlarge, mean_psnr_y

#: How many groups of samples, each of a kind of its own, the batches of all recipes have.
KINDS_PER_BATCH = 4


@dataclass(frozen=True, slots=True)
class Upscaling:
    """Upscale the middle of 2 * `radius` + 1 frames, whatever shrank them, and with `kind_weight` tell what did.

    `patch` is the side of the input's crops in pixels, `mix` how often each kind of shrinking is met, `group` how many
    samples in a row are of one kind and are read together, `screens` the number of drawn pages among
    the clips. `luma_weight` is the weight of the error in luma beside that in R'G'B', `kind_weight` that of the
    cross-entropy of the kind. Validated by PSNR-Y over the shrinkings of `train/upscaling.py`.
    """

    watch: ClassVar[str] = "psnr_y"
    better: ClassVar[Literal["higher", "lower"]] = "higher"

    scale: int = 2
    radius: int = 1
    patch: int = 48
    group: int = 1
    screens: int = 0
    luma_weight: float = 1.0
    kind_weight: float = 0.0
    mix: tuple[tuple[str, float], ...] = (
        ("bicubic", 0.38),
        ("cubic", 0.18),
        ("area", 0.12),
        ("lanczos", 0.12),
        ("blur", 0.04),
        ("h264", 0.16),
    )

    def __post_init__(self) -> None:
        if self.scale < 2 or self.patch < 4 or self.group < 1:
            raise ValueError("scale must be at least 2, patch at least 4 and group at least 1")
        unknown = [kind for kind, weight in self.mix if kind not in KINDS or weight < 0]
        if unknown or not self.mix or sum(weight for _, weight in self.mix) <= 0:
            raise ValueError(f"mix must be weights of {', '.join(KINDS)}")

    def samples(self, folder: Path, split: Split, seed: int) -> Crops:
        """Crops of the folder's clips: "low" (T, 3, H, W), "high" (3, s*H, s*W), uint8, and their "kind"."""
        return Crops(
            folder,
            split,
            scale=self.scale,
            patch=self.patch,
            mix=self.mix,
            seed=seed,
            radius=self.radius,
            group=self.group,
            screens=self.screens,
        )

    def objective(self, net: nn.Module, batch: Batch) -> dict[str, Tensor]:
        """Charbonnier loss of R'G'B' and of luma; the cross-entropy of the kind where it has a weight."""
        low_BTCHW, target_BCHW = batch["low"].float() / 255, batch["high"].float() / 255
        if not self.kind_weight:
            return self.fidelity(net(low_BTCHW), target_BCHW)
        output_BCHW, logits = net(low_BTCHW, estimate=True, group=self.group)
        kind = self.kind_weight * cross_entropy(logits, batch["kind"])
        return {"kind": kind, **self.fidelity(output_BCHW, target_BCHW)}

    def fidelity(self, output_BCHW: Tensor, target_BCHW: Tensor) -> dict[str, Tensor]:
        """How far what the network made is from the truth."""
        lumas = [luma(rgb) for rgb in (output_BCHW, target_BCHW)]
        return {"rgb": charbonnier(output_BCHW, target_BCHW), "luma": self.luma_weight * charbonnier(*lumas)}

    def evaluate(self, net: nn.Module, folder: Path, split: Split, seed: int, limit: int | None) -> Evaluation:
        """PSNR-Y in dB of eight frames of each shot, per kind of shrinking and over all; a picture of each."""
        found: dict[str, list[float]] = defaultdict(list)
        pictures: dict[str, Tensor] = {}
        for name, kind, output_TCHW, truth_TCHW in self._enlarged(net, folder, split, limit):
            for figure, value in self.figures(output_TCHW, truth_TCHW).items():
                found[figure].append(value)
                found[f"{figure}.{kind}"].append(value)
            if kind == "bicubic":
                pictures[name] = torch.cat([output_TCHW[0], truth_TCHW[0]], dim=-1).float() / 255
        return Evaluation({figure: sum(values) / len(values) for figure, values in found.items()}, pictures)

    def figures(self, output_TCHW: Tensor, truth_TCHW: Tensor) -> dict[str, float]:
        """What is measured of an enlarged excerpt, uint8, beside the true one."""
        return {"psnr_y": mean_psnr_y(output_TCHW, truth_TCHW)}

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


@dataclass(frozen=True, slots=True)
class Sharpening(Upscaling):
    """Upscaling that a critic shall not tell from the truth: Ledig et al. 2017 (SRGAN), without a network of features.

    Whoever is measured by mean errors draws the mean of all that may have been there, which is soft. The critic asks
    for one of them instead, at a cost in PSNR. `critic_weight` is how much the network heeds it beside its other
    losses: so little that what the input says plainly stays. Validated by how near the energy of fine detail is to the
    truth's.
    """

    watch: ClassVar[str] = "detail_gap"
    better: ClassVar[Literal["higher", "lower"]] = "lower"

    critic_weight: float = 1e-2

    def critic(self) -> nn.Module:
        """One that sees the details which the network adds to Lanczos."""
        return PatchCritic()

    def objective(self, net: nn.Module, batch: Batch) -> dict[str, Tensor]:
        """The losses of `Upscaling`, the hinge loss of the network against its critic, and the critic's own."""
        low_BTCHW = batch["low"].float() / 255
        base_BCHW = lanczos(low_BTCHW[:, self.radius], self.scale)
        true_BCHW = batch["high"].float() / 255
        (output_BCHW, logits), verdict = net(low_BTCHW, estimate=True, group=self.group, true=true_BCHW, base=base_BCHW)
        truer = verdict.true - verdict.made  # of one input: relativistic, as of Jolicoeur-Martineau 2018
        return {
            **self.fidelity(output_BCHW, true_BCHW),
            "kind": self.kind_weight * cross_entropy(logits, batch["kind"]),
            "sharp": self.critic_weight * hinge_generator(verdict.hoped),
            "critic": hinge_discriminator(truer, -truer),
        }

    def figures(self, output_TCHW: Tensor, truth_TCHW: Tensor) -> dict[str, float]:
        """PSNR-Y in dB, the energy of fine detail beside the truth's, and how far that is from 1, as a logarithm."""
        ratio = detail(output_TCHW, truth_TCHW)
        return {
            "psnr_y": mean_psnr_y(output_TCHW, truth_TCHW),
            "detail": ratio,
            "detail_gap": abs(math.log(ratio)),
        }


def x2_fast() -> Recipe:
    """Twice the size at once on a laptop's CPU."""
    return _recipe("x2-fast", Config(scale=2, channels=32, depth=5, kinds=KINDS, parts=3), minutes=45, batch=128)


def x2_best() -> Recipe:
    """Twice the size, by five times the arithmetic and neighbours moved into place."""
    config = Config(scale=2, channels=48, depth=9, align=True, kinds=KINDS, parts=2)
    return _recipe("x2-best", config, minutes=60, batch=16)


def x4_fast() -> Recipe:
    """Four times the size at once on a laptop's CPU."""
    return _recipe("x4-fast", Config(scale=4, channels=32, depth=10, kinds=KINDS, parts=3), minutes=45, batch=96)


def x4_best() -> Recipe:
    """Four times the size, by three times the arithmetic and four neighbours moved into place."""
    config = Config(scale=4, channels=48, depth=14, radius=2, align=True, kinds=KINDS, parts=2)
    return _recipe("x4-best", config, minutes=60, batch=16)


def x2_sharp() -> Recipe:
    """`x2-fast` taught by a critic to draw the details that it would rather leave soft, at a cost of 0.5 to 2.3 dB."""
    return replace(
        _recipe("x2-sharp", x2_fast().config, minutes=10, batch=8, task=Sharpening),
        start="x2-fast",
        optimiser=Optimiser(kind="muon", learning_rate=3e-3, clip=10.0, ema=0.995),
    )


def _recipe(weights: str, config: Config, *, minutes: float, batch: int, task: type[Upscaling] = Upscaling) -> Recipe:
    """At equal time Muon learned 0.4 dB more than AdamW in the first minutes. A batch is of four kinds of shrinking.

    Of one kind at a time `x2-best` learned less in 25,000 steps than `x2-fast` of four kinds in 5,000.
    """
    learned = task(
        scale=config.scale,
        radius=config.radius,
        patch=48 if config.scale == 2 else 32,
        group=batch // KINDS_PER_BATCH,
        screens=72,
        kind_weight=0.02,
    )
    return Recipe(
        model="enhance/restorer",
        weights=weights,
        config=config,
        task=learned,
        optimiser=Optimiser(kind="muon", learning_rate=4e-3, clip=0.1, ema=0.999),
        budget=Budget(minutes=minutes),
        batch=batch,
        validations=4,
    )
