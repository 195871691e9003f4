"""The output container: every error of the muxer is fatal, and what was at the destination before stays."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import av
from av.error import ExternalError, FFmpegError

from vidwright.core.errors import JobFailed
from vidwright.core.files import atomic, explain_os_error
from vidwright.io.codecs import CONTAINERS

if TYPE_CHECKING:
    from av.container import OutputContainer

    from vidwright.io.packets import Packet


class Muxer:
    """Owns an output container on a temporary file; `writing` makes one and decides what becomes of the file."""

    def __init__(self, destination: Path, temporary: Path, container: str) -> None:
        self.destination = destination
        self.container = container
        # The index moves to the front, so that a player or a browser can start before it has the whole file; and
        # Matroska's numbers for its tracks are not drawn at random, so that the same content gives the same bytes.
        options = {"movflags": "+faststart"} if container in ("mp4", "mov") else {"fflags": "+bitexact"}
        with self.fatal():
            self.output: OutputContainer = av.open(  # the name ends in .part, so the format must be said
                str(temporary.absolute()), "w", format=CONTAINERS[container], container_options=options
            )

    def mux(self, packet: Packet) -> None:
        """Write one packet; any failure is a `JobFailed` that names the destination."""
        with self.fatal():
            self.output.mux_one(packet)  # pyright: ignore[reportUnknownMemberType]

    def finish(self) -> None:
        """Write what is still held and the index; the file is whole only after this."""
        with self.fatal():
            self.output.start_encoding()
            self.output.close()

    def abandon(self) -> None:
        """Let go of a file that nobody will read; a second error here would hide the first."""
        with suppress(FFmpegError, ValueError):
            self.output.close()

    @contextmanager
    def fatal(self) -> Generator[None]:
        """Turn errors of FFmpeg's muxers and encoders into `JobFailed` for the destination."""
        try:
            yield
        except FFmpegError as error:
            raise explain(self.destination, error) from error


@contextmanager
def writing(destination: Path, container: str) -> Generator[Muxer]:
    """A muxer for `destination`, which gets its new content whole when the block ends well, and else keeps the old.

    Raises `JobFailed` when the disk is full, the folder refuses or the muxer does.
    """
    with atomic(destination) as temporary:
        muxer = Muxer(destination, temporary, container)
        try:
            yield muxer
            muxer.finish()
        except BaseException:
            muxer.abandon()
            raise


def explain(destination: Path, error: FFmpegError) -> JobFailed:
    """The three lines for an error of FFmpeg while writing `destination`."""
    if isinstance(error, OSError) and error.errno is not None:
        return explain_os_error(destination, error)
    if isinstance(error, ExternalError):  # encoders say no more than this when they get no memory
        return JobFailed(
            destination, "the encoder gave up, perhaps for lack of memory", "use a faster --preset or fewer --workers"
        )
    step = "try another codec or container; if it happens again, report it with this message"
    return JobFailed(destination, f"the encoder or muxer refused: {error.strerror or error}", step)
