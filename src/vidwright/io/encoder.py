"""Frames to packets: one video stream of an output container."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from av.stream import Disposition

from vidwright.core import Frame, VideoInfo
from vidwright.core.colour import UNSPECIFIED
from vidwright.core.errors import JobFailed
from vidwright.io.codecs import EncoderSettings, encoder_options, pixel_format_for, writable_colour
from vidwright.io.muxer import Muxer
from vidwright.io.native import converted
from vidwright.io.pixels import from_rgb
from vidwright.io.reader import Picture

if TYPE_CHECKING:
    from vidwright.io.packets import Packet

#: A clock coarser than this is divided, so that a frame off the beat (a repaired time stamp) can still be told.
COARSEST_TICK = Fraction(1, 1000)

# SVT-AV1 writes to the terminal by itself; this is its own switch, errors only.
os.environ.setdefault("SVT_LOG", "1")


def tick_for(info: VideoInfo) -> Fraction:
    """The encoder's time base: the source's own, divided if that is coarse; the same for all segments of a video."""
    return info.time_base / math.ceil(info.time_base / COARSEST_TICK)


class VideoEncoder:
    """Encodes frames into the video stream it adds to `muxer`.

    Frames come as R'G'B', or as they were decoded, whose code values are kept as far as the pixel format does.
    Presentation times are the frames' own, less `origin`, to the nearest tick and always rising; the last packet
    keeps its frame's duration. The stream is tagged with the colour of the first frame.
    """

    def __init__(
        self,
        muxer: Muxer,
        info: VideoInfo,
        settings: EncoderSettings,
        first: Frame | Picture,
        origin: Fraction = Fraction(0),
    ) -> None:
        self.frames = 0  # pictures made
        self._packed = self._first_pts = self._first_dts = 0
        self.moved = 0  # frames whose time had to give way to the one before
        self._muxer = muxer
        self._origin = origin
        self._size = (first.width, first.height)
        self._format = pixel_format_for(info, settings)
        source = info.colour if first.colour.matrix == UNSPECIFIED else first.colour
        self._colour = writable_colour(source, settings, first.width, first.height)
        self.tick = tick_for(info)
        self._usual = round(1 / info.rate / self.tick)  # decoders give their last frames no duration
        self._last: tuple[int, int] | None = None
        self.stream = self._open(info, settings)

    def picture(self, frame: Frame | Picture) -> Any:
        """`frame` as the encoder takes it, an eighth of its size in memory; may be made ahead, in another thread."""
        if (frame.width, frame.height) != self._size:
            was, now = "{}x{}".format(*self._size), f"{frame.width}x{frame.height}"
            raise JobFailed(
                self._muxer.destination,
                f"the frame size changes from {was} to {now} at {float(frame.time):.3f} s",
                "a file has one size: bring all frames to the same one",
            )
        if isinstance(frame, Picture):
            picture = converted(frame.raw, rotation=frame.rotation, pixel_format=self._format, colour=self._colour)
        else:
            picture = from_rgb(frame.data, pixel_format=self._format, colour=self._colour)
        picture.time_base, picture.pts = self.tick, self._place(frame)
        self.frames += 1
        return picture

    def encode(self, picture: Any) -> Iterator[Packet]:
        """Packets that are ready after `picture`."""
        yield from self._packets(picture)

    def flush(self) -> Iterator[Packet]:
        """The packets that the encoder still holds."""
        packets = list(self._packets(None))
        if packets and self._last is not None and self._muxer.container in ("mp4", "mov"):
            # These add up the steps between decode times, so the step after the last one must end with the video.
            length = self._last[0] + (self._last[1] or self._usual) - self._first_pts
            last = packets[-1]
            last.duration = max(length - ((last.dts or 0) - self._first_dts), last.duration or 1)
        yield from packets

    def _place(self, frame: Frame | Picture) -> int:
        ticks = round((frame.time - self._origin) / self.tick)
        if self._last is not None and ticks <= self._last[0]:
            self.moved += 1
            ticks = self._last[0] + 1
        self._last = ticks, round(frame.duration / self.tick) if frame.duration is not None else 0
        return ticks

    def _packets(self, picture: Any) -> Iterator[Packet]:
        with self._muxer.fatal():
            ready = self.stream.encode(picture)
        for packet in ready:
            if picture is None and self.frames < 3:
                packet.dts = packet.pts  # nothing is reordered, and x265 gives decode times that it never set
            if self._packed == 0:
                self._first_pts, self._first_dts = packet.pts or 0, packet.dts or 0
            self._packed += 1
            if self._last is not None and packet.pts == self._last[0] and self._last[1] > 0:
                packet.duration = self._last[1]  # encoders learn a duration from the next frame, and here is none
            yield packet

    def _open(self, info: VideoInfo, settings: EncoderSettings) -> Any:
        row, (width, height) = settings.row, self._size
        if width < row.smallest[0] or height < row.smallest[1]:
            least = "{}x{}".format(*row.smallest)
            raise JobFailed(
                self._muxer.destination,
                f"{width}x{height} is too small for {row.name}, which begins at {least}",
                "use another codec: h264 takes any size",
            )
        options = encoder_options(settings, self._format, width * height, info.hdr if row.carries_hdr10 else None)
        with self._muxer.fatal():
            output: Any = self._muxer.output
            stream = output.add_stream(
                row.encoder,
                rate=info.rate.limit_denominator(100_000),
                options=options,
                width=width,
                height=height,
                time_base=self.tick,
            )
            context = stream.codec_context
            context.pix_fmt = self._format
            context.thread_count = settings.threads
            context.sample_aspect_ratio = info.sample_aspect
            context.color_primaries, context.color_trc = self._colour.primaries, self._colour.transfer
            context.colorspace = self._colour.matrix
            context.color_range = 2 if self._colour.full_range else 1
            stream.disposition = Disposition.default
            context.open(strict=False)
        return stream
