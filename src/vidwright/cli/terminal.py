"""What passes between the commands and the person at the terminal."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager


def say(text: str) -> None:
    """A line for the person, on stderr: stdout is for results."""
    print(text, file=sys.stderr, flush=True)


@contextmanager
def interruptible(what_follows: str) -> Iterator[threading.Event]:
    """Ctrl-C once asks for an end, and says `what_follows`; twice ends at once."""
    stop = threading.Event()

    def handle(number: int, frame: object) -> None:
        if stop.is_set():
            raise KeyboardInterrupt
        stop.set()
        say(f"\n{what_follows}; Ctrl-C again stops at once")

    before = signal.signal(signal.SIGINT, handle)
    try:
        yield stop
    finally:
        signal.signal(signal.SIGINT, before)
