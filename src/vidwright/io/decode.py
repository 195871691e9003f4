"""From an open container to decoded pictures, one packet at a time and in spite of damage."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import cast

import av
import av.error
from av.codec.context import ThreadType
from av.container import InputContainer
from av.stream import Disposition, Stream
from av.video.codeccontext import VideoCodecContext
from av.video.stream import VideoStream

from vidwright.core.errors import BadInput
from vidwright.core.report import Damage

#: A demuxer that fails this many times in a row has nothing more to give.
GIVE_UP = 16

#: Decoders that may drop a picture without a word, but else give one for each packet, unless that is a single field.
ONE_PICTURE_EACH = ("h264", "hevc")

_PICTURES_OF_SOMETHING_ELSE = Disposition.attached_pic | Disposition.timed_thumbnails


@dataclass(slots=True)
class Tally:
    """What was met so far while reading; written by the decoding thread, read by the consumer."""

    undecodable: int = 0
    corrupt: int = 0
    retimed: int = 0
    truncated: bool = False
    notes: dict[str, int] = field(default_factory=dict[str, int])

    def note(self, text: str) -> None:
        self.notes[text] = self.notes.get(text, 0) + 1

    @property
    def damage(self) -> Damage:
        return Damage(self.undecodable, self.corrupt, self.retimed, self.truncated)

    @property
    def warnings(self) -> tuple[str, ...]:
        return tuple(f"{text} ({count} frames)" if count > 1 else text for text, count in self.notes.items())


def is_cover(stream: Stream) -> bool:
    """True for a video stream that is a picture of something else: cover art or thumbnails."""
    return stream.type == "video" and bool(stream.disposition & _PICTURES_OF_SOMETHING_ELSE)


def main_stream(container: InputContainer, path: Path) -> VideoStream:
    """The video track to work on: the default one, then the largest, then the first. Raises `BadInput` without one."""
    tracks = [stream for stream in container.streams.video if not is_cover(stream)]
    streams = [stream for stream in tracks if cast("VideoCodecContext | None", stream.codec_context) is not None]
    if tracks and not streams:
        raise BadInput(path, "the codec of its video is not known", "convert it with the program that made it")
    if not streams:
        found = ", only cover art" if container.streams.video else ", or its header is damaged"
        cause = "there is no video in this file" + found
        raise BadInput(path, cause, "give a file with a video track")

    def rank(stream: VideoStream) -> tuple[bool, int, int]:
        default = bool(stream.disposition & Disposition.default)
        return default, stream.codec_context.width * stream.codec_context.height, -stream.index

    return max(streams, key=rank)


def refuse_too_large(path: Path, width: int, height: int, max_pixels: int) -> None:
    """Raise `BadInput` for a declared picture that is larger than allowed."""
    if width * height > max_pixels:
        cause = f"pictures of {width}x{height} are above the limit of {max_pixels} pixels"
        raise BadInput(path, cause, "raise the limit with --max-pixels if you trust this file and have the memory")


def nothing_decoded(path: Path, max_pixels: int) -> BadInput:
    """The error for a video without one picture; a decoder that meets a size above the limit does not say so."""
    cause = f"not one picture can be decoded: all are damaged, or above the limit of {max_pixels} pixels"
    return BadInput(path, cause, "check that it plays elsewhere; a larger picture needs a larger --max-pixels")


#: Frames per second; more than that is the clock of an encoder, which Matroska without a rate of its own passes on.
FASTEST = 1000


def interval_of(stream: VideoStream) -> Fraction:
    """Seconds from frame to frame on average, as far as the container knows; 1/25 if it knows nothing."""
    for rate in (stream.average_rate, stream.guessed_rate, stream.base_rate):
        if rate is not None and 0 < rate <= FASTEST:
            return 1 / Fraction(rate)
    return Fraction(1, 25)


def start_of(container: InputContainer, stream: VideoStream) -> Fraction:
    """The file's clock, in seconds, at time zero: where its first stream begins, in whole ticks of `stream`."""
    tick = stream.time_base
    clock = cast("int | None", container.start_time)  # raw streams have none
    if clock is None or tick is None:
        return Fraction(0)
    return Fraction(clock, av.time_base) // tick * tick


def decode(container: InputContainer, stream: VideoStream, tally: Tally) -> Iterator[av.VideoFrame]:
    """Every picture that can be decoded, in presentation order; what can not is counted in `tally`."""
    decoder = _decoder(stream)
    fields = False
    seen, expected, end = 0, 0, Fraction(0)
    for packet in _packets(container, stream, tally):
        seen += 1
        expected += not packet.is_discard
        tally.corrupt += packet.is_corrupt
        if packet.pts is not None and packet.time_base:
            end = max(end, (packet.pts + (packet.duration or 0)) * packet.time_base)
        try:
            frames = _feed(decoder, packet)
        except av.error.FFmpegError:
            tally.undecodable += 1
            continue
        for frame in frames:
            tally.corrupt += frame.is_corrupt and not packet.is_corrupt
            expected -= 1
            fields = fields or frame.interlaced_frame
            yield frame
    for frame in _drain(decoder, tally):
        expected -= 1
        yield frame
    if stream.codec_context.name in ONE_PICTURE_EACH and not fields:
        tally.undecodable = max(tally.undecodable, expected)
    tally.truncated = tally.truncated or _ends_early(container, stream, seen, end)


def _decoder(stream: VideoStream) -> VideoCodecContext:
    """The stream's own decoder, except that only libvpx decodes the alpha of VP8 and VP9."""
    context = stream.codec_context
    if context.name in ("vp8", "vp9") and stream.metadata.get("alpha_mode") == "1":
        options = context.options
        name = {"vp8": "libvpx", "vp9": "libvpx-vp9"}[context.name]
        context = cast(VideoCodecContext, VideoCodecContext.create(name, "r"))
        context.options = options
    # With one thread a damaged stream decodes the same each time and on every machine. Slice threads conceal errors
    # by their number, frame threads by chance, and those lose the pictures under way when one of them fails.
    context.thread_type, context.thread_count = ThreadType.NONE, 1
    return context


def _feed(decoder: VideoCodecContext, packet: av.Packet[VideoStream] | None) -> list[av.VideoFrame]:
    return decoder.decode(packet)  # pyright: ignore[reportUnknownMemberType]


def _packets(container: InputContainer, stream: VideoStream, tally: Tally) -> Iterator[av.Packet[VideoStream]]:
    failures = 0
    while failures < GIVE_UP:
        try:
            for packet in container.demux(stream):
                if packet.size:
                    failures = 0
                    yield packet
            return
        except av.error.FFmpegError:  # the demuxer may find its way again behind the damage
            failures += 1
            tally.undecodable += failures == 1
    tally.truncated = True


def _drain(decoder: VideoCodecContext, tally: Tally) -> Iterator[av.VideoFrame]:
    for _ in range(GIVE_UP):
        try:
            for frame in _feed(decoder, None):
                tally.corrupt += frame.is_corrupt
                yield frame
            return
        except EOFError:
            return
        except av.error.FFmpegError:
            tally.undecodable += 1


def _ends_early(container: InputContainer, stream: VideoStream, seen: int, end: Fraction) -> bool:
    """Whether the container promised clearly more than came."""
    if seen < stream.frames:
        return True
    declared = _tagged_duration(stream)
    if declared is None and container.format.name.startswith("mov,") and stream.duration and stream.time_base:
        declared = stream.duration * stream.time_base
    if declared is None and len(container.streams) == 1 and container.duration:
        declared = Fraction(container.duration, av.time_base)
    # Matroska's durations are counted from 0, others from the first picture.
    start = Fraction(0 if "matroska" in container.format.name else container.start_time or 0, av.time_base)
    return declared is not None and end - start < declared - 3 * interval_of(stream)


def _tagged_duration(stream: VideoStream) -> Fraction | None:
    """Matroska's statistics tag, which unlike the segment's duration is of this track alone."""
    found = re.fullmatch(r"(\d+):(\d\d):(\d\d(?:\.\d+)?)", stream.metadata.get("DURATION", ""))
    return int(found[1]) * 3600 + int(found[2]) * 60 + Fraction(found[3]) if found else None
