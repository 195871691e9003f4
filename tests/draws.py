"""Samples of random numbers in a module that worker processes can import."""

from __future__ import annotations

import torch

from vidwright.core.errors import BadInput
from vidwright.data.samples import Sample
from vidwright.data.seeding import generator


class Draws:
    """Seven samples of random numbers an epoch; sample `damaged` cannot be read."""

    def __init__(self, damaged: int | None = None) -> None:
        self.damaged = damaged

    def __len__(self) -> int:
        return 7

    def sample(self, epoch: int, k: int) -> Sample:
        if epoch * 7 + k == self.damaged:
            raise BadInput(f"clip{k}.mp4", "it is torn", "leave it out")
        return {"x": torch.randn(3, generator=generator(0, epoch, k)), "place": torch.tensor([epoch, k])}
