"""Let one stage of a pipeline work while the next one does."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterable, Iterator
from typing import TypeVar

T = TypeVar("T")


def overlap(items: Iterable[T], *, depth: int) -> Iterator[T]:
    """Iterate `items` in a thread of its own, at most `depth` ahead of the consumer; order and errors are kept.

    When the consumer stops early the thread is told, drops what it holds and closes the source.
    """
    waiting: queue.Queue[tuple[T] | BaseException | None] = queue.Queue(maxsize=depth)
    stop = threading.Event()

    def put(item: tuple[T] | BaseException | None) -> None:
        while not stop.is_set():
            try:
                return waiting.put(item, timeout=0.1)
            except queue.Full:
                continue

    def produce() -> None:
        source = iter(items)
        try:
            for item in source:
                put((item,))
                if stop.is_set():
                    break
            put(None)
        except BaseException as error:  # handed to the consumer, which raises it
            put(error)
        finally:
            if (close := getattr(source, "close", None)) is not None:
                close()

    worker = threading.Thread(target=produce, name="vidwright-overlap", daemon=True)
    worker.start()
    try:
        while (got := waiting.get()) is not None:
            if isinstance(got, BaseException):
                raise got
            yield got[0]
    finally:
        stop.set()
        worker.join()
