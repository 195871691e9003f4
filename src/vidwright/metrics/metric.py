"""What every measure of quality is: a name, a unit, a direction and a running result that can be merged."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
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


class PictureMean(ABC):
    """A metric that is the mean of one figure per picture.

    The figures are kept and summed exactly at the end, so that no order and no split changes the last bit.
    """

    def __init__(self) -> None:
        self._values: list[float] = []

    def update(self, output: Tensor, target: Tensor) -> None:
        """Take in one picture and what it should have been; tensors of one shape."""
        self._values.append(self._measure(output, target))

    def merge(self, other: Self) -> None:
        """Take in what `other` has seen."""
        self._values.extend(other._values)

    def result(self) -> float:
        """The mean so far; raises `ValueError` when nothing has been measured."""
        if not self._values:
            raise ValueError("no picture has been measured")
        return math.fsum(self._values) / len(self._values)

    @abstractmethod
    def _measure(self, output: Tensor, target: Tensor) -> float: ...
