"""What a network learns to do: where its samples come from, what is minimised, and how it is judged."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, Literal, Protocol, runtime_checkable

from torch import Tensor, nn

from vidwright.data.loader import Batch
from vidwright.data.samples import Samples, Split


@dataclass(frozen=True, slots=True)
class Evaluation:
    """How a network did: figures by name, None where one was not measured, and pictures (C, H, W) in [0, 1].

    Pictures have one or three channels.
    """

    metrics: Mapping[str, float | None]
    pictures: dict[str, Tensor] = field(default_factory=dict[str, Tensor])


class Task(Protocol):
    """A frozen dataclass of settings that JSON can hold; one per recipe file.

    `watch` is the metric by which the best checkpoint is chosen, and `better` the direction in which it is better.
    """

    watch: ClassVar[str]
    better: ClassVar[Literal["higher", "lower"]]

    def samples(self, folder: Path, split: Split, seed: int) -> Samples:
        """The training samples of a folder. Raises `BadInput` for a folder without any."""
        ...

    def objective(self, net: nn.Module, batch: Batch) -> dict[str, Tensor]:
        """Named scalar losses of a batch; their sum is minimised."""
        ...

    def evaluate(self, net: nn.Module, folder: Path, split: Split, seed: int, limit: int | None) -> Evaluation:
        """Judge a network on the clips of a folder, on at most `limit` of them."""
        ...


@runtime_checkable
class Contested(Protocol):
    """A task whose network learns against a critic, which is trained beside it and not shipped.

    Its objective is given both, as `train.rivals.Rivals`; all else concerns the network alone.
    """

    def critic(self) -> nn.Module:
        """The critic before the first step."""
        ...


@runtime_checkable
class Restores(Protocol):
    """A task whose outputs have something that they should have been."""

    def outputs(self, net: nn.Module, folder: Path, split: Split, limit: int | None) -> Iterator[tuple[Tensor, Tensor]]:
        """Clips as they came out and as they should have, uint8 (T, 3, H, W)."""
        ...
