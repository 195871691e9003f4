"""Read a video file as pictures with exact times, and survive what is wrong with it."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Generator, Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from types import TracebackType

import av
import torch
from av.container import InputContainer
from av.video.stream import VideoStream

from vidwright.core.colour import Colour
from vidwright.core.errors import BadInput
from vidwright.core.frame import Frame, Planes
from vidwright.core.overlap import overlap
from vidwright.core.report import Damage
from vidwright.core.video import Video
from vidwright.io.container import MAX_PIXELS, open_input
from vidwright.io.cuts import CutFinder
from vidwright.io.decode import Tally, decode, interval_of, main_stream, nothing_decoded, refuse_too_large, start_of
from vidwright.io.layout import layouts, neighbour
from vidwright.io.pixels import colour_of, to_planes, to_rgb, unknown_matrix
from vidwright.io.probe import field_order, probe, rotation_of
from vidwright.io.timeline import BREAK, NONSENSE, Moment, Stamp, repair

log = logging.getLogger("vidwright")

#: Seconds after which a decoder that gives neither a picture nor an error is taken for hung.
PATIENCE = 60.0
#: Decoded pictures that wait for the consumer; a few even out fast and slow pictures, more only cost memory.
AHEAD = 4
#: Containers that store decoding times: their stamps have to be sorted, over as many places as H.264 may reorder.
DECODING_TIMES = {"avi": 16, "asf": 16}
#: Containers whose clock may jump, by design.
BREAKING_CLOCKS = {"mpegts", "mpeg"}


@dataclass(frozen=True, slots=True, eq=False)
class Picture:
    """A decoded picture and its place in time; its pixels are converted when asked for.

    `time` and `duration` are exact seconds, `cut` is True on the first picture of a new shot, `rotation` is how far
    (degrees clockwise) `raw` has to be turned to be upright, `colour` is as tagged.
    """

    raw: av.VideoFrame
    time: Fraction
    duration: Fraction | None
    cut: bool
    rotation: int
    colour: Colour

    @property
    def width(self) -> int:
        """Of the upright picture."""
        return self.raw.height if self.rotation % 180 else self.raw.width

    @property
    def height(self) -> int:
        """Of the upright picture."""
        return self.raw.width if self.rotation % 180 else self.raw.height

    def frame(self) -> Frame:
        """The upright picture as R'G'B', (3 or 4, H, W) float32, with the colour that it was converted by."""
        data = to_rgb(self.raw, self.colour)
        if self.rotation:
            data = torch.rot90(data, -self.rotation // 90, (-2, -1)).contiguous()
        colour = self.colour.resolved(self.raw.width, self.raw.height)
        return Frame(data, self.time, self.duration, colour, self.cut, field_order(self.raw))

    def planes(self) -> Planes:
        """The upright picture's code values as they are stored."""
        y, u, v = to_planes(self.raw, self.colour)
        turns = -self.rotation // 90
        if turns:
            y = _turn(y, turns)
            u, v = (_turn(u, turns), _turn(v, turns)) if u is not None and v is not None else (None, None)
        return Planes(y, u, v, self.time, self.colour, self.cut)


def _turn(codes: torch.Tensor, turns: int) -> torch.Tensor:
    signed = codes.view(torch.int16) if codes.dtype == torch.uint16 else codes  # torch cannot flip uint16
    return torch.rot90(signed, turns).contiguous().view(codes.dtype)


class Reader:
    """The pictures of a file's main video track, in order; a context manager and a one-way iterator.

    Decoding runs in a thread of its own, a few pictures ahead, so that it overlaps the consumer's work and a decoder
    that hangs is noticed. Raises `BadInput` when the file cannot be read at all, when its pictures are too large or
    of an unknown colour system, or when decoding hangs. Damage does not raise: it is counted in `damage`, which is
    final when the iteration has ended.
    """

    def __init__(
        self, path: Path, *, max_pixels: int = MAX_PIXELS, cuts: bool = True, patience: float = PATIENCE
    ) -> None:
        self._path = path
        self._max_pixels = max_pixels
        self._cuts = cuts
        self._tally = Tally()
        self._pictures = self._watched(patience)

    @property
    def damage(self) -> Damage:
        """What was wrong with the part that has been read."""
        return self._tally.damage

    @property
    def warnings(self) -> tuple[str, ...]:
        """What was changed in the part that has been read, in words."""
        return self._tally.warnings

    def __iter__(self) -> Iterator[Picture]:
        return self

    def __next__(self) -> Picture:
        return next(self._pictures)

    def __enter__(self) -> Reader:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Stop decoding and close the file; harmless when done twice."""
        self._pictures.close()

    def _watched(self, patience: float) -> Generator[Picture]:
        pictures = overlap(self._decode(), depth=AHEAD, timeout=patience)
        try:
            yield from pictures
        except TimeoutError as error:
            cause = f"decoding stopped: no picture and no error for {patience:g} s"
            raise BadInput(self._path, cause, "the file is damaged: re-encode it with another tool first") from error

    def _decode(self) -> Iterator[Picture]:
        with open_input(self._path, max_pixels=self._max_pixels) as container:
            stream = main_stream(container, self._path)
            context = stream.codec_context
            refuse_too_large(self._path, context.width, context.height, self._max_pixels)
            finder = CutFinder() if self._cuts else None
            first: av.VideoFrame | None = None
            for raw, moment in self._timed(container, stream):
                first = self._checked(raw) if first is None else first
                raw = self._conformed(raw, first)
                self._tally.retimed += moment.retimed
                duration = raw.duration * raw.time_base if raw.duration and raw.time_base else None
                cut = finder is not None and finder.begins_shot(raw)
                yield Picture(raw, moment.time, duration, cut, rotation_of(first), colour_of(raw))
        if first is None:
            raise nothing_decoded(self._path, self._max_pixels)

    def _timed(self, container: InputContainer, stream: VideoStream) -> Iterator[tuple[av.VideoFrame, Moment]]:
        """Pictures with repaired times; `repair` may look ahead, and what it has not answered yet is held."""
        start = start_of(container, stream)
        held: deque[av.VideoFrame] = deque()

        def stamps() -> Iterator[Stamp]:
            for frame in decode(container, stream, self._tally):
                held.append(frame)
                tick = frame.time_base or stream.time_base
                stamp = None if frame.pts is None or tick is None else frame.pts * tick - start
                yield stamp, frame.duration * tick if frame.duration and tick else None

        name = container.format.name
        gap = BREAK if name in BREAKING_CLOCKS else NONSENSE
        window = DECODING_TIMES.get(name, 0) if stream.codec_context.has_b_frames else 0
        for moment in repair(stamps(), interval_of(stream), window=window, longest_gap=gap):
            yield held.popleft(), moment

    def _checked(self, frame: av.VideoFrame) -> av.VideoFrame:
        refuse_too_large(self._path, frame.width, frame.height, self._max_pixels)
        problem = unknown_matrix(colour_of(frame), layouts()[neighbour(frame.format.name)].model)
        if problem is not None:
            raise BadInput(self._path, problem, "convert the file to BT.709 or BT.2020 (non-constant luminance) first")
        return frame

    def _conformed(self, frame: av.VideoFrame, first: av.VideoFrame) -> av.VideoFrame:
        """The frame in the size and format of the first one, which is what the whole video was announced to be."""
        shape = (frame.width, frame.height, frame.format.name)
        if shape == (first.width, first.height, first.format.name):
            return frame
        refuse_too_large(self._path, frame.width, frame.height, self._max_pixels)
        self._tally.note(f"pictures changed to {shape[0]}x{shape[1]} {shape[2]} and were scaled to the first size")
        return frame.reformat(width=first.width, height=first.height, format=first.format.name, interpolation="BICUBIC")


def open_video(
    path: str | Path, *, start: Fraction | None = None, stop: Fraction | None = None, max_pixels: int = MAX_PIXELS
) -> Video:
    """A lazy video of the frames from `start` up to, not including, `stop` (seconds); times stay those of the file.

    The file is probed at once and decoded when iterated, from its beginning: seeking is faster but not exact. Damage
    met on the way is logged once, at the end. Raises `BadInput` as `probe` and `Reader` do.
    """
    path = Path(path)
    media = probe(path, max_pixels=max_pixels)

    def frames() -> Iterator[Frame]:
        with Reader(path, max_pixels=max_pixels) as reader:
            for picture in reader:
                if stop is not None and picture.time >= stop:
                    break
                if start is None or picture.time >= start:
                    yield picture.frame()
            if reader.damage:
                log.warning("%s is damaged: %s", path, reader.damage)

    if start is None and stop is None:
        return Video(media.info, frames, media.streams)
    begin, end = start or Fraction(0), min((t for t in (stop, media.info.duration) if t is not None), default=None)
    duration = None if end is None else max(end - begin, Fraction(0))
    info = replace(media.info, length=None, duration=duration)
    return Video(info, frames, replace(media.streams, start=begin, stop=stop))
