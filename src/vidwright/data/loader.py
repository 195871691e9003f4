"""Samples -> batches, in an order that depends on nothing but their numbers."""

from __future__ import annotations

import itertools
import os
import signal
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from vidwright.core.errors import BadInput, JobFailed, VidwrightError
from vidwright.core.overlap import overlap, spread
from vidwright.data.samples import Samples

Batch = dict[str, Tensor]

#: Batches that are ready before they are asked for.
AHEAD = 2

#: Batches that are made at the same time without worker processes: decoding and torch let other threads run.
THREADS = min(4, os.cpu_count() or 1)


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
    numbers. `workers` processes make them, or with 0 threads of this process. Raises `BadInput` when there are no
    samples and `JobFailed` when a worker dies.
    """
    if len(samples) == 0:
        raise BadInput("the data", "it holds no sample", "name a folder of clips with --data")
    part = size // share.world
    numbers = (
        range(batch * size + share.rank * part, batch * size + (share.rank + 1) * part)
        for batch in itertools.count(start)
    )
    made = _Made(samples)
    source = _in_processes(made, numbers, workers) if workers else spread(made.batch, numbers, threads=THREADS)
    # A thread, even before processes: in the main one torch installs a handler of SIGCHLD that raises anywhere.
    return overlap(source, depth=AHEAD)


class _Made(Dataset[Any]):
    """Batches by the numbers of their samples, which run on through the epochs."""

    def __init__(self, samples: Samples) -> None:
        self._samples = samples

    def batch(self, numbers: range) -> Batch:
        samples = [self._samples.sample(*divmod(number, len(self._samples))) for number in numbers]
        batch = {name: torch.stack([sample[name] for sample in samples]) for name in samples[0]}
        return batch | {"sample": torch.tensor(numbers)}

    def __getitem__(self, numbers: range) -> Batch | VidwrightError:
        try:
            return self.batch(numbers)
        except VidwrightError as error:  # returned, because DataLoader makes a RuntimeError of what is raised
            return error


def _in_processes(made: _Made, numbers: Iterator[range], workers: int) -> Generator[Batch]:
    loader: DataLoader[Any] = DataLoader(
        made,
        batch_size=None,
        sampler=numbers,  # pyright: ignore[reportArgumentType]
        num_workers=workers,
        collate_fn=_as_it_is,
        worker_init_fn=_leave_interrupts_to_the_parent,
        prefetch_factor=AHEAD,
        multiprocessing_context="spawn",  # a fork would copy this process's locked thread pools
    )
    try:
        for batch in loader:
            if isinstance(batch, VidwrightError):
                raise batch
            yield batch
    except (RuntimeError, EOFError, ConnectionError) as error:  # the latter two when it died while it sent a batch
        if isinstance(error, RuntimeError) and "exited unexpectedly" not in str(error):
            raise
        raise JobFailed(
            "the data",
            "a worker process died, perhaps for lack of memory",
            "run again with --resume and fewer --workers",
        ) from error


def _as_it_is(batch: Any) -> Any:
    return batch


def _leave_interrupts_to_the_parent(worker: int) -> None:
    """A terminal interrupts all processes at once; the training process is to end its step and save, not to fail."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
