"""What every measure of quality is: a name, a unit, a direction and a running result that can be merged."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
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


def refuse_codes(*pictures: Tensor) -> None:
    """Raise `ValueError` for tensors of integers: code values where [0, 1] is due would be measured wrong."""
    for picture in pictures:
        if not picture.is_floating_point():
            raise ValueError(f"expected floating-point pictures in [0, 1], got {picture.dtype}")


class Mean(ABC):
    """A metric that is the mean of many figures.

    The figures are kept and summed exactly at the end, so that no order and no split changes the last bit.
    """

    def __init__(self) -> None:
        self._values: list[float] = []

    @abstractmethod
    def update(self, output: Tensor, target: Tensor) -> None:
        """Take in one picture and what it should have been; tensors of one shape."""

    def merge(self, other: Self) -> None:
        """Take in what `other` has seen."""
        self._values.extend(other._values)

    def result(self) -> float:
        """The mean so far; raises `ValueError` when nothing has been measured."""
        if not self._values:
            raise ValueError("no picture has been measured")
        return math.fsum(self._values) / len(self._values)


class PictureMean(Mean):
    """The mean of one figure per picture."""

    def update(self, output: Tensor, target: Tensor) -> None:
        """Take in one picture and what it should have been; tensors of one shape."""
        self._values.append(self._measure(output, target))

    @abstractmethod
    def _measure(self, output: Tensor, target: Tensor) -> float: ...


@dataclass(frozen=True, slots=True)
class Moment:
    """A picture and what it should have been; `cut` on the first of a shot."""

    output: Tensor
    target: Tensor
    cut: bool


class PairMean(Mean):
    """The mean of one figure per pair of successive pictures of a shot.

    The outermost pictures are kept, so that merging two halves measures the pair between them as well.
    """

    def __init__(self) -> None:
        super().__init__()
        self._first: Moment | None = None
        self._last: Moment | None = None

    def update(self, output: Tensor, target: Tensor, *, cut: bool = False) -> None:
        """Take in the next picture (C, H, W) and what it should have been; a `cut` makes no pair with the last."""
        same_shape(output, target)
        moment = Moment(output.detach().clone(), target.detach().clone(), cut)
        self._pair_with(moment)
        self._first, self._last = self._first or moment, moment

    def merge(self, other: Self) -> None:
        """Take in what `other` has seen, which follows directly on one's own unless it begins with a cut."""
        if other._first is None:
            return
        self._pair_with(other._first)
        super().merge(other)
        self._first, self._last = self._first or other._first, other._last

    def _pair_with(self, moment: Moment) -> None:
        if self._last is None or moment.cut:
            return
        value = self._measure(self._last, moment)
        if value is not None:
            self._values.append(value)

    @abstractmethod
    def _measure(self, before: Moment, after: Moment) -> float | None: ...
