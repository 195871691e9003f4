"""Pictures of a compressed file, filtered as its attachment says.

    file --decoder--> pictures --.--> before, this and after, aligned --> taps --> * coefficients --(+)--> 10 bits
      '--attachment--> sidecar --'----------- + those of the post-filter -------------'              |
                                                                                               as decoded

What cannot be applied is said in words, and the pictures are those that any player shows.
"""

from __future__ import annotations

import bisect
import itertools
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cache
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
from vidwright.data.neighbours import BITS as FILTER_BITS
from vidwright.data.neighbours import RADIUS, Place, Seen, Yuv, in_codes
from vidwright.io.attachments import attached
from vidwright.io.cursor import Cursor
from vidwright.io.native import converted, from_planes
from vidwright.io.probe import probe
from vidwright.io.reader import Picture
from vidwright.jobs import sidecar
from vidwright.jobs.sidecar import ID_BYTES, PlaneFilter, ShotFilter, Sidecar, level
from vidwright.models.compress.postfilter import Goal, Net, classes_of
from vidwright.nn.adaptive import classes, combined

MODEL = "compress/postfilter"
#: What filtered pictures are stored as, and the bits of their codes.
PIXEL_FORMAT, BITS = "yuv420p10le", 10
#: Half a tick of Matroska's clock and the rounding of a shot's length, in seconds: a picture's shot is known for sure.
TOLERANCE = Fraction(1, 500)


@dataclass(frozen=True, slots=True)
class PostFilter:
    """The post-filter learned for a goal, and how a sidecar names its weights."""

    goal: Goal
    net: Net
    weights: bytes


@dataclass(frozen=True, slots=True)
class _Shown:
    picture: Picture
    shot: int
    seen: Seen | None


class Filters:
    """The filters of a film's shots, and the post-filter that they build on."""

    at_once: int = 1

    def __init__(self, found: Sidecar, net: Net, codec: str) -> None:
        self._shots, self._net, self._codec = found.shots, net, codec
        ends = itertools.accumulate(shot.milliseconds for shot in found.shots)
        self._ends = [Fraction(end, 1000) - TOLERANCE for end in ends]

    def pictures(self, cursor: Cursor, start: int, stop: int) -> Generator[Picture]:
        """Pictures number `start` up to, not including, `stop` of a file, filtered; fewer where it ends.

        They are as they would be in a run over the whole file.
        """
        first = max(start - RADIUS, 0)
        yield from self.through(cursor.pictures(first, stop + RADIUS), start - first, stop - first)

    def through(self, pictures: Iterable[Picture], start: int = 0, stop: int | None = None) -> Generator[Picture]:
        """`pictures` filtered, from number `start` of them up to, not including, `stop`; the others are looked at."""
        shown = windows(self._shown(pictures), RADIUS, is_cut=_changes())
        yield from spread(self._filtered, itertools.islice(shown, start, stop), threads=self.at_once)

    def _shown(self, pictures: Iterable[Picture]) -> Iterator[_Shown]:
        last: _Shown | None = None
        for picture in pictures:
            shot = min(bisect.bisect_right(self._ends, picture.time), len(self._shots) - 1)
            seen: Seen | None = None
            if not self._shots[shot].plain:
                seen = Seen(codes(picture), last.seen if last is not None and last.shot == shot else None)
            last = _Shown(picture, shot, seen)
            yield last

    @torch.inference_mode()
    def _filtered(self, window: Sequence[_Shown]) -> Picture:
        middle = window[RADIUS]
        own = [each.seen for each in window if each.seen is not None]
        if len(own) < len(window):
            return deepened(middle.picture)
        return stored(middle.picture, filtered(own, self._shots[middle.shot], self._net, self._codec))


def filtered(window: Sequence[Seen], shot: ShotFilter, net: Net, codec: str) -> Yuv:
    """The planes of the middle picture of three, in code values of 8 bits, not rounded."""
    place = Place(window, [level(plane.error) for plane in shot.planes])
    y, u, v = (filtered_plane(place, number, plane, net, codec) for number, plane in enumerate(shot.planes))
    return y, u, v


def filtered_plane(place: Place, number: int, plane: PlaneFilter, net: Net, codec: str) -> Tensor:
    """One plane of a picture (0 to 2: y, u, v), in code values of 8 bits, not rounded."""
    own_HW = place.planes[number]
    if not plane.coefficients:
        return own_HW
    told_LK = sidecar.coefficients(plane)
    class_HW = classes_of(place, number)
    general_GK = net.coefficients(number, codec, place.errors[0])
    if told_LK.numel() == 1:
        return own_HW + combined(place.taps(number), general_GK * told_LK, class_HW)
    # What is told of the film and what is known of all films are coefficients of the same taps: one pass does both.
    both_LGK = told_LK[:, :1, None] * general_GK + told_LK[:, None, 1:]
    film_HW = classes(place.activity(number), [level(step) for step in plane.thresholds])
    return own_HW + combined(place.taps(number), both_LGK.flatten(0, 1), film_HW * len(general_GK) + class_HW)


def filters(path: Path) -> tuple[Filters | None, str]:
    """The filters that a file carries, or None; and in words why not, where there should be some.

    Raises `BadInput` for what is no video.
    """
    contents = attached(path, RESTORE_TYPE)
    if not contents:
        return None, ""
    try:
        found = sidecar.read(contents[0], f"the restoration data of {path.name}")
    except BadInput as error:
        return None, f"its restoration data cannot be used ({error.cause}): the plain picture is shown"
    file, info = known_weights().get(found.weights), probe(path).info
    net = None if file is None else loaded(file)
    if net is None or info.codec not in net.config.codecs or "420" not in info.pixel_format:
        return None, "its restoration data are not for this file and these weights: the plain picture is shown"
    return (Filters(found, net, info.codec) if found.shots else None), ""


def known_weights() -> dict[bytes, Path]:
    """The shipped sets of the post-filter by how a sidecar names them."""
    found: dict[bytes, Path] = {}
    for name in models.card(MODEL).weights:
        with suppress(ModelRefused):  # of a development tree before they are made
            path = models.weights_path(MODEL, name)
            assert path is not None  # the model has parameters
            found[identity(path)] = path
    return found


def postfilter(goal: Goal) -> PostFilter:
    """The shipped post-filter for a goal. Raises `ModelRefused`."""
    path = models.weights_path(MODEL, goal)
    assert path is not None  # the model has parameters
    return PostFilter(goal, loaded(path), identity(path))


def identity(weights: Path) -> bytes:
    """How a sidecar names a file of weights: the beginning of its sha256."""
    return bytes.fromhex(sha256(weights))[:ID_BYTES]


@cache
def loaded(weights: Path) -> Net:
    """The post-filter of a file. Raises `ModelRefused`."""
    return models.load(MODEL, weights, kind=Net, device="cpu", dtype="fp32")


def codes(picture: Picture) -> Yuv:
    """The planes of a picture as it is stored, in code values of 8 bits. Raises `ValueError` for what is not 4:2:0."""
    return in_codes(replace(picture, rotation=0).planes())


def stored(picture: Picture, made: Yuv) -> Picture:
    """`picture` with other planes, given in code values of 8 bits, rounded once, to 10."""
    colour = replace(picture.colour, bits=BITS)
    by = replace(colour, bits=FILTER_BITS).gain(BITS)
    y, u, v = ((plane * by).round_().clamp_(0, 2**BITS - 1).to(torch.int16).view(torch.uint16) for plane in made)
    raw = from_planes(Planes(y, u, v, picture.time, colour), pixel_format=PIXEL_FORMAT)
    return replace(picture, raw=raw, colour=colour)


def deepened(picture: Picture) -> Picture:
    """`picture` as it is, in 10 bits."""
    colour = replace(picture.colour, bits=BITS)
    tags = colour.resolved(picture.raw.width, picture.raw.height)
    raw = converted(picture.raw, rotation=0, pixel_format=PIXEL_FORMAT, colour=tags)
    return replace(picture, raw=raw, colour=colour)


def _changes() -> Callable[[_Shown], bool]:
    last: int | None = None

    def is_cut(shown: _Shown) -> bool:
        nonlocal last
        cut, last = last is not None and shown.shot != last, shown.shot
        return cut

    return is_cut
