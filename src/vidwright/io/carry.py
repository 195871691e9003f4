"""The carrying itself: packets of the source's other streams, read alongside the new picture's packets."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from av.error import FFmpegError

from vidwright.core import Streams
from vidwright.io.container import open_input
from vidwright.io.decode import main_stream, start_of
from vidwright.io.lanes import AudioLane, CopyLane, Lane, SubtitleLane
from vidwright.io.muxer import Muxer
from vidwright.io.streams import STALE_TAGS, StreamPlan, TrackPlan, mov_language

if TYPE_CHECKING:
    from av.container import InputContainer

    from vidwright.io.packets import Packet

#: How far behind the end of a range the file's interleaving may still hold packets that belong to it, in seconds.
SLACK = Fraction(10)
_MIME = {"mjpeg": ("cover.jpg", "image/jpeg"), "png": ("cover.png", "image/png")}


class Carrier:
    """Writes the streams of `plan` into a muxer, a little at a time, as the picture's own packets are written.

    The source is read once more, lazily, so memory does not grow with its length. `warnings` names what turned out
    to be damaged on the way.
    """

    def __init__(self, streams: Streams, plan: StreamPlan, muxer: Muxer) -> None:
        self.warnings: list[str] = []
        self._muxer = muxer
        self._streams = streams
        self._closing = ExitStack()
        self._source: InputContainer = self._closing.enter_context(open_input(streams.source))
        self._start = streams.start
        self._origin = start_of(self._source, main_stream(self._source, streams.source))
        self._shift = -self._origin - self._start
        self._pace = streams.pace
        self._lanes = self._make_lanes(plan)
        self._attach(plan)
        self._describe()
        self._waiting: Packet | None = None
        self._packets = self._read()

    def __enter__(self) -> Carrier:
        return self

    def __exit__(self, *_: object) -> None:
        self._closing.close()

    def until(self, time: Fraction | None) -> None:
        """Mux all carried packets up to `time` in seconds of the new file; all that are left when it is None."""
        while (packet := self._waiting or next(self._packets, None)) is not None:
            self._waiting = packet
            if time is not None and self._time(packet) > time * self._pace:
                return
            self._waiting = None
            self._mux(self._lanes[packet.stream_index].take(packet, self._shift))
        if time is None:
            for lane in self._lanes.values():
                self._mux(lane.flush())

    def _mux(self, packets: list[Packet]) -> None:
        for packet in packets:
            self._muxer.mux(packet)

    def _make_lanes(self, plan: StreamPlan) -> dict[int, Lane]:
        lanes: dict[int, Lane] = {}
        for track in plan.tracks:
            if track.action not in ("copy", "convert"):
                continue
            stream = self._source.streams[track.track.index]
            lane = _lane(track, stream, self._muxer, self._pace)
            lane.stream.disposition = stream.disposition
            lane.stream.metadata.update(_tags(stream.metadata))
            if "name" in stream.metadata:  # so mp4 calls on reading what it takes as "title"
                lane.stream.metadata.setdefault("title", stream.metadata["name"])
            if plan.container == "mov" and "language" in lane.stream.metadata:
                lane.stream.metadata["language"] = mov_language(lane.stream.metadata["language"])
            lanes[stream.index] = lane
        return lanes

    def _attach(self, plan: StreamPlan) -> None:
        """Fonts and cover art that are stored whole, before the first packet, as Matroska wants them."""
        for track in plan.having("attach"):
            stream: Any = self._source.streams[track.track.index]
            if stream.type == "attachment":
                name, mime, content = (
                    stream.name or "attachment",
                    stream.mimetype or "application/octet-stream",
                    stream.data,
                )
            else:
                name, mime = _MIME[track.track.codec]
                content = _first_packet(self._streams, stream.index)
            self._muxer.output.add_attachment(name, mime, content)

    def _describe(self) -> None:
        self._muxer.output.metadata.update(_tags(self._streams.metadata))
        chapters: list[Any] = []
        stop = self._streams.stop
        for chapter in self._source.chapters():
            tick = chapter["time_base"] or Fraction(1)
            begin = max(chapter["start"] * tick + self._shift, Fraction(0))
            end = chapter["end"] * tick + self._shift
            end = end if stop is None else min(end, stop - self._start)
            if begin < end:
                first, last = (round(time / self._pace * 1000) for time in (begin, end))
                times = {"start": first, "end": last, "time_base": Fraction(1, 1000)}
                chapters.append({"id": len(chapters) + 1, "metadata": chapter["metadata"], **times})
        if chapters:
            self._muxer.output.set_chapters(chapters)

    def _read(self) -> Iterator[Packet]:
        """Packets of the range in file order; what a damaged source cannot give is named in `warnings`."""
        if not self._lanes:
            return
        try:
            if self._start > 0:
                self._source.seek(int((self._start - SLACK + self._origin) * 1_000_000), backward=True)
            for packet in self._source.demux([self._source.streams[index] for index in self._lanes]):
                if packet.size and not packet.is_corrupt and self._inside(packet):
                    yield packet
                elif self._streams.stop is not None and self._time(packet) > self._streams.stop - self._start + SLACK:
                    return
        except FFmpegError as error:
            self.warnings.append(f"audio and subtitles end where the source is damaged ({error.strerror})")

    def _inside(self, packet: Packet) -> bool:
        """Sound belongs to the range in which it starts, a subtitle to every range that it reaches into."""
        if packet.pts is None and packet.dts is None:
            return True
        time, stop = self._time(packet), self._streams.stop
        if stop is not None and time >= stop - self._start:
            return False
        reach = (packet.duration or 0) * packet.time_base if packet.stream.type == "subtitle" else 0
        return self._start == 0 or time >= 0 or time + reach > 0

    def _time(self, packet: Packet) -> Fraction:
        ticks = packet.pts if packet.pts is not None else packet.dts
        return Fraction(0) if ticks is None else ticks * packet.time_base + self._shift


def carried_bytes(streams: Streams, plan: StreamPlan) -> int:
    """What the tracks that `plan` copies or converts will add to a file; those that are converted as they are now."""
    indices = [track.track.index for track in plan.tracks if track.action in ("copy", "convert")]
    if not indices:
        return 0
    start, stop = streams.start, streams.stop
    total = 0
    with open_input(streams.source) as source:
        origin = start_of(source, main_stream(source, streams.source))
        for packet in source.demux([source.streams[index] for index in indices]):
            time = Fraction(0) if packet.pts is None else packet.pts * packet.time_base - origin
            if packet.size and time >= start and (stop is None or time < stop):
                total += packet.size
    return total


def _lane(plan: TrackPlan, stream: Any, muxer: Muxer, pace: Fraction) -> Lane:
    if plan.action == "copy":
        return CopyLane(stream, muxer, pace)
    if stream.type == "audio":
        return AudioLane(stream, plan.encoder, muxer, pace)
    return SubtitleLane(stream, plan.encoder, muxer, pace)


def _tags(metadata: dict[str, str]) -> dict[str, str]:
    return {key: value for key, value in metadata.items() if key.lower() not in STALE_TAGS}


def _first_packet(streams: Streams, index: int) -> bytes:
    with open_input(streams.source) as source:
        return next((bytes(packet) for packet in source.demux(source.streams[index]) if packet.size), b"")
