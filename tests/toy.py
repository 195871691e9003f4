"""A task, a network and a recipe that learn in milliseconds, for the tests of the engine."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor, nn

import media
from tiny import CONFIG
from vidwright.data.loader import Batch
from vidwright.data.samples import Sample
from vidwright.data.seeding import generator
from vidwright.train import recipe
from vidwright.train.optimiser import Optimiser
from vidwright.train.recipe import Recipe
from vidwright.train.recipes.restorer import Upscaling
from vidwright.train.schedule import Budget
from vidwright.train.state import State

OPTIMISER = Optimiser(learning_rate=3e-2, warmup=5)


class Sums:
    """Four numbers, and their sum to be learned."""

    def __len__(self) -> int:
        return 20

    def sample(self, epoch: int, k: int) -> Sample:
        x = torch.randn(4, generator=generator(0, epoch, k))
        return {"x": x, "y": x.sum(dim=0, keepdim=True)}


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 16), nn.GELU(), nn.Linear(16, 1))


def fresh(optimiser: Optimiser = OPTIMISER) -> State:
    return State.fresh(network(), optimiser)


def squared(net: nn.Module, batch: Batch) -> dict[str, Tensor]:
    return {"squared": (net(batch["x"]) - batch["y"]).square().mean()}


def clips(folder: Path) -> Path:
    """A folder with two short clips."""
    folder.mkdir()
    media.clip(folder / "a.mp4", frames=16)
    media.clip(folder / "b.mp4", frames=17, cuts=(2,))
    return folder


def upscaler(steps: int = 12, **changes: object) -> Recipe:
    """`enhance/restorer:x2-fast` as small as it gets."""
    small = replace(
        recipe.load("enhance/restorer:x2-fast"),
        config=CONFIG,
        task=Upscaling(patch=12, kind_weight=0.02, screens=1, mix=(("area", 1.0), ("cubic", 1.0))),
        optimiser=Optimiser(learning_rate=2e-3, warmup=2, clip=0.1),
        budget=Budget(steps=steps),
        batch=4,
        validations=2,
        validate_on=1,
        dtype="fp32",
    )
    return replace(small, **changes)
