"""How a running job is shown: a bar on a terminal, a line now and then in a log, JSON for programs."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from vidwright.jobs.job import Event, Watch

Style = Literal["auto", "bar", "lines", "json", "none"]

#: Seconds between two lines in a log.
LINE_EVERY = 10.0

STAGES = {
    "plan": "reading",
    "work": "working on",
    "generate": "generating",
    "encode": "encoding",
    "join": "joining",
    "verify": "verifying",
}


@contextmanager
def shown(style: Style, name: str) -> Iterator[Watch]:
    """Show the progress of one job on stderr; `auto` is a bar on a terminal and lines elsewhere."""
    if style == "auto":
        style = "bar" if sys.stderr.isatty() else "lines"
    if style == "bar":
        with _bar(name) as watch:
            yield watch
    elif style == "lines":
        yield _Lines(name)
    elif style == "json":
        yield _json_lines
    else:
        yield lambda event: None


class Speed:
    """Frames per second of the present stage, and the seconds that it still takes."""

    def __init__(self) -> None:
        self._stage = ""
        self._began = 0.0
        self._base = 0

    def update(self, event: Event) -> tuple[float, float | None]:
        """(frames per second, seconds left or None) at `event`; what an earlier run did counts for neither."""
        now = time.monotonic()
        if event.stage != self._stage:
            self._stage, self._began, self._base = event.stage, now, event.done
        passed = now - self._began
        speed = (event.done - self._base) / passed if passed > 0 else 0.0
        left = (event.total - event.done) / speed if event.total is not None and speed > 0 else None
        return speed, left


class _Lines:
    def __init__(self, name: str) -> None:
        self._name = name
        self._speed = Speed()
        self._said = time.monotonic()

    def __call__(self, event: Event) -> None:
        speed, left = self._speed.update(event)
        if time.monotonic() - self._said < LINE_EVERY:
            return
        self._said = time.monotonic()
        of = "" if event.total is None else f" of {event.total}"
        eta = "" if left is None else f", {left:.0f} s left"
        line = f"{self._name}: {STAGES[event.stage]} {event.done}{of} frames, {speed:.1f} fps{eta}"
        print(line, file=sys.stderr, flush=True)


def _json_lines(event: Event) -> None:
    print(json.dumps({"stage": event.stage, "done": event.done, "total": event.total}), file=sys.stderr, flush=True)


@contextmanager
def _bar(name: str) -> Iterator[Watch]:
    columns = (
        TextColumn("{task.fields[name]}  {task.description}", markup=False),
        BarColumn(),
        TextColumn("{task.completed:.0f}/{task.total:.0f} frames  {task.fields[speed]:.1f} fps", markup=False),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    speed = Speed()
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("", total=1, name=name, speed=0.0)

        def watch(event: Event) -> None:
            total = event.total or max(event.done, 1)
            progress.update(
                task, description=STAGES[event.stage], completed=event.done, total=total, speed=speed.update(event)[0]
            )

        yield watch
