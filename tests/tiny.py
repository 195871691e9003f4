"""Tiny weights and networks for the tests: seeded, random, and quick."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import torch
from torch import nn

from vidwright.data.crops import KINDS
from vidwright.models.enhance.restorer import Config, Net
from vidwright.weights.store import save_weights

CONFIG = Config(channels=8, depth=3, kinds=KINDS, parts=2)


def randomise(net: nn.Module, seed: int = 0) -> nn.Module:
    """Give every parameter random values, so that no part of the network is idle as it may be before training."""
    random = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.normal_(0, 0.15, generator=random)
    return net


def says(net: Net, chances: dict[str, float]) -> Net:
    """`net`, made to read these chances of the kinds of shrinking, whatever it sees."""
    last = net.reader.judge[-1]
    assert isinstance(last, nn.Linear)
    with torch.no_grad():
        last.weight.zero_()
        last.bias.copy_(torch.tensor([chances.get(kind, 0.0) for kind in net.config.kinds]).clamp_min(1e-6).log())
    return net


def weights(path: Path, config: Config = CONFIG, **header: object) -> Path:
    """Write a restorer's weights file to `path` and return it; `header` replaces entries of its card."""
    card = {"model": "enhance/restorer", "name": "test", "config": dataclasses.asdict(config)}
    save_weights(path, randomise(Net(config)).state_dict(), card | header)
    return path
