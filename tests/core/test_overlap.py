"""Overlap: same items, same errors, bounded look-ahead, and nothing left running."""

from __future__ import annotations

import threading
import time

import pytest

from vidwright.core.overlap import overlap, spread
from waiting import until


class Source:
    """Counts what was asked of it and whether it was closed."""

    def __init__(self, length: int, fails_at: int | None = None) -> None:
        self.given = 0
        self.closed = threading.Event()
        self._length, self._fails_at = length, fails_at

    def __iter__(self):
        try:
            for number in range(self._length):
                if number == self._fails_at:
                    raise ZeroDivisionError("the source's own error")
                self.given += 1
                yield number
        finally:
            self.closed.set()


def running() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name == "vidwright-overlap"]


@pytest.mark.parametrize("depth", [1, 3, 100])
@pytest.mark.parametrize("length", [0, 1, 2, 50])
def test_items_come_in_order_and_the_thread_ends(length, depth):
    source = Source(length)
    assert list(overlap(source, depth=depth)) == list(range(length))
    assert source.closed.is_set() and not running()


@pytest.mark.parametrize("at", [0, 1, 7])
def test_an_error_comes_after_the_items_before_it(at):
    source, seen = Source(20, fails_at=at), []
    with pytest.raises(ZeroDivisionError, match="own error"):
        for item in overlap(source, depth=2):
            seen.append(item)
    assert seen == list(range(at))
    assert source.closed.is_set() and not running()


def test_a_source_that_cannot_even_begin_raises():
    class Broken:
        def __iter__(self):
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        next(overlap(Broken(), depth=1))


@pytest.mark.parametrize("waits", [False, True])
@pytest.mark.parametrize("depth", [1, 3])
@pytest.mark.parametrize("taken", [1, 5])
def test_stopping_early_closes_the_source(taken, depth, waits):
    """Whatever the thread is at, and when it waits for room."""
    source = Source(1000)
    items = overlap(source, depth=depth)
    assert [next(items) for _ in range(taken)] == list(range(taken))
    if waits:
        until(lambda: source.given == taken + depth + 1, 5)
    items.close()
    assert source.closed.is_set() and not running()
    assert source.given < 20


def test_look_ahead_is_bounded_and_used():
    source = Source(100)
    items = overlap(source, depth=3)
    next(items)
    until(lambda: source.given >= 5, 5)
    time.sleep(0.1)
    assert source.given == 1 + 3 + 1  # taken, waiting, and one in the thread's hand
    items.close()


def test_nothing_starts_before_the_first_item_is_asked_for():
    source = Source(3)
    overlap(source, depth=1).close()
    assert source.given == 0 and not running()


def test_a_source_that_hangs_is_reported():
    release = threading.Event()

    def hanging():
        yield 1
        release.wait(10)

    items = overlap(hanging(), depth=1, timeout=0.1)
    assert next(items) == 1
    with pytest.raises(TimeoutError):
        next(items)
    release.set()


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_spread_keeps_order_and_reads_little_ahead(threads):
    asked: list[int] = []

    def source():
        for number in range(40):
            asked.append(number)
            yield number

    def slow_when_even(number: int) -> int:
        time.sleep(0.002 * (number % 2 == 0))
        return number * number

    for place, result in enumerate(spread(slow_when_even, source(), threads=threads)):
        assert result == place * place
        assert len(asked) <= place + 1 + (threads if threads > 1 else 0)
    assert place == 39


@pytest.mark.parametrize("threads", [1, 3])
def test_spread_raises_an_error_in_its_place(threads):
    seen: list[float] = []
    with pytest.raises(ZeroDivisionError):
        seen.extend(spread(lambda number: 1 / number, [4, 2, 0, 1, 5, 8], threads=threads))
    assert seen == [0.25, 0.5]
