"""The attachment that tells `decompress` how to filter the pictures of a file, shot by shot.

    "VWRS" | version | weights | shots: length, and of y, u and v: error, thresholds, coefficients | CRC-32C

A plane of a shot takes four bytes where it is not filtered, and two more where the post-filter alone is enough. The
checksum runs over all before it; a reader that does not know the version or the weights shows the pictures as they are.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from vidwright.core.errors import BadInput
from vidwright.entropy.crc32c import crc32c
from vidwright.entropy.fields import Blob, Layout, Raw, Rows, Source, Whole
from vidwright.entropy.rice import MOST, Rice
from vidwright.nn.adaptive import CHROMA_TAPS, LUMA_TAPS

MAGIC, VERSION = b"VWRS", 1
NAME = "restore.vwr"
CRC_BYTES = 4
#: Bytes of the sha256 of the post-filter's weights, which name them.
ID_BYTES = 8
#: More bytes than any honest film needs: 20,000 shots.
MOST_BYTES = 2**22
#: Taps of y, u and v, the first of which is all that the post-filter adds.
TAPS = (1 + LUMA_TAPS, 1 + CHROMA_TAPS, 1 + CHROMA_TAPS)
#: Classes of places that a plane may have.
MOST_CLASSES = 8
#: Errors and thresholds are told on a logarithmic scale, in 16ths of an octave from a 64th of a code value on.
LEAST_OCTAVE, OCTAVE_STEPS = -6, 16
PLANES = len(TAPS)
#: A coefficient of 1 is so many steps: of what the post-filter adds, and of other taps where they are told coarsest.
STRENGTH_STEPS, COEFFICIENT_STEPS, MOST_FINENESS = 64, 32, 3


@dataclass(frozen=True, slots=True)
class PlaneFilter:
    """How one plane of a shot is filtered: not at all without `coefficients`.

    `error` is its RMS error and `thresholds` (a byte each, rising) part the activities of its classes, both as `level`
    reads them; `coefficients` are those of each tap of each class, or one for the post-filter alone, in steps of which
    `fineness` doubles the number.
    """

    error: int = 0
    thresholds: bytes = b""
    fineness: int = 0
    coefficients: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class ShotFilter:
    """How the pictures of a shot of so many `milliseconds` are filtered."""

    milliseconds: int
    y: PlaneFilter = PlaneFilter()
    u: PlaneFilter = PlaneFilter()
    v: PlaneFilter = PlaneFilter()

    @property
    def planes(self) -> tuple[PlaneFilter, PlaneFilter, PlaneFilter]:
        """Those of y, u and v."""
        return self.y, self.u, self.v

    @property
    def plain(self) -> bool:
        """Whether no plane is filtered."""
        return not any(plane.coefficients for plane in self.planes)


@dataclass(frozen=True, slots=True)
class Sidecar:
    """The filters of all shots of a film, in order; `weights` name those of the post-filter."""

    weights: bytes
    shots: tuple[ShotFilter, ...]


PLANE = Layout(
    PlaneFilter,
    error=Whole(0, 255),
    thresholds=Blob(MOST_CLASSES - 1),
    fineness=Whole(0, MOST_FINENESS),
    coefficients=Rice(MOST_CLASSES * max(TAPS)),
)
SHOT = Layout(ShotFilter, milliseconds=Whole(1, 2**36), y=PLANE, u=PLANE, v=PLANE)
_SIDECAR = Layout(Sidecar, weights=Raw(ID_BYTES), shots=Rows(SHOT, MOST_BYTES))


def level(step: int) -> float:
    """What a byte says of an error or of an activity, in code values of 8 bits."""
    return 2.0 ** (LEAST_OCTAVE + step / OCTAVE_STEPS)


def step(value: float) -> int:
    """The byte by which `level` says a value best."""
    return min(max(round((math.log2(max(value, 1e-9)) - LEAST_OCTAVE) * OCTAVE_STEPS), 0), 255)


def coefficients(told: PlaneFilter) -> Tensor:
    """(classes, taps) of a plane, or (1, 1) for the post-filter alone."""
    steps_LK = torch.tensor(told.coefficients).view(len(told.thresholds) + 1, -1)
    return steps_LK / _parts(steps_LK.shape[1], told.fineness)


def steps(coefficients_LK: Tensor, fineness: int) -> tuple[int, ...]:
    """The nearest coefficients that can be told, as `coefficients` reads them."""
    steps_LK = (coefficients_LK * _parts(coefficients_LK.shape[1], fineness)).round().clamp(-MOST, MOST)
    return tuple(int(number) for number in steps_LK.flatten())


def _parts(taps: int, fineness: int) -> Tensor:
    return torch.tensor([STRENGTH_STEPS, *[COEFFICIENT_STEPS << fineness] * (taps - 1)])


def written(sidecar: Sidecar) -> bytes:
    """The attachment's bytes. Raises `ValueError` for values out of range."""
    body = MAGIC + bytes([VERSION]) + _SIDECAR.write(sidecar)
    return body + crc32c(body).to_bytes(CRC_BYTES, "little")


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
    for shot in sidecar.shots:
        for plane, taps in zip(shot.planes, TAPS, strict=True):
            whole = taps * (len(plane.thresholds) + 1)
            if len(plane.coefficients) not in ((whole,) if plane.thresholds else (0, 1, whole)):
                raise source.damaged("a filter has not the coefficients that it needs")
            if list(plane.thresholds) != sorted(plane.thresholds):
                raise source.damaged("thresholds do not rise")
    return sidecar
