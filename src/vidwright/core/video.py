"""A video is a lazy, re-iterable, immutable recipe for frames."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal

from vidwright.core.colour import Colour, Hdr10
from vidwright.core.frame import FieldOrder, Frame

#: The type of an attachment by which `decompress` makes a file's picture better. It belongs to that very picture, and
#: whatever is made of the picture does not carry it.
RESTORE_TYPE = "application/x-vidwright-restore"

TrackKind = Literal["audio", "subtitle", "attachment", "cover", "data", "video"]


@dataclass(frozen=True, slots=True)
class VideoInfo:
    """What is known of a video before its first frame is asked for.

    `width` and `height` are of upright pictures: a source's display rotation is already applied, `rotation`
    (degrees clockwise) only remembers it. `rate` is the mean frame rate; `length` counts frames where the
    container says so; `duration` is in seconds. `time_base` is the tick in which frame times are whole numbers.
    `pixel_format` is FFmpeg's name of the source's layout.
    """

    width: int
    height: int
    rate: Fraction
    time_base: Fraction
    length: int | None = None
    duration: Fraction | None = None
    rotation: int = 0
    sample_aspect: Fraction = Fraction(1)
    field_order: FieldOrder = "progressive"
    colour: Colour = Colour()
    pixel_format: str = "yuv420p"
    alpha: bool = False
    hdr: Hdr10 | None = None
    codec: str = ""


@dataclass(frozen=True, slots=True)
class Track:
    """One stream of a file that is carried along without being decoded."""

    index: int
    kind: TrackKind
    codec: str
    language: str | None = None
    title: str | None = None


@dataclass(frozen=True, slots=True)
class Streams:
    """Everything of a file that is not its main picture: where it lies and what it holds.

    Of a trimmed video only the range from `start` to `stop` belongs to it, in seconds of the file's frame times;
    written out, it begins at 0, and goes `pace` times as fast.
    """

    source: Path
    tracks: tuple[Track, ...] = ()
    chapters: int = 0
    metadata: dict[str, str] = field(default_factory=dict[str, str])
    start: Fraction = Fraction(0)
    stop: Fraction | None = None
    pace: Fraction = Fraction(1)


@dataclass(frozen=True, slots=True)
class Video:
    """Frames with what is known of them and the streams that belong to them.

    Iterating opens the source; iterating again opens it again. `map` returns a new video and touches no pixel
    until that is iterated.
    """

    info: VideoInfo
    frames: Callable[[], Iterator[Frame]]
    streams: Streams | None = None

    def __iter__(self) -> Iterator[Frame]:
        return self.frames()

    def map(self, fn: Callable[[Iterable[Frame]], Iterator[Frame]], **info: Any) -> Video:
        """This video with `fn` applied to its frames; keyword arguments replace fields of `info`."""
        frames = self.frames
        return replace(self, info=replace(self.info, **info), frames=lambda: fn(frames()))
