"""Distances between two sets of clips, taken between the features that a network finds in them.

Shape suffixes: B clips, T pictures, C channels, H rows, W columns, N features of clips, D numbers per feature.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Protocol, Self

import torch
from torch import Tensor

from vidwright.metrics.metric import Direction


class FeatureNet(Protocol):
    """What describes a clip: any callable with a name, its weights loaded and itself in evaluation mode."""

    name: str

    def __call__(self, clips_BTCHW: Tensor) -> Tensor:
        """Features (B, D) of clips with values in [0, 1]."""
        ...


class FeatureDistance(ABC):
    """A distance between the features of all outputs and those of all targets, which are sets and no pairs.

    The features are kept, 3.2 kB for each clip of I3D, and the distance is computed from them in fp64 at the end:
    parts that are merged in their order give what the whole gives, bit for bit.
    """

    unit = ""
    better: Direction = "lower"

    def __init__(self, features: FeatureNet, *, name: str) -> None:
        self.name = name
        self._features = features
        self._outputs: list[Tensor] = []
        self._targets: list[Tensor] = []

    def update(self, output: Tensor, target: Tensor) -> None:
        """Take in one clip (T, C, H, W) of each set, values in [0, 1]."""
        with torch.inference_mode():
            self.add(self._features(output[None]), self._features(target[None]))

    def add(self, output_ND: Tensor, target_ND: Tensor) -> None:
        """Take in features that are there already, any number of each set."""
        if output_ND.ndim != 2 or target_ND.ndim != 2 or output_ND.shape[1] != target_ND.shape[1]:
            found = f"{tuple(output_ND.shape)} and {tuple(target_ND.shape)}"
            raise ValueError(f"expected features (N, D) with one D, got {found}")
        self._outputs.append(output_ND.detach().to("cpu", torch.float64, copy=True))
        self._targets.append(target_ND.detach().to("cpu", torch.float64, copy=True))

    def merge(self, other: Self) -> None:
        """Take in what `other` has seen, which follows on one's own."""
        self._outputs.extend(other._outputs)
        self._targets.extend(other._targets)

    def result(self) -> float:
        """The distance so far; raises `ValueError` when fewer than two clips of a set have been seen."""
        seen = min(sum(len(part) for part in parts) for parts in (self._outputs, self._targets))
        if seen < 2:
            raise ValueError(f"{self.name} needs two clips of each set and more, got {seen}")
        return self._distance(torch.cat(self._outputs), torch.cat(self._targets))

    @abstractmethod
    def _distance(self, output_ND: Tensor, target_ND: Tensor) -> float: ...
