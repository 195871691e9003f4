"""Find the first picture of each shot."""

from __future__ import annotations

from fractions import Fraction

import av
import av.error
from av.filter import Graph

#: FFmpeg's own threshold of the scdet filter, in per cent of change from picture to picture.
THRESHOLD = 10


class CutFinder:
    """Asks FFmpeg's `scdet` filter of each picture in turn whether a new shot begins with it.

    The filter is given a reference to the picture and only its verdict is used: the picture itself stays as decoded.
    """

    def __init__(self, threshold: float = THRESHOLD) -> None:
        self._threshold = threshold
        self._graph: Graph | None = None
        self._shape: tuple[int, int, str] | None = None

    def begins_shot(self, frame: av.VideoFrame) -> bool:
        """True on the first picture of a new shot, False on the very first one of all."""
        shape = (frame.width, frame.height, frame.format.name)
        if self._graph is None or shape != self._shape:
            self._graph, self._shape = self._build(frame), shape
        try:
            self._graph.vpush(frame)
            seen = self._graph.vpull()
        except av.error.FFmpegError:  # a format or size that the filter cannot take: no cut is better than no video
            self._graph = None
            return False
        return "lavfi.scd.time" in seen.metadata

    def _build(self, frame: av.VideoFrame) -> Graph:
        graph = Graph()
        graph.threads = 1
        source = graph.add_buffer(
            width=frame.width,
            height=frame.height,
            format=frame.format,
            time_base=Fraction(frame.time_base or Fraction(1, 90000)),
        )
        detector = graph.add("scdet", f"threshold={self._threshold}")
        sink = graph.add("buffersink")
        source.link_to(detector)
        detector.link_to(sink)
        graph.configure()
        return graph
