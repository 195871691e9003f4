"""What a training set is: numbered samples, each made when it is asked for."""

from __future__ import annotations

from typing import Literal, Protocol

from torch import Tensor

Sample = dict[str, Tensor]

#: Which part of a folder: what is learned from, what is kept out of it to validate on, both, or what a finished model
#: is judged by, which is a test set where the data have one and else everything.
Split = Literal["train", "valid", "all", "test"]


class Samples(Protocol):
    """Random access to the samples of every epoch; each is a pure function of (seed, epoch, k)."""

    def __len__(self) -> int:
        """Samples in one epoch."""
        ...

    def sample(self, epoch: int, k: int) -> Sample:
        """Sample `k` of `epoch`: named tensors, of the same names, shapes and dtypes for every sample."""
        ...
