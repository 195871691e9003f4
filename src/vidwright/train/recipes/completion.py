"""Recipes of `edit/completion`: from footage with holes in it.

The weights that are shipped come out 1.84 dB above Telea on 37 clips of other sources than they learned from, and 1.57
on seven more; two clips of screens, which they have not seen any of, lie 1.6 and 1.0 below it. A ninth of drawn pages
among the clips and a floor at 45 dB, for 590 more steps of 12 at 1e-3, took those to 1.3 and 0.6, and footage down by
0.1 in the mean.

Shapes: B batch, T = 3 frames, C channels, H height, W width.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn

from vidwright.data.holed import Holed
from vidwright.data.holes import KINDS
from vidwright.data.loader import Batch
from vidwright.data.samples import Split
from vidwright.models.edit.completion import Config
from vidwright.train.completing import completed, gained, losses, puzzles
from vidwright.train.excerpts import judged, truth
from vidwright.train.optimiser import Optimiser
from vidwright.train.recipe import Recipe
from vidwright.train.schedule import Budget
from vidwright.train.task import Evaluation


@dataclass(frozen=True, slots=True)
class Completion:
    """Make what a hole hides in the middle one of three frames.

    `patch` is the side of the crops in pixels; beside the error inside of the hole `edge_weight` is the weight of that
    in its gradients. Validated by the gain in PSNR over Telea, as in `train/completing.py`.
    """

    watch: ClassVar[str] = "gain"
    better: ClassVar[Literal["higher", "lower"]] = "higher"

    patch: int = 128
    edge_weight: float = 1.0

    def __post_init__(self) -> None:
        if self.patch < 32:
            raise ValueError("patch must be at least 32")

    def samples(self, folder: Path, split: Split, seed: int) -> Holed:
        """Crops: "seen" (3, 3, P, P) and "truth" (3, P, P), uint8, "unknown" (3, 1, P, P) and "kind"."""
        return Holed(folder, split, patch=self.patch, seed=seed)

    def objective(self, net: nn.Module, batch: Batch) -> dict[str, Tensor]:
        """Each hole's error in decibels, so that easy and hard ones count alike, and that of what changes in it."""
        made_BCHW = net(batch["seen"].float() / 255, batch["unknown"])
        found = losses(made_BCHW, batch["truth"].float() / 255, batch["unknown"][:, 1])
        return {"hole": found["hole"], "edges": self.edge_weight * found["edges"]}

    def evaluate(self, net: nn.Module, folder: Path, split: Split, seed: int, limit: int | None) -> Evaluation:
        """Gain over Telea in dB, over all holes and per kind; a picture of each: pre-filled, completed, true."""
        found: dict[str, list[float]] = {kind: [] for kind in KINDS}
        pictures: dict[str, Tensor] = {}
        for shot in judged(folder, split, limit):
            for puzzle in puzzles(truth(shot)):
                output_CHW = completed(net, puzzle)
                found[puzzle.kind].append(gained(output_CHW, puzzle))
                shown = torch.cat([puzzle.seen[1], output_CHW, puzzle.truth], dim=-1)
                pictures[f"{shot.file.stem}-{shot.first}-{puzzle.kind}"] = shown.float() / 255
        every = [value for values in found.values() for value in values]
        per_kind = {f"gain.{kind}": math.fsum(values) / len(values) for kind, values in found.items()}
        return Evaluation({"gain": math.fsum(every) / len(every), **per_kind}, pictures)


def fast() -> Recipe:
    """Eight minutes of an accelerator, most of which it waits for sixteen cores that make samples; one core: 7 hours.

    Nothing is won over Telea after 40 steps of 16, the three minutes of one core, and 0.6 dB after 200 steps of 48.
    """
    return Recipe(
        model="edit/completion",
        weights="fast",
        config=Config(widths=(24, 40, 48, 72)),
        task=Completion(),
        optimiser=Optimiser(kind="muon", learning_rate=4e-3, warmup=100, clip=1.0, ema=0.999),
        budget=Budget(steps=3250),
        batch=32,
        validations=4,
        validate_on=4,
    )
