"""The three ways a packet of the source becomes packets of the output: copied, sound re-encoded, text converted."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Any

from av.error import FFmpegError

from vidwright.io.muxer import Muxer
from vidwright.io.packets import Clock
from vidwright.io.tempo import Tempo

if TYPE_CHECKING:
    from vidwright.io.packets import Packet


class Lane:
    """One carried stream: takes the source's packets and gives those to mux."""

    stream: Any

    def take(self, packet: Packet, shift: Fraction) -> list[Packet]:
        """Packets to mux for `packet`, whose times move by `shift` seconds."""
        raise LookupError(type(self).__name__)

    def flush(self) -> list[Packet]:
        """What an encoder still holds at the end."""
        return []


class CopyLane(Lane):
    """The same bytes at the moved time."""

    def __init__(self, source: Any, muxer: Muxer, pace: Fraction) -> None:
        output: Any = muxer.output
        with muxer.fatal():
            self.stream = output.add_stream_from_template(source, opaque=True)
        self._clock = Clock(pace)

    def take(self, packet: Packet, shift: Fraction) -> list[Packet]:
        if packet.stream.disposition & packet.stream.disposition.attached_pic:
            packet.pts = packet.dts = 0
        else:
            packet = _clipped(self._clock.move(packet, shift))
        packet.stream = self.stream
        return [packet]


class AudioLane(Lane):
    """Sound decoded and encoded again, at the source's sample rate where the codec has it."""

    def __init__(self, source: Any, encoder: str, muxer: Muxer, pace: Fraction) -> None:
        rate = 48000 if encoder == "libopus" else source.codec_context.sample_rate
        output: Any = muxer.output
        with muxer.fatal():
            self.stream = output.add_stream(encoder, rate=rate)
        self.stream.codec_context.layout = source.codec_context.layout
        self.stream.codec_context.time_base = Fraction(1, rate)
        channels = source.codec_context.layout.nb_channels
        if encoder != "flac":
            self.stream.codec_context.bit_rate = 96_000 * max(channels, 1)
        elif source.codec_context.format.bytes > 2:
            self.stream.codec_context.format = "s32"
        self._muxer = muxer
        self._tempo = None if pace == 1 else Tempo(pace)

    def take(self, packet: Packet, shift: Fraction) -> list[Packet]:
        packets: list[Packet] = []
        try:
            frames: list[Any] = packet.decode()
        except FFmpegError:  # a damaged packet is a moment of silence, not the end of the work
            return packets
        with self._muxer.fatal():
            for frame in frames:
                if frame.pts is not None:
                    frame.pts += round(shift / frame.time_base)
                for each in self._paced(frame):
                    packets += self.stream.encode(each)
        return packets

    def flush(self) -> list[Packet]:
        with self._muxer.fatal():
            last = [] if self._tempo is None else self._tempo.push(None)
            packets = [packet for frame in last for packet in self.stream.encode(frame)]
            return [*packets, *self.stream.encode(None)]

    def _paced(self, frame: Any) -> list[Any]:
        return [frame] if self._tempo is None else self._tempo.push(frame)


class SubtitleLane(Lane):
    """Text from one notation to another; the times are the source's."""

    def __init__(self, source: Any, encoder: str, muxer: Muxer, pace: Fraction) -> None:
        output: Any = muxer.output
        with muxer.fatal():
            self.stream = output.add_stream(encoder)
        self.stream.time_base = self.stream.codec_context.time_base = Fraction(1, 1000)
        self._decoder = source.codec_context
        self._decoder.open(strict=False)
        self.stream.codec_context.subtitle_header = self._decoder.subtitle_header
        self._clock = Clock(pace)

    def take(self, packet: Packet, shift: Fraction) -> list[Packet]:
        times, tick, duration = (packet.pts, packet.dts), packet.time_base, packet.duration
        try:
            words = self._decoder.decode2(packet)
            if words is None or not len(words):
                return []
            converted = self.stream.codec_context.encode_subtitle(words)
        except FFmpegError:
            return []
        converted.time_base, (converted.pts, converted.dts), converted.duration = tick, times, duration
        converted.stream = self.stream
        return [_clipped(self._clock.move(converted, shift))]


def _clipped(packet: Packet) -> Packet:
    """A subtitle that began before the range begins with it."""
    if packet.stream.type == "subtitle" and packet.pts is not None and packet.pts < 0:
        packet.duration = max((packet.duration or 0) + packet.pts, 0)
        packet.pts = packet.dts = 0
    return packet
