"""Segment files become one file by stream copy: nothing is encoded twice."""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from av.error import FFmpegError
from av.stream import Disposition

from vidwright.core import Report, Streams, VideoInfo
from vidwright.core.errors import BadInput, JobFailed
from vidwright.io.attachments import Attachment
from vidwright.io.carry import Carrier
from vidwright.io.codecs import EncoderSettings, container_of
from vidwright.io.container import open_input
from vidwright.io.muxer import Muxer, writing
from vidwright.io.packets import Clock
from vidwright.io.streams import StreamPlan, plan_streams
from vidwright.io.writer import check_destination, loss_warnings

if TYPE_CHECKING:
    from av.container import InputContainer

    from vidwright.io.packets import Packet


@dataclass(frozen=True, slots=True)
class SegmentPart:
    """A segment's file and the exact time in seconds at which its first frame is shown in the output."""

    path: Path
    start: Fraction


def join(
    segments: Sequence[SegmentPart],
    streams: Streams | None,
    path: str | Path,
    *,
    info: VideoInfo,
    settings: EncoderSettings,
    overwrite: bool = False,
    tags: Mapping[str, str] = MappingProxyType({}),
    attachments: Sequence[Attachment] = (),
) -> Report:
    """Write the pictures of `segments`, in order, and the carried `streams` to `path`, as a whole or not at all.

    `tags` are added to the file's metadata, and `attachments` to those of `streams`, which only mkv holds.
    The segments were made by `encode_segment` with the same `settings` and `info`. Each frame lands within half a
    tick of the container's clock of its segment's start plus its own time. Raises as `save_video`, and `JobFailed`
    for a segment that is missing, damaged or of another size.
    """
    began = time.monotonic()
    destination = Path(path)
    container = container_of(destination, settings.codec)
    check_destination(destination, streams.source if streams else None, overwrite=overwrite)
    plan = plan_streams(streams, container) if streams else StreamPlan(container)
    with writing(destination, container) as muxer:
        muxer.output.metadata.update(tags)
        for each in attachments:
            with muxer.fatal():
                muxer.output.add_attachment(each.name, each.mimetype, each.content)
        frames, lost = _copy(segments, streams, plan, muxer, info)
    warnings = (*loss_warnings(info, settings, container), *plan.warnings, *lost)
    return Report(destination, frames, time.monotonic() - began, destination.stat().st_size, warnings=warnings)


def _copy(
    segments: Sequence[SegmentPart], streams: Streams | None, plan: StreamPlan, muxer: Muxer, info: VideoInfo
) -> tuple[int, tuple[str, ...]]:
    if not segments:
        raise JobFailed(
            muxer.destination, "there is no frame to write", "check the input, or the range that was asked for"
        )
    target = _add_picture(segments[0], muxer, info)
    clock = Clock()
    frames = 0
    with Carrier(streams, plan, muxer) if streams else nullcontext() as carrier:
        for part in segments:
            for packet in _packets(part, target):
                packet = clock.move(packet, part.start)
                if carrier is not None:
                    carrier.until((packet.dts or 0) * packet.time_base)
                packet.stream = target
                muxer.mux(packet)
                frames += 1
        if carrier is not None:
            carrier.until(None)
        return frames, tuple(carrier.warnings) if carrier is not None else ()


def _add_picture(part: SegmentPart, muxer: Muxer, info: VideoInfo) -> Any:
    with _segment(part) as source, muxer.fatal():
        template = source.streams.video[0]
        output: Any = muxer.output
        stream = output.add_stream_from_template(template, opaque=True)
        stream.time_base = template.time_base
        stream.codec_context.sample_aspect_ratio = info.sample_aspect
        stream.disposition = Disposition.default
        return stream


def _packets(part: SegmentPart, target: Any) -> Iterator[Packet]:
    with _segment(part) as source:
        stream: Any = source.streams.video[0]
        if (stream.width, stream.height) != (target.width, target.height):
            raise _damaged(part, "is of another size than the first")
        demuxer: Any = source
        seen = 0
        for packet in demuxer.demux(stream):
            if packet.size:
                seen += 1
                yield packet
        if stream.frames and seen != stream.frames:  # mp4 and mov say how many there should be
            raise _damaged(part, f"holds {seen} of its {stream.frames} frames")


@contextmanager
def _segment(part: SegmentPart) -> Generator[InputContainer]:
    try:
        with open_input(part.path) as source:
            if not source.streams.video:
                raise _damaged(part, "holds no picture")
            yield source
    except BadInput as error:
        raise _damaged(part, f"cannot be used: {error.cause}") from error
    except FFmpegError as error:
        raise _damaged(part, f"cannot be read ({error.strerror})") from error


def _damaged(part: SegmentPart, what: str) -> JobFailed:
    return JobFailed(part.path, f"this finished segment {what}", "delete it and run the same command again")
