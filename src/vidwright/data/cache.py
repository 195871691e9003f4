"""What is dear to make and often asked for, within a bound of bytes."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Future

from torch import Tensor


class Cache:
    """Tensors by number; those not asked for the longest go when there are more than `most` bytes of them.

    Any thread may ask. A tensor is made once, however many threads ask while it is being made, and they share it: it
    must not be written to. One that is larger than `most` is given and not kept. Sent to another process a cache
    arrives empty.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._lock = threading.Lock()
        self._entries: OrderedDict[int, Future[Tensor]] = OrderedDict()
        self._sizes: dict[int, int] = {}  # of those that are made

    def __reduce__(self) -> tuple[object, ...]:
        return Cache, (self._most,)

    @property
    def bytes(self) -> int:
        """How much is kept now."""
        with self._lock:
            return sum(self._sizes.values())

    def get(self, key: int, make: Callable[[], Tensor]) -> Tensor:
        """The tensor of `key`, by calling `make` if it is not kept. What `make` raises is raised to all who wait."""
        with self._lock:
            known = self._entries.get(key)
            mine = known or self._entries.setdefault(key, Future())
            self._entries.move_to_end(key)
        if known is None:
            self._fill(key, mine, make)
        return mine.result()

    def _fill(self, key: int, entry: Future[Tensor], make: Callable[[], Tensor]) -> None:
        try:
            made = make()
        except BaseException as error:
            with self._lock:
                del self._entries[key]
            entry.set_exception(error)
            return
        with self._lock:
            self._sizes[key] = made.nbytes
            for oldest in [each for each in self._entries if each in self._sizes]:
                if sum(self._sizes.values()) <= self._most:
                    break
                del self._entries[oldest], self._sizes[oldest]
        entry.set_result(made)
