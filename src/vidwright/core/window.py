"""Sliding windows over frames that never look across a cut."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TypeVar

T = TypeVar("T")


def distinct(window: Sequence[T]) -> tuple[list[T], int]:
    """The items of a window once each, in their order, and the place of the middle one among them.

    At the ends of a shot its nearest item stands there several times. Items are told apart by `==`.
    """
    items = list(dict.fromkeys(window))
    return items, items.index(window[len(window) // 2])


def windows(items: Iterable[T], radius: int, *, is_cut: Callable[[T], bool]) -> Iterator[tuple[T, ...]]:
    """Each item in the middle of 2 * `radius` + 1 neighbours, as many windows as items, `radius` behind the input.

    `is_cut` says whether an item begins a new shot. At the ends of a shot its nearest item stands in for the
    neighbours that are not there.
    """
    held: deque[T] = deque()  # items whose window is not complete yet, after up to `radius` that came before them
    past = 0  # how many of `held` have had their window

    def window(at: int) -> tuple[T, ...]:
        last = len(held) - 1
        return tuple(held[min(max(i, 0), last)] for i in range(at - radius, at + radius + 1))

    for item in items:
        if is_cut(item):
            yield from (window(at) for at in range(past, len(held)))
            held.clear()
            past = 0
        held.append(item)
        if len(held) > past + radius:
            yield window(past)
            past += 1
        if past > radius:
            held.popleft()
            past -= 1
    yield from (window(at) for at in range(past, len(held)))
