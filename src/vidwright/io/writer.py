"""Videos to files."""

from __future__ import annotations

import itertools
import os
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, nullcontext
from dataclasses import dataclass, fields, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

from vidwright.core import Frame, Report, Video, VideoInfo
from vidwright.core.errors import JobFailed, OutputExists, UsageError
from vidwright.core.files import explain_os_error
from vidwright.core.overlap import overlap
from vidwright.io.carry import Carrier
from vidwright.io.codecs import CODECS, EncoderSettings, container_of, pixel_format_warnings
from vidwright.io.encoder import VideoEncoder
from vidwright.io.muxer import Muxer, writing
from vidwright.io.reader import Picture
from vidwright.io.streams import StreamPlan, plan_streams

#: Converted pictures waiting for the encoder: enough to hide a stall, little enough for memory.
AHEAD = 3


@dataclass(frozen=True, slots=True)
class SegmentFile:
    """A piece of a video in a file of its own: picture only, times from 0.

    `payload` are the bytes of its packets, which is what it adds to a file that it is joined into, `key` those of the
    first of them.
    """

    path: Path
    frames: int
    bytes: int
    payload: int
    key: int
    warnings: tuple[str, ...] = ()


def save_video(
    video: Video,
    path: str | Path,
    *,
    settings: EncoderSettings | None = None,
    overwrite: bool = False,
    carry: bool = True,
    progress: Callable[[int], None] | None = None,
    **options: Any,
) -> Report:
    """Encode `video` to `path` with all its other streams; the file appears when it is whole, or not at all.

    The container follows the suffix. `settings`, or its fields by name, say how; `carry=False` leaves sound and the
    rest behind. `progress` is told the number of frames done after each. What cannot be kept is in the report's
    `warnings`. Raises `UsageError` for a container that cannot hold the codec or an output that is the input,
    `OutputExists`, and `JobFailed` for a disk, folder or encoder that refuses and for a video without frames.
    """
    began = time.monotonic()
    settings = _settings(settings, options)
    destination = Path(path)
    container = container_of(destination, settings.codec)
    check_destination(destination, video.streams.source if video.streams else None, overwrite=overwrite)
    plan = plan_streams(video.streams, container) if video.streams and carry else StreamPlan(container)
    with writing(destination, container) as muxer:
        frames, warnings = _write(video, muxer, settings, plan if carry else None, progress)
    notes = (*loss_warnings(video.info, settings, container), *plan.warnings, *warnings)
    return Report(destination, frames, time.monotonic() - began, destination.stat().st_size, warnings=notes)


def encode_segment(
    frames: Iterable[Frame | Picture], info: VideoInfo, path: Path, settings: EncoderSettings
) -> SegmentFile:
    """Encode `frames` alone to `path`, in the container that joins exactly, with times from the first frame's.

    `path` should end in `segment_suffix(settings)`; the file appears whole or not at all. Raises as `save_video`.
    """
    source, payload, key = iter(frames), 0, 0
    with writing(path, settings.row.segment) as muxer:
        encoder, first = _begin(source, muxer, info, settings, origin=None)
        with closing(overlap(_pictures(encoder, first, source), depth=AHEAD)) as pictures:
            for packet in itertools.chain(
                itertools.chain.from_iterable(map(encoder.encode, pictures)), encoder.flush()
            ):
                key = key or packet.size
                payload += packet.size
                muxer.mux(packet)
    return SegmentFile(path, encoder.frames, path.stat().st_size, payload, key, _timing_warnings(encoder))


def segment_suffix(settings: EncoderSettings) -> str:
    """The suffix of the files that `encode_segment` writes for these settings."""
    return "." + settings.row.segment


def check_destination(destination: Path, source: Path | None, *, overwrite: bool) -> None:
    """Refuse, before any work is done, a destination that is the source, is there already, or cannot be written."""
    if source is not None and destination.exists() and source.exists() and destination.samefile(source):
        raise UsageError(destination, "the output is the input itself", "choose another name with -o")
    if destination.is_dir():
        raise UsageError(destination, "the output is a folder", "name a file in it")
    if destination.exists() and not overwrite:
        raise OutputExists(destination, "the file exists already", "choose another name, or allow it with --overwrite")
    probe = destination.with_name(f".{destination.name[:200]}.{os.getpid()}.part")
    try:
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise explain_os_error(destination, error) from error


def loss_warnings(info: VideoInfo, settings: EncoderSettings, container: str | None = None) -> tuple[str, ...]:
    """What of the picture the codec, and `container` if it is known, cannot keep, in words for the user."""
    warnings = list(pixel_format_warnings(info, settings))
    if info.hdr is not None and not settings.row.carries_hdr10:
        able = ", ".join(name for name, row in CODECS.items() if row.carries_hdr10)
        warnings.append(f"HDR10 mastering data is lost: {settings.codec} cannot hold it ({able} can)")
    if info.sample_aspect != 1 and container in ("mkv", "webm") and settings.codec not in ("h264", "hevc"):
        shape = f"{info.sample_aspect.numerator}:{info.sample_aspect.denominator}"
        warnings.append(f"the pixel shape {shape} is lost: {container} gets it with h264 and hevc only")
    if info.field_order != "progressive":
        warnings.append("the source is interlaced; its frames are written as progressive")
    return tuple(warnings)


def _settings(settings: EncoderSettings | None, options: dict[str, Any]) -> EncoderSettings:
    known = {field.name for field in fields(EncoderSettings)}
    if unknown := sorted(set(options) - known):
        raise UsageError(", ".join(unknown), "no such option of the encoder", f"known are: {', '.join(sorted(known))}")
    return replace(settings or EncoderSettings(), **options)


def _write(
    video: Video,
    muxer: Muxer,
    settings: EncoderSettings,
    plan: StreamPlan | None,
    progress: Callable[[int], None] | None,
) -> tuple[int, tuple[str, ...]]:
    source = iter(video)
    origin = video.streams.start / video.streams.pace if video.streams else Fraction(0)
    encoder, first = _begin(source, muxer, video.info, settings, origin=origin)
    with (
        closing(overlap(_pictures(encoder, first, source), depth=AHEAD)) as pictures,
        Carrier(video.streams, plan, muxer) if video.streams and plan else nullcontext() as carrier,
    ):
        for done, picture in enumerate(pictures, start=1):
            for packet in encoder.encode(picture):
                if carrier is not None and packet.dts is not None:
                    carrier.until(packet.dts * encoder.tick)
                muxer.mux(packet)
            if progress is not None:
                progress(done)
        for packet in encoder.flush():
            muxer.mux(packet)
        if carrier is not None:
            carrier.until(None)
        lost = tuple(carrier.warnings) if carrier is not None else ()
    return encoder.frames, (*_timing_warnings(encoder), *lost)


def _begin(
    frames: Iterator[Frame | Picture],
    muxer: Muxer,
    info: VideoInfo,
    settings: EncoderSettings,
    *,
    origin: Fraction | None,
) -> tuple[VideoEncoder, Any]:
    """An encoder for `frames` and its picture of the first one, whose time is the origin if none is given."""
    first = next(frames, None)
    if first is None:
        raise JobFailed(
            muxer.destination, "there is no frame to write", "check the input, or the range that was asked for"
        )
    encoder = VideoEncoder(muxer, info, settings, first, origin=first.time if origin is None else origin)
    return encoder, encoder.picture(first)


def _pictures(encoder: VideoEncoder, first: Any, rest: Iterator[Frame | Picture]) -> Iterator[Any]:
    """The encoder's pictures of all frames; closing it closes the frames' source.

    No name holds a frame while the next one is made: at 4K each takes 100 MB.
    """
    try:
        yield first
        yield from map(encoder.picture, rest)
    finally:
        if (close := getattr(rest, "close", None)) is not None:
            close()


def _timing_warnings(encoder: VideoEncoder) -> tuple[str, ...]:
    if not encoder.moved:
        return ()
    return (f"{encoder.moved} frames were moved to the next tick: their times did not rise",)
