"""Say what a media file holds before any work is done on it."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import av.error
from av.container import InputContainer
from av.filter import Graph
from av.sidedata.sidedata import Type
from av.stream import AttachmentStream, Stream
from av.video.stream import VideoStream

from vidwright.core.colour import Hdr10
from vidwright.core.errors import BadInput
from vidwright.core.frame import FieldOrder
from vidwright.core.video import Streams, Track, TrackKind, VideoInfo
from vidwright.io.container import MAX_PIXELS, open_input
from vidwright.io.decode import (
    Tally,
    decode,
    interval_of,
    is_cover,
    main_stream,
    nothing_decoded,
    refuse_too_large,
    start_of,
)
from vidwright.io.layout import layouts, neighbour
from vidwright.io.pixels import colour_of, unknown_matrix


@dataclass(frozen=True, slots=True)
class MediaInfo:
    """What a file holds.

    `container` is the short name of its format, `bytes` its size, `duration` in seconds where known, `info` its main
    video track, `streams` everything else, `start` the file's own clock (seconds) at our time zero.
    """

    path: Path
    container: str
    bytes: int
    duration: Fraction | None
    info: VideoInfo
    streams: Streams
    start: Fraction = Fraction(0)
    warnings: tuple[str, ...] = ()


def probe(path: Path, *, max_pixels: int = MAX_PIXELS) -> MediaInfo:
    """Describe a video file by its headers and its first picture, since headers alone may lack colour tags.

    Raises `BadInput` for a file that is missing, not a video, without a picture that can be decoded, larger than
    `max_pixels` a picture (refused before one is allocated), or in a colour system that cannot be converted.
    """
    with open_input(path, max_pixels=max_pixels) as container:
        stream = main_stream(container, path)
        refuse_too_large(path, stream.codec_context.width, stream.codec_context.height, max_pixels)
        frame = next(decode(container, stream, Tally()), None)
        if frame is None:
            raise nothing_decoded(path, max_pixels)
        refuse_too_large(path, frame.width, frame.height, max_pixels)
        info, warnings = _describe(container, stream, frame)
        if (problem := unknown_matrix(info.colour, layouts()[neighbour(frame.format.name)].model)) is not None:
            raise BadInput(path, problem, "convert the file to BT.709 or BT.2020 (non-constant luminance) first")
        return MediaInfo(
            path=path,
            container=_short_name(container, path),
            bytes=path.stat().st_size,
            duration=Fraction(container.duration, av.time_base) if container.duration else info.duration,
            info=info,
            streams=_streams(container, stream, path),
            start=start_of(container, stream),
            warnings=warnings,
        )


def rotation_of(frame: av.VideoFrame) -> int:
    """Degrees clockwise by which a picture must be turned to be upright: 0, 90, 180 or 270."""
    return round(-frame.rotation / 90) * 90 % 360


def field_order(frame: av.VideoFrame) -> FieldOrder:
    """The order of the upright picture's fields by its own flags, which containers and headers may contradict.

    Of a picture that was stored on its side the fields are no rows any more, and it is called progressive.
    """
    rotation = rotation_of(frame)
    if not frame.interlaced_frame or rotation in (90, 270):
        return "progressive"
    # PyAV does not show which field is first; FFmpeg's `select` lets the picture pass or not by it.
    graph = Graph()
    graph.threads = 1
    tick = Fraction(frame.time_base or Fraction(1, 90000))
    source = graph.add_buffer(width=frame.width, height=frame.height, format=frame.format, time_base=tick)
    graph.link_nodes(source, graph.add("select", "eq(interlace_type,BOTTOMFIRST)"), graph.add("buffersink"))
    graph.configure()
    graph.vpush(frame)
    try:
        graph.vpull()
        bottom = True
    except av.error.BlockingIOError:
        bottom = False
    upside_down = rotation == 180 and frame.height % 2 == 0
    return "bottom" if bottom != upside_down else "top"


def _describe(
    container: InputContainer, stream: VideoStream, frame: av.VideoFrame
) -> tuple[VideoInfo, tuple[str, ...]]:
    rotation = rotation_of(frame)
    sideways = rotation % 180 == 90
    aspect = stream.sample_aspect_ratio or Fraction(1)
    tick = stream.time_base or Fraction(1, 90000)
    info = VideoInfo(
        width=frame.height if sideways else frame.width,
        height=frame.width if sideways else frame.height,
        rate=1 / interval_of(stream),
        time_base=tick,
        length=stream.frames or None,
        duration=_duration(container, stream, tick),
        rotation=rotation,
        sample_aspect=1 / aspect if sideways else aspect,
        field_order=field_order(frame),
        colour=colour_of(frame),
        pixel_format=frame.format.name,
        alpha=layouts()[neighbour(frame.format.name)].alpha,
        hdr=_hdr10(frame),
        codec=_codec_name(stream),
    )
    odd_angle = frame.rotation % 90 != 0
    return info, (f"the display rotation of {-frame.rotation} degrees is rounded to {rotation}",) * odd_angle


def _duration(container: InputContainer, stream: VideoStream, tick: Fraction) -> Fraction | None:
    if stream.duration:
        return stream.duration * tick
    return Fraction(container.duration, av.time_base) if container.duration else None


def _hdr10(frame: av.VideoFrame) -> Hdr10 | None:
    """Static HDR metadata from FFmpeg's AVMasteringDisplayMetadata (88 bytes) and AVContentLightMetadata (8)."""
    sides: Any = frame.side_data  # iterates over blocks, not over keys as its stub says
    blocks: dict[Type, bytes] = {side.type: bytes(side) for side in sides}
    display = blocks.get(Type.MASTERING_DISPLAY_METADATA, b"")
    light = blocks.get(Type.CONTENT_LIGHT_LEVEL, b"")
    chromaticities = luminance = level = None
    if len(display) >= 88:
        *pairs, has_primaries, has_luminance = struct.unpack("22i", display[:88])
        values = [top / bottom if bottom else 0.0 for top, bottom in zip(pairs[::2], pairs[1::2], strict=True)]
        if has_primaries:
            chromaticities = tuple((values[i], values[i + 1]) for i in range(0, 8, 2))
        if has_luminance:
            luminance = (values[8], values[9])
    if len(light) >= 8:
        level = struct.unpack("2I", light[:8])
    if chromaticities is None and luminance is None and level is None:
        return None
    return Hdr10(chromaticities, luminance, level)


def _streams(container: InputContainer, main: VideoStream, path: Path) -> Streams:
    tracks = tuple(_track(stream) for stream in container.streams if stream.index != main.index)
    return Streams(path, tracks, len(container.chapters()), dict(container.metadata))


def _track(stream: Stream) -> Track:
    kinds: dict[str, TrackKind] = {"audio": "audio", "subtitle": "subtitle", "video": "video"}
    kind: TrackKind = "cover" if is_cover(stream) else kinds.get(stream.type, "data")
    if isinstance(stream, AttachmentStream):
        kind = "attachment"
    language, title = stream.metadata.get("language"), stream.metadata.get("title")
    return Track(stream.index, kind, _codec_name(stream), language if language != "und" else None, title)


def _codec_name(stream: Stream) -> str:
    """The name of the coding, not of the decoder that happens to be in use (`av1`, not `libdav1d`)."""
    if isinstance(stream, AttachmentStream):
        return stream.mimetype or ""
    context = stream.codec_context
    return context.codec.canonical_name if context else ""


def _short_name(container: InputContainer, path: Path) -> str:
    name = container.format.name
    if name.startswith("mov,"):
        return "mov" if container.metadata.get("major_brand", "").startswith("qt") else "mp4"
    if name.startswith("matroska"):
        with path.open("rb") as file:
            return "webm" if b"webm" in file.read(64) else "mkv"
    return name.split(",")[0]
