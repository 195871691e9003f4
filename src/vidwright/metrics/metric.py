"""What every measure of quality is: a name, a unit, a direction and a running result that can be merged."""

from __future__ import annotations

from typing import Literal, Protocol, Self, runtime_checkable

from torch import Tensor

Direction = Literal["higher", "lower"]


@runtime_checkable
class Metric(Protocol):
    """A figure that grows picture by picture.

    `better` is the direction of better quality, `unit` is empty for a bare number. Metrics of the same kind
    and settings fed with two halves of a video and merged give what one fed with the whole gives.
    """

    name: str
    unit: str
    better: Direction

    def update(self, output: Tensor, target: Tensor) -> None:
        """Take in one picture and what it should have been; tensors of one shape."""
        ...

    def merge(self, other: Self) -> None:
        """Take in what `other` has seen."""
        ...

    def result(self) -> float:
        """The figure so far; raises `ValueError` when no picture has been seen."""
        ...


def same_shape(output: Tensor, target: Tensor) -> None:
    """Raise `ValueError` unless both are of one shape: broadcasting would silently measure something else."""
    if output.shape != target.shape:
        raise ValueError(f"shapes differ: output {tuple(output.shape)}, target {tuple(target.shape)}")
    if output.numel() == 0:
        raise ValueError("nothing to measure: the picture is empty")
