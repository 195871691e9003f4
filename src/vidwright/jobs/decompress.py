"""`decompress`: the picture of a compressed file as its encoder measured it, filtered as the file's attachment says."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Literal

from pydantic import Field

from vidwright.core import Frame, Video, VideoInfo
from vidwright.core.errors import BadInput
from vidwright.data.neighbours import RADIUS
from vidwright.io.cursor import Cursor
from vidwright.io.reader import open_video
from vidwright.jobs.job import Job, Process, SourceOptions
from vidwright.jobs.restore import PIXEL_FORMAT, Filters, filters
from vidwright.jobs.steps import chain

#: More pictures than any file has.
TO_THE_END = 2**62


class DecompressOptions(SourceOptions):
    """The options of `decompress`."""

    codec: Literal["h264", "hevc", "av1", "ffv1", "prores"] = Field(
        default="ffv1", description="Codec of the result; ffv1 keeps every code value."
    )


class Decompress(DecompressOptions, Job):  # in this order: its codec is another by default
    """Decompress one file: `run(Decompress(input=..., output=...))`."""

    def weights_sha256(self) -> str:
        return ""  # the input names them

    def open(self, info: VideoInfo, *, threads: int) -> Process:
        found, _ = filters(self.input)
        info = info if found is None else replace(info, pixel_format=PIXEL_FORMAT)
        return replace(chain(info, []), native=True)


def decompress(path: Path) -> Video:
    """The video of a file whose pictures are filtered as its attachment says; without one, the video as it is.

    Nothing is computed yet. Raises `BadInput`, also for a filter that is damaged: `open_video` gives the plain picture.
    """
    video = open_video(path)
    found, unused = filters(path)
    if unused:
        raise BadInput(path, unused, "use open_video for the plain picture")
    if found is None:
        return video

    def frames(own: Filters = found) -> Iterator[Frame]:
        with Cursor(path, keep=2 * RADIUS) as cursor:
            yield from (picture.frame() for picture in own.pictures(cursor, 0, TO_THE_END))

    return replace(video, frames=frames)
