"""Encodings that were tried: of each segment at some CRFs, measured against the source, kept in the job's folder.

    source --pictures--> encoder --> segment's file --decoder--> pictures --.
       '------------------------------ pictures -----------------------------+--> quality

Which CRF a segment is tried at is decided by others (`rate`), for all segments at a time; so neither the number of
workers nor an interruption changes what is tried, and a trial is a pure function of segment and CRF.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

from vidwright.core import Planes, VideoInfo
from vidwright.core.errors import Interrupted, JobFailed
from vidwright.core.files import sha256
from vidwright.core.overlap import spread
from vidwright.io.codecs import EncoderSettings, writable_colour
from vidwright.io.cursor import Cursor
from vidwright.io.layout import is_rgb
from vidwright.io.native import converted
from vidwright.io.pixels import colour_of
from vidwright.io.reader import Picture
from vidwright.io.writer import encode_segment, segment_suffix
from vidwright.jobs.folder import Done, JobFolder
from vidwright.jobs.rate import Point
from vidwright.jobs.segments import Segment
from vidwright.metrics.quality import CEILING, At, Name, measured, summary
from vidwright.nn.threads import one_torch_thread


@dataclass(frozen=True, slots=True)
class Judged:
    """How the encodings of a source are made and measured: all of `settings` but the CRF, and the measure."""

    source: Path
    info: VideoInfo
    settings: EncoderSettings
    name: Name = "psnr"
    at: At = "mean"
    max_pixels: int = 2**26


class Trials:
    """The encodings of `segments` that there are, and the making of more; used inside `open_folder`.

    Segments are known by their number. `done` is told of frames (1) as segments are finished.
    """

    def __init__(
        self,
        how: Judged,
        folder: JobFolder,
        segments: Iterable[Segment],
        *,
        workers: int,
        done: Callable[[int], None],
        stop: threading.Event,
    ) -> None:
        self._how, self._folder, self._workers = how, folder, workers
        self.name: Name = how.name
        self._segments = {segment.number: segment for segment in segments}
        self._done, self._stop = done, stop
        self._made = {_place(each): each for each in folder.done.values()}
        self._asked: dict[int, set[float]] = {}
        self.resumed = len(self._made)
        self.encoded = 0  # frames, in this run

    def points(self, number: int) -> list[Point]:
        """What was found of a segment at the CRFs that `make` was asked for, in their order.

        What an interrupted run has left is not seen before it is asked for: this run has to decide as that one did.
        """
        return [self.point(number, crf) for crf in sorted(self._asked.get(number, ()))]

    def point(self, number: int, crf: float) -> Point:
        """What was found of an encoding that there is."""
        row = self._made[number, crf].details
        return Point(row["crf"], row["bytes"], row["quality"], row["key"])

    def file(self, number: int, crf: float) -> Path:
        """The file of an encoding that there is."""
        return self._folder.path / self._made[number, crf].file

    def warnings(self) -> list[str]:
        """What the encoder could not keep, without repetitions."""
        return list(dict.fromkeys(words for each in self._made.values() for words in each.warnings))

    def make(self, wanted: Mapping[int, float]) -> None:
        """Encode segments at these CRFs, those that are not there yet. Raises `Interrupted` between two of them."""
        for number, crf in wanted.items():
            self._asked.setdefault(number, set()).add(crf)
        todo = [item for item in sorted(wanted.items()) if item not in self._made]
        with ExitStack() as closing, one_torch_thread():
            here = threading.local()

            def make_one(item: tuple[int, float]) -> Done:
                if self._stop.is_set():
                    raise Interrupted(
                        self._how.source,
                        f"stopped with {len(self._made)} encodings done",
                        "run the same command to go on",
                    )
                if not hasattr(here, "cursors"):  # every worker reads the source by itself, from its beginning on
                    opened = (Cursor(self._how.source, keep=1, max_pixels=self._how.max_pixels) for _ in range(2))
                    here.cursors = [closing.enter_context(each) for each in opened]
                return self._encoded(*item, *here.cursors)

            for made in spread(make_one, todo, threads=self._workers):
                self._made[_place(made)] = made
                self._folder.add(replace(made, number=1 + max(self._folder.done, default=0)))

    def _encoded(self, number: int, crf: float, shown: Cursor, again: Cursor) -> Done:
        """One encoding; both cursors read the source, which is seen by the encoder and then again by the measure."""
        how, segment = self._how, self._segments[number]
        settings = how.settings if how.settings.lossless else replace(how.settings, crf=crf)
        path = self._folder.path / f"{number:05d}-{crf:g}{segment_suffix(settings)}"
        made = encode_segment(_until_the_end(shown, segment), how.info, path, settings)
        if made.frames != segment.frames:
            raise JobFailed(
                how.source,
                "it has fewer frames than when the job was planned",
                "the file changed while it was read: run the same command again",
            )
        figures = self._measured(path, segment, again)
        self.encoded += made.frames
        self._done(made.frames)
        found = {
            "segment": number,
            "crf": crf,
            "bytes": made.payload,
            "key": made.key,
            "quality": min(summary(how.name, figures, how.at), CEILING),
        }
        return Done(0, path.name, made.frames, sha256(path), made.warnings, found)

    def _measured(self, path: Path, segment: Segment, source: Cursor) -> list[float]:
        """The figure of each frame. Raises `JobFailed` for a file that does not give them all back."""
        how = self._how
        with Cursor(path, keep=1) as coded:
            made = (picture.planes() for picture in coded.pictures(0, segment.frames))
            wanted = (truth(picture, how.settings) for picture in source.pictures(segment.start, segment.stop))
            try:
                return measured(how.name, made, wanted, rate=how.info.rate)
            except ValueError as error:
                cause = f"its encoder's file cannot be measured from {float(segment.begin):.2f} s on ({error})"
                raise JobFailed(how.source, cause, "use another --codec, --preset or measure") from error


def truth(picture: Picture, settings: EncoderSettings) -> Planes:
    """What an encoding of `picture` is measured against: its code values, or of R'G'B' those that the encoder gets."""
    if not is_rgb(picture.raw.format.name):
        return picture.planes()
    pixel_format = settings.pixel_format or "yuv444p"
    colour = writable_colour(picture.colour, settings, picture.width, picture.height)
    made = converted(picture.raw, rotation=picture.rotation, pixel_format=pixel_format, colour=colour)
    return replace(picture, raw=made, rotation=0, colour=colour_of(made)).planes()


def _until_the_end(source: Cursor, segment: Segment) -> Iterator[Picture]:
    """The segment's pictures, of which the last one is shown until it ends, whatever the file says."""
    yield from source.pictures(segment.start, segment.stop - 1)
    for picture in source.pictures(segment.stop - 1, segment.stop):
        yield replace(picture, duration=segment.end - picture.time)


def _place(done: Done) -> tuple[int, float]:
    return done.details["segment"], done.details["crf"]
