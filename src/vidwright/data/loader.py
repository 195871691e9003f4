"""Samples -> batches, in an order that depends on nothing but their numbers."""

from __future__ import annotations

import itertools
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from vidwright.core.errors import BadInput, JobFailed
from vidwright.core.overlap import overlap
from vidwright.data.samples import Sample, Samples

Batch = dict[str, Tensor]

#: Batches that are ready before they are asked for.
AHEAD = 2


@dataclass(frozen=True, slots=True)
class Share:
    """Which part of every batch this process makes: part `rank` of `world`."""

    rank: int = 0
    world: int = 1


def batches(
    samples: Samples, size: int, *, start: int = 0, workers: int = 0, share: Share = Share()
) -> Generator[Batch]:
    """Batches number `start`, `start` + 1 and so on without end: this process's share of `size` samples each.

    Batch b holds the samples b * size to (b + 1) * size - 1, counted through all epochs; "sample" (B,) int64 is their
    numbers. `workers` processes make them, or with 0 one thread of this process. Raises `BadInput` when there are no
    samples and `JobFailed` when a worker dies.
    """
    if len(samples) == 0:
        raise BadInput("the data", "it holds no sample", "name a folder of clips with --data")
    part = size // share.world
    numbers = (
        range(batch * size + share.rank * part, batch * size + (share.rank + 1) * part)
        for batch in itertools.count(start)
    )
    numbered = _Numbered(samples)
    if workers == 0:
        return overlap((_stack([numbered[k] for k in each]) for each in numbers), depth=AHEAD)
    return _in_processes(numbered, numbers, workers)


class _Numbered(Dataset[Sample]):
    """Samples by one number that runs on through the epochs."""

    def __init__(self, samples: Samples) -> None:
        self._samples = samples

    def __getitem__(self, number: int) -> Sample:
        epoch, k = divmod(number, len(self._samples))
        return self._samples.sample(epoch, k) | {"sample": torch.tensor(number)}


def _stack(samples: list[Sample]) -> Batch:
    return {name: torch.stack([sample[name] for sample in samples]) for name in samples[0]}


def _in_processes(numbered: _Numbered, numbers: Iterator[range], workers: int) -> Generator[Batch]:
    loader: DataLoader[Any] = DataLoader(
        numbered,
        batch_sampler=numbers,  # pyright: ignore[reportArgumentType]
        num_workers=workers,
        collate_fn=_stack,
        prefetch_factor=AHEAD,
        multiprocessing_context="spawn",  # a fork would copy this process's locked thread pools
    )
    try:
        yield from loader
    except RuntimeError as error:
        if "DataLoader worker" not in str(error):
            raise
        raise JobFailed(
            "the data",
            "a worker process died, perhaps for lack of memory",
            "run again with --resume and fewer --workers",
        ) from error
