"""Pictures of a compressed file, filtered as its attachment says.

    file --decoder--> pictures --.--> windows of one shot --> network --> * strength --(+)--> pictures of 10 bits
      '--attachment--> sidecar --'------------------------------'             |         |
                                                                        of the shot   as decoded

What cannot be applied is said in words, and the pictures are those that any player shows.
"""

from __future__ import annotations

import bisect
import itertools
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

import torch
from torch import Tensor

from vidwright import models
from vidwright.core import Planes
from vidwright.core.errors import BadInput, ModelRefused
from vidwright.core.files import sha256
from vidwright.core.overlap import spread
from vidwright.core.video import RESTORE_TYPE
from vidwright.core.window import windows
from vidwright.io.attachments import attached
from vidwright.io.cursor import Cursor
from vidwright.io.native import converted, from_planes
from vidwright.io.reader import Picture
from vidwright.jobs import sidecar
from vidwright.jobs.sidecar import OCTAVE_STEPS, PLANES, WHOLE, ShotFilter, Sidecar
from vidwright.models.compress.postfilter import Net
from vidwright.nn.phases import PLANE_OF_PHASE, phases, planes

MODEL = "compress/postfilter"
#: What filtered pictures are stored as, and the bits of their codes; those of the network are of 8.
PIXEL_FORMAT, BITS, NET_BITS = "yuv420p10le", 10, 8
#: An adapter's signed byte: 0 leaves a channel as it is, and a whole one more is so many.
ADAPTER_STEPS = 64
#: Half a tick of Matroska's clock and the rounding of a shot's length, in seconds: a picture's shot is known for sure.
TOLERANCE = Fraction(1, 500)


@dataclass(frozen=True, slots=True)
class _Seen:
    """A decoded picture, its shot, and what the network sees of it: (1, 6, H, W)."""

    picture: Picture
    shot: int
    scaled: Tensor


class Filters:
    """A network and the filters of a film's shots."""

    at_once: int = 1

    def __init__(self, net: Net, found: Sidecar) -> None:
        self._net, self._shots = net, found.shots
        ends = itertools.accumulate(shot.milliseconds for shot in found.shots)
        self._ends = [Fraction(end, 1000) - TOLERANCE for end in ends]
        codec_B = torch.tensor([found.codec])
        self._conditions = {
            shot.quantiser: net.conditions(codec_B, torch.tensor([shot.quantiser / OCTAVE_STEPS]))
            for shot in dict.fromkeys(replace(shot, milliseconds=1, adapter=b"") for shot in found.shots)
        }

    @property
    def radius(self) -> int:
        """Pictures on either side that a filtered one is made from."""
        return self._net.config.radius

    def pictures(self, cursor: Cursor, start: int, stop: int) -> Generator[Picture]:
        """Pictures number `start` up to, not including, `stop` of a file, filtered; fewer where it ends.

        They are as they would be in a run over the whole file.
        """
        first = max(start - self.radius, 0)
        read = cursor.pictures(first, stop + self.radius)
        yield from self.through(read, start - first, stop - first)

    def through(self, pictures: Iterable[Picture], start: int = 0, stop: int | None = None) -> Generator[Picture]:
        """`pictures` filtered, from number `start` of them up to, not including, `stop`; the others are looked at."""
        shown = windows(self._seen(pictures), self.radius, is_cut=_changes())
        yield from spread(self._filtered, itertools.islice(shown, start, stop), threads=self.at_once)

    def _seen(self, pictures: Iterable[Picture]) -> Iterator[_Seen]:
        for picture in pictures:
            shot = min(bisect.bisect_right(self._ends, picture.time), len(self._shots) - 1)
            with torch.inference_mode():
                yield _Seen(picture, shot, self._net.scaled(codes(picture)[None]))

    @torch.inference_mode()
    def _filtered(self, window: Sequence[_Seen]) -> Picture:
        middle = window[len(window) // 2]
        picture, shot = middle.picture, self._shots[middle.shot]
        if not any(shot.strengths):
            return _as_it_is(picture)
        residual_PHW = self._net.residual(
            [each.scaled for each in window], self._conditions[shot.quantiser], adapter_of(shot)
        )[0]
        part_P = torch.tensor([shot.strengths[plane] / WHOLE for plane in PLANE_OF_PHASE])
        return added(picture, residual_PHW * part_P[:, None, None])


def filters(
    path: Path, *, weights: Path | None, device: str = "auto", dtype: models.DType = "auto"
) -> tuple[Filters | None, str]:
    """The filters that a file carries with their network, or None; and in words why not, where there should be some.

    `weights` is a file that may hold the network, beside those of the package. Raises `BadInput` for what is no video,
    and `ModelRefused` for weights of another model and for a `device` that is not there.
    """
    contents = attached(path, RESTORE_TYPE)
    if not contents:
        return None, ""
    try:
        found = sidecar.read(contents[0], f"the restoration data of {path.name}")
    except BadInput as error:
        return None, f"its restoration data cannot be used ({error.cause}): the plain picture is shown"
    file = known_weights().get(found.weights) if weights is None else weights
    if file is None or bytes.fromhex(sha256(file)) != found.weights:
        return None, "its restoration data are for other weights than these: the plain picture is shown"
    net = models.load(MODEL, file, kind=Net, device=device, dtype=dtype)
    lengths = {0, PLANES * net.taps}
    if found.codec >= len(net.config.codecs) or any(len(shot.adapter) not in lengths for shot in found.shots):
        return None, "its restoration data do not fit their weights: the plain picture is shown"
    return (Filters(net, found) if found.shots else None), ""


def known_weights() -> dict[bytes, Path]:
    """The shipped sets of the network by their sha256."""
    found: dict[bytes, Path] = {}
    for name in models.card(MODEL).weights:
        with suppress(ModelRefused):  # of a development tree before they are made
            path = models.weights_path(MODEL, name)
            assert path is not None  # the model has parameters
            found[bytes.fromhex(sha256(path))] = path
    return found


def adapter_of(shot: ShotFilter) -> Tensor | None:
    """The scales (planes, taps) of an adapter, if the shot has one."""
    if not shot.adapter:
        return None
    steps = torch.frombuffer(bytearray(shot.adapter), dtype=torch.int8)
    return 1 + steps.view(PLANES, -1).float() / ADAPTER_STEPS


def codes(picture: Picture) -> Tensor:
    """Phases (6, H, W) of a 4:2:0 picture, in code values of 8 bits as floats. Raises `ValueError` for another."""
    own = replace(picture, rotation=0).planes()
    if own.u is None or own.v is None:
        raise ValueError("a picture without chroma")
    return phases(own.y, own.u, own.v).float() * unit(own, NET_BITS)


def unit(own: Planes, bits: int) -> float:
    """What a code of these planes is in codes of so many bits: studio swing gains bits by a shift (ITU-R BT.2100)."""
    if own.colour.full_range:
        return (2**bits - 1) / (2**own.colour.bits - 1)
    return 2.0 ** (bits - own.colour.bits)


def added(picture: Picture, residual_PHW: Tensor) -> Picture:
    """A picture of 10 bits: `picture` and what is added to it, in code values of 8 bits, rounded once."""
    own = replace(picture, rotation=0).planes()
    assert own.u is not None and own.v is not None
    colour = replace(picture.colour, bits=BITS)
    deep = unit(own, BITS) / unit(own, NET_BITS)
    whole_PHW = phases(own.y, own.u, own.v).float() * unit(own, BITS) + residual_PHW.cpu() * deep
    stored_PHW = whole_PHW.round_().clamp_(0, 2**BITS - 1).to(torch.int16)
    parts = (plane.contiguous().view(torch.uint16) for plane in planes(stored_PHW, (own.y.shape[0], own.y.shape[1])))
    y, u, v = parts
    made = Planes(y, u, v, picture.time, colour, picture.cut)
    return replace(picture, raw=from_planes(made, pixel_format=PIXEL_FORMAT), colour=colour)


def _as_it_is(picture: Picture) -> Picture:
    colour = replace(picture.colour, bits=BITS)
    tags = colour.resolved(picture.raw.width, picture.raw.height)
    raw = converted(picture.raw, rotation=0, pixel_format=PIXEL_FORMAT, colour=tags)
    return replace(picture, raw=raw, colour=colour)


def _changes() -> Callable[[_Seen], bool]:
    last: int | None = None

    def is_cut(seen: _Seen) -> bool:
        nonlocal last
        cut, last = last is not None and seen.shot != last, seen.shot
        return cut

    return is_cut
