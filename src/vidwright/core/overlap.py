"""Threads: let stages of a pipeline, or several items of one stage, be worked on at the same time."""

from __future__ import annotations

import queue
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from typing import TypeVar

R = TypeVar("R")
T = TypeVar("T")


def overlap(items: Iterable[T], *, depth: int, timeout: float | None = None) -> Generator[T]:
    """Iterate `items` in a thread of its own, at most `depth` ahead of the consumer; order and errors are kept.

    When the consumer stops early the thread is told, drops what it holds and closes the source. Raises TimeoutError
    when the source takes more than `timeout` seconds over one item; a call that hangs cannot be ended from outside,
    so its thread is then left behind with all that it holds.
    """
    source = iter(items)
    waiting: queue.Queue[tuple[T] | BaseException | None] = queue.Queue(maxsize=depth)
    stop = threading.Event()

    def produce() -> None:
        try:
            for item in source:
                waiting.put((item,))
                if stop.is_set():
                    return
            waiting.put(None)
        except BaseException as error:  # handed to the consumer, which raises it
            waiting.put(error)
        finally:
            if (close := getattr(source, "close", None)) is not None:
                close()

    worker = threading.Thread(target=produce, name="vidwright-overlap", daemon=True)
    worker.start()
    patience: float | None = None
    try:
        while (got := waiting.get(timeout=timeout)) is not None:
            if isinstance(got, BaseException):
                raise got
            yield got[0]
    except queue.Empty:
        patience = 0.0
        raise TimeoutError(f"nothing came for {timeout} seconds") from None
    finally:
        stop.set()
        with suppress(queue.Empty):  # room for the one thing that the thread may still put there
            while True:
                waiting.get_nowait()
        worker.join(patience)


def spread(fn: Callable[[T], R], items: Iterable[T], *, threads: int) -> Generator[R]:
    """`fn` of each item, in order, worked on by `threads` threads; at most one result more than that is waiting.

    `items` is iterated by the consumer's thread, which with one thread does all the work and reads nothing ahead. An
    error of `fn` is raised in its item's place.
    """
    if threads == 1:
        yield from map(fn, items)
        return
    waiting: deque[Future[R]] = deque()
    with ThreadPoolExecutor(threads, thread_name_prefix="vidwright-spread") as pool:
        try:
            for item in items:
                waiting.append(pool.submit(fn, item))
                if len(waiting) > threads:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            pool.shutdown(wait=True, cancel_futures=True)
