"""The attachment that tells `decompress` how to filter the pictures of a file, shot by shot.

    "VWRS" | version | sha256 of the weights | codec | shots: length, quantiser, strengths, adapter | CRC-32C

A record is a few bytes for each shot, and some dozens more where an adapter pays. The checksum runs over all before
it; a reader that does not know the version, the weights or the codec leaves the pictures as they are.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from vidwright.core.errors import BadInput
from vidwright.entropy.crc32c import crc32c
from vidwright.entropy.fields import Blob, Layout, Raw, Rows, Source, Whole

MAGIC, VERSION = b"VWRS", 1
NAME = "vidwright-restore.bin"
CRC_BYTES, SHA256_BYTES = 4, 32
#: A whole strength: planes get parts of 255.
WHOLE = 255
#: Steps of an octave in which quantisers are told.
OCTAVE_STEPS = 16
#: More channels than any network's last layer has, and more bytes than any honest film needs: 60,000 shots.
MOST_TAPS, MOST_BYTES = 512, 2**22
PLANES = 3


@dataclass(frozen=True, slots=True)
class ShotFilter:
    """How the pictures of one shot are filtered.

    `milliseconds` is how long it lasts, `quantiser` the logarithm to base 2 of the quantiser's step in 16ths,
    `strength_y`, `strength_u` and `strength_v` the parts of what the network finds that are added, in 255ths: where all
    are 0 the shot stays as it is. `adapter` is empty, or a signed byte for each plane and tap.
    """

    milliseconds: int
    quantiser: int = 0
    strength_y: int = 0
    strength_u: int = 0
    strength_v: int = 0
    adapter: bytes = b""

    @property
    def strengths(self) -> tuple[int, int, int]:
        """Those of y, u and v."""
        return self.strength_y, self.strength_u, self.strength_v


@dataclass(frozen=True, slots=True)
class Sidecar:
    """The filters of all shots of a film, in order; `weights` is the sha256 of the network's file."""

    weights: bytes
    codec: int
    shots: tuple[ShotFilter, ...]


_SHOT = Layout(
    ShotFilter,
    milliseconds=Whole(1, 2**36),
    quantiser=Whole(0, 16 * OCTAVE_STEPS),
    strength_y=Whole(0, WHOLE),
    strength_u=Whole(0, WHOLE),
    strength_v=Whole(0, WHOLE),
    adapter=Blob(PLANES * MOST_TAPS),
)
_SIDECAR = Layout(Sidecar, weights=Raw(SHA256_BYTES), codec=Whole(0, 15), shots=Rows(_SHOT, MOST_BYTES))


def written(sidecar: Sidecar) -> bytes:
    """The attachment's bytes. Raises `ValueError` for values out of range."""
    body = MAGIC + bytes([VERSION]) + _SIDECAR.write(sidecar)
    return body + crc32c(body).to_bytes(CRC_BYTES, "little")


def size_of(shot: ShotFilter) -> int:
    """Bytes that a shot takes of the attachment."""
    return len(_SHOT.write(shot))


def read(data: bytes, name: str | Path) -> Sidecar:
    """The inverse of `written`; `name` is what errors call it.

    Raises `BadInput` for what is damaged, of another kind or of a later version, before anything is allocated by it.
    """
    source = Source(data, name)
    if len(data) > MOST_BYTES:
        raise source.damaged(f"{len(data)} bytes are too many")
    if data[: len(MAGIC)] != MAGIC:
        raise source.damaged("it does not begin as one")
    body, crc = data[:-CRC_BYTES], data[-CRC_BYTES:]
    if len(body) <= len(MAGIC) or crc32c(body).to_bytes(CRC_BYTES, "little") != crc:
        raise source.damaged("its checksum does not match")
    if body[len(MAGIC)] != VERSION:
        raise BadInput(name, f"it is of version {body[len(MAGIC)]}", f"use a later vidwright: this one reads {VERSION}")
    source = Source(body[len(MAGIC) + 1 :], name)
    sidecar = _SIDECAR.read(source)
    if source.left:
        raise source.damaged("there are bytes after its end")
    return sidecar
