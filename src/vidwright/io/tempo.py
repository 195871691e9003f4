"""Sound at another speed, its pitch kept, by FFmpeg's `atempo`."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import av.error
from av.filter import Graph

#: The speeds that one filter can do; beyond them several follow each other.
SLOWEST, FASTEST = Fraction(1, 2), Fraction(100)


class Tempo:
    """Takes frames of sound and gives those of one `pace` times as fast; what is missing between them is silence."""

    def __init__(self, pace: Fraction) -> None:
        self._pace = pace
        self._graph: Graph | None = None
        self._moved = Fraction(0)

    def push(self, frame: Any) -> list[Any]:
        """What is ready once `frame` is known; None is the end."""
        if frame is not None:
            self._prepare(frame)
        if self._graph is None:
            return []
        self._graph.push(frame)
        found: list[Any] = []
        while True:
            try:
                found.append(self._graph.pull())
            except (av.error.BlockingIOError, av.error.EOFError):
                return found

    def _prepare(self, frame: Any) -> None:
        """Bring a frame to the clock of its samples; the filter keeps the first one's time, which is to be divided."""
        tick = Fraction(1, frame.sample_rate)
        time = None if frame.pts is None else frame.pts * frame.time_base
        if self._graph is None:
            self._moved = (time or 0) / self._pace - (time or 0)
            self._graph = _graph(frame, tick, self._pace)
        frame.pts = None if time is None else round((time + self._moved) / tick)
        frame.time_base = tick


def _graph(like: Any, tick: Fraction, pace: Fraction) -> Graph:
    graph = Graph()
    graph.threads = 1
    source = graph.add_abuffer(
        sample_rate=like.sample_rate, format=like.format.name, layout=like.layout.name, time_base=tick
    )
    tempos = [graph.add("atempo", f"{float(part):.9f}") for part in parts(pace)]
    graph.link_nodes(source, graph.add("aresample", "async=1"), *tempos, graph.add("abuffersink"))
    graph.configure()
    return graph


def parts(pace: Fraction) -> list[Fraction]:
    """Speeds in a row that one filter each can do."""
    found: list[Fraction] = []
    while pace < SLOWEST:
        found.append(SLOWEST)
        pace /= SLOWEST
    while pace > FASTEST:
        found.append(FASTEST)
        pace /= FASTEST
    return [*found, pace]
