"""How torch's threads are used: inside each operation, or for several pieces of work of one thread each."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable
from contextlib import contextmanager
from typing import TypeVar

import torch

from vidwright.core.overlap import spread

T = TypeVar("T")


@contextmanager
def one_torch_thread() -> Generator[None]:
    """Operations compute on one thread inside.

    What takes less than a millisecond is too little to share out: a wait for a second thread on a busy machine costs
    60 times more.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def together(work: Callable[[T], object], pieces: Iterable[T]) -> None:
    """Do `work` on each of `pieces`, as many at a time as an operation would use threads, each on one thread."""
    threads, inference = torch.get_num_threads(), torch.is_inference_mode_enabled()

    def alone(piece: T) -> None:
        with torch.inference_mode(inference):  # which is a thread's own
            work(piece)

    with one_torch_thread():
        for _ in spread(alone, pieces, threads=threads):
            pass
