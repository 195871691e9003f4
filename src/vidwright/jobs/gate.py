"""The filters that make a film better, by least squares, and whether they are worth their bytes.

    decoded pictures --> what the post-filter adds, taps --.
                                                           +--> sums of classes --> coefficients --> gain, net of bytes
    source --------------------------- what is missing ----'

A filter is linear in its coefficients. So the best of them are a system of equations as large as there are taps, and
what they gain is known without filtering: all of it from a few pictures of a shot.

Shapes: M places, L classes, K taps; in code values of 8 bits.
"""

from __future__ import annotations

import functools
import math
import operator
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from vidwright.core.window import windows
from vidwright.data.neighbours import RADIUS, Place, Seen, Yuv, difference, in_codes, rms
from vidwright.io.cursor import Cursor
from vidwright.io.probe import probe
from vidwright.jobs.film import Film
from vidwright.jobs.restore import PostFilter, codes
from vidwright.jobs.segments import Segment
from vidwright.jobs.sidecar import (
    MOST_FINENESS,
    PLANE,
    PLANES,
    SHOT,
    STRENGTH_STEPS,
    PlaneFilter,
    ShotFilter,
    Sidecar,
    coefficients,
    level,
    step,
    steps,
)
from vidwright.jobs.trials import truth
from vidwright.metrics.ms_ssim import ms_ssim
from vidwright.models.compress.postfilter import Net
from vidwright.nn.adaptive import classes
from vidwright.nn.least_squares import Sums, sums

#: Pictures of a shot that are looked at, anywhere in it: at regular distances all might be of one layer of the GOP.
LOOKED_AT = 16
#: Large pictures have places enough, and take memory: of 1080p it is four pictures.
LOOKED_AT_PIXELS = 2**23
#: Shares of places below each threshold, for as many classes as are tried; finest where most goes on.
SHARES: tuple[tuple[float, ...], ...] = ((), (0.67,), (0.33, 0.67, 0.85))
#: What luma and both chroma planes count: 6:1:1, as in the common test conditions of JVET.
WEIGHTS = (6 / 8, 1 / 8, 1 / 8)
#: Decibels that twice the bytes are worth: 2.3 to 3.8 were measured of AV1.
OCTAVE_GAIN = 3.5
#: Bytes that an attachment takes whatever is in it.
ATTACHMENT_BYTES = 120
#: A mean squared error that is as good as none, and so much less than 1 of MS-SSIM.
LEAST_ERROR, LEAST_UNLIKE = 1e-3, 1e-4
#: Parts of what the perceptual set adds to luma that are tried.
STRENGTHS = (0.25, 0.5, 0.75, 1.0)
#: Places whose activity is looked at to part them evenly: one of so many.
SPARSE = 97


def gated(film: Film, chosen: Mapping[int, float], source: Cursor, general: PostFilter) -> Sidecar | None:
    """The filters of a film's shots encoded at the CRFs `chosen`; None where they are not worth their bytes.

    `source` reads what the film is made of; the filters build on the `general` one.
    """
    shots: list[ShotFilter] = []
    points, end, share = film.points(chosen), 0, math.ceil(ATTACHMENT_BYTES / len(film.plan.segments))
    for segment in film.plan.segments:
        began, end = end, max(end + 1, round(1000 * (segment.end - film.span[0])))
        path, size = film.trials.file(segment.number, chosen[segment.number]), points[segment.number].bytes
        true = wanted(film, source, segment)
        shot = fitted(path, true, segment.frames, general, film.settings.codec, size=size, more=share)
        shots.append(replace(shot, milliseconds=end - began))
    return None if all(shot.plain for shot in shots) else Sidecar(general.weights, tuple(shots))


def wanted(film: Film, source: Cursor, segment: Segment) -> Iterator[Yuv]:
    """The planes of a segment's pictures as they should be."""
    return (in_codes(truth(picture, film.settings)) for picture in source.pictures(segment.start, segment.stop))


@torch.inference_mode()
def fitted(
    path: Path,
    true: Iterable[Yuv],
    frames: int,
    general: PostFilter,
    codec: str,
    *,
    size: int,
    more: int = ATTACHMENT_BYTES,
) -> ShotFilter:
    """The filter of a shot whose file has so many frames and takes `size` bytes; its length in it is not known here.

    A plane is filtered where its gain is worth its bytes, and the shot where that of luma alone is worth all of them
    and the `more` that an attachment takes anyway: so a film is not worse than without, by PSNR of each plane or, for
    the perceptual goal, by MS-SSIM of luma.
    """
    examples = list(_examples(path, true, frames))
    errors = [step(error) for error in rms([missing for _, missing in examples])]
    looked_at = [(Place(window, [level(error) for error in errors]), missing) for window, missing in examples]
    candidates = _filters if general.goal == "fidelity" else _strengths
    planes: list[PlaneFilter] = []
    gains: list[float] = []
    for number in range(PLANES):
        best, most, gain = PlaneFilter(errors[number]), 0.0, 0.0
        for plane, won in candidates(looked_at, number, errors[number], general.net, codec):
            net_of_bytes = WEIGHTS[number] * won - _worth(len(PLANE.write(plane)), size)
            if net_of_bytes > most:
                best, most, gain = plane, net_of_bytes, won
        planes.append(best)
        gains.append(gain)
    shot = ShotFilter(1, *planes)
    return shot if gains[0] > _worth(len(SHOT.write(shot)) + more, size) else ShotFilter(1)


def _worth(more: int, size: int) -> float:
    """The decibels that so many more bytes would buy."""
    return OCTAVE_GAIN * math.log2(1 + more / size)


def _filters(
    looked_at: Sequence[tuple[Place, Yuv]], number: int, error: int, net: Net, codec: str
) -> Iterator[tuple[PlaneFilter, float]]:
    """Filters of a plane with more and more bytes, and what they gain in dB."""
    active_M = torch.cat([place.activity(number).flatten()[::SPARSE] for place, _ in looked_at])
    told = [[step(float(torch.quantile(active_M, share))) for share in shares] for shares in SHARES]
    thresholds = [[level(each) for each in own] for own in told]
    # Of each picture only its sums are kept: its taps are some dozens of planes.
    rows = [_sums(place, number, missing[number], net, codec, thresholds) for place, missing in looked_at]
    for steps_told, own in zip(told, zip(*rows, strict=True), strict=True):
        if not steps_told:
            first = [each.first() for each in own]
            yield _judged(first, PlaneFilter(error, coefficients=steps(_best(first), 0)))
        best_LK = _best(own)
        for fineness in range(MOST_FINENESS + 1):
            yield _judged(own, PlaneFilter(error, bytes(steps_told), fineness, steps(best_LK, fineness)))


def _best(own: Sequence[Sums]) -> Tensor:
    """The coefficients that leave least; each picture counts by its PSNR, so each is divided by what it misses."""
    return functools.reduce(operator.add, [each.scaled(1 / (_error(each) + LEAST_ERROR)) for each in own]).solved()


def _strengths(
    looked_at: Sequence[tuple[Place, Yuv]], number: int, error: int, net: Net, codec: str
) -> Iterator[tuple[PlaneFilter, float]]:
    """The post-filter alone, by how much of what it adds, and what that gains in dB: of luma by MS-SSIM."""
    if number:
        first = [_sums(place, number, missing[number], net, codec, [()])[0].first() for place, missing in looked_at]
        yield _judged(first, PlaneFilter(error, coefficients=steps(_best(first), 0)))
        return
    rows: list[list[float]] = []
    for place, missing in looked_at:
        seen_HW, added_HW = place.planes[0], net(place, 0, codec)
        pairs = ((seen_HW + strength * added_HW, seen_HW + missing[0]) for strength in (0.0, *STRENGTHS))
        rows.append([1 - float(ms_ssim(a[None, None], b[None, None], peak=255)) + LEAST_UNLIKE for a, b in pairs])
    for strength, own in zip(STRENGTHS, list(zip(*rows, strict=True))[1:], strict=True):
        gains = [10 * math.log10(before / after) for (before, *_), after in zip(rows, own, strict=True)]
        plane = PlaneFilter(error, coefficients=(round(strength * STRENGTH_STEPS),))
        yield plane, math.fsum(gains) / len(gains)


def _sums(
    place: Place, plane: int, missing_HW: Tensor, net: Net, codec: str, thresholds: Sequence[Sequence[float]]
) -> list[Sums]:
    """The sums of a picture's plane by each way to part its places, as means over all of them."""
    taps_KM = torch.cat([net(place, plane, codec)[None], place.all_taps(plane)]).flatten(1)
    missing_M, active_M = missing_HW.flatten(), place.activity(plane).flatten()
    return [
        sums(taps_KM, missing_M, classes(active_M, own), len(own) + 1).scaled(1 / missing_M.numel())
        for own in thresholds
    ]


def _judged(own: Sequence[Sums], plane: PlaneFilter) -> tuple[PlaneFilter, float]:
    """A filter and what it gains: the mean of that in each picture's PSNR."""
    told_LK = coefficients(plane)
    left = [(_error(each) + LEAST_ERROR) / (each.left(told_LK) + LEAST_ERROR) for each in own]
    return plane, 10 * math.fsum(map(math.log10, left)) / len(left)


def _error(of: Sums) -> float:
    return float(of.missing.sum())


def _examples(path: Path, true: Iterable[Yuv], frames: int) -> Iterator[tuple[tuple[Seen, ...], Yuv]]:
    """Some pictures of a shot's file, each between its neighbours, and what is missing of them."""
    order, info = torch.randperm(frames, generator=torch.Generator().manual_seed(0)), probe(path).info
    count = min(LOOKED_AT, max(LOOKED_AT_PIXELS // (info.width * info.height), 1))
    looked_at = {int(number) for number in order[:count]}
    near = {number + way for number in looked_at for way in range(-RADIUS, RADIUS + 1)}

    def seen(coded: Cursor) -> Iterator[Seen | None]:
        last: Seen | None = None
        for number, picture in enumerate(coded.pictures(0, frames)):
            last = Seen(codes(picture), last) if number in near else None
            yield last

    with Cursor(path, keep=1) as coded:
        shown = windows(seen(coded), RADIUS, is_cut=lambda each: False)
        for number, (window, target) in enumerate(zip(shown, true, strict=True)):
            if number in looked_at:
                whole = tuple(each for each in window if each is not None)
                yield whole, difference(target, whole[RADIUS].planes)
