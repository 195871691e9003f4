"""Files within a file: what Matroska calls attachments."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from av.stream import AttachmentStream

from vidwright.io.container import open_input


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file that is stored within another."""

    name: str
    mimetype: str
    content: bytes


def attached(path: Path, mimetype: str) -> list[bytes]:
    """The contents of all attachments of a type; none where the container has none. Raises `BadInput`."""
    with open_input(path) as container:
        found = [stream for stream in container.streams if isinstance(stream, AttachmentStream)]
        return [bytes(stream.data or b"") for stream in found if stream.mimetype == mimetype]
