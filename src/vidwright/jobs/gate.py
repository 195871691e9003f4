"""The filters that make a film better, by least squares, and whether they are worth their bytes.

    decoded pictures --> what the post-filter adds, taps --.
                                                           +--> sums of classes --> coefficients --> gain, net of bytes
    source --------------------------- what is missing ----'

A filter is linear in its coefficients. So the best of them are a system of equations as large as there are taps, and
what they gain is known without filtering: all of it from a few pictures of a shot. Of structure it is known to first
order (`train/structure.py`): that says which filters of luma are worth a try, and these are measured by MS-SSIM.

Shapes: M places, L classes, K taps; in code values of 8 bits.
"""

from __future__ import annotations

import functools
import math
import operator
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path

import torch
from torch import Tensor

from vidwright.core.window import windows
from vidwright.data.neighbours import RADIUS, Place, Seen, Yuv, difference, in_codes, rms
from vidwright.io.cursor import Cursor
from vidwright.io.probe import probe
from vidwright.jobs.film import Film
from vidwright.jobs.restore import PostFilter, codes, filtered_plane
from vidwright.jobs.segments import Segment
from vidwright.jobs.sidecar import (
    MOST_FINENESS,
    PLANE,
    PLANES,
    SHOT,
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
from vidwright.train.structure import PEAK, Structure

#: Pictures of a shot that are looked at, anywhere in it: at regular distances all might be of one layer of the GOP.
LOOKED_AT = 16
#: Large pictures have places enough, and take memory: of 1080p it is four pictures.
LOOKED_AT_PIXELS = 2**23
#: Shares of places below each threshold, for as many classes as are tried; finest where most goes on.
SHARES: tuple[tuple[float, ...], ...] = ((), (0.67,), (0.33, 0.67, 0.85))
#: What luma and both chroma planes count: 6:1:1, as in the common test conditions of JVET.
WEIGHTS = (6 / 8, 1 / 8, 1 / 8)
#: Decibels that twice the bytes are worth: of AV1 at CRF 40 to 60, 1.9 to 4.0 by PSNR and 2.3 to 4.3 by MS-SSIM were
#: measured, in the mean over 14 clips 3.2 and 3.4.
OCTAVE_GAIN = 3.5
#: Bytes that an attachment takes whatever is in it.
ATTACHMENT_BYTES = 120
#: A mean squared error, or a share of lost structure, that is as good as none, and so much less than 1 of MS-SSIM.
LEAST_ERROR, LEAST_UNLIKE = 1e-3, 1e-4
#: How much of its energy lost detail is given back by a filter fitted to a shot, where 1 is what structure asks for to
#: first order: of 1, 1.5, 2 and 2.5 this had the best MS-SSIM on pictures that were not looked at.
BACK = 1.5
#: Places whose activity is looked at to part them evenly: one of so many.
SPARSE = 97

#: A filter of a plane, and what it gains in dB.
Candidate = tuple[PlaneFilter, float]


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
    found = [_chosen(looked_at, number, errors[number], general, codec, size) for number in range(PLANES)]
    shot = ShotFilter(1, *(plane for plane, _ in found))
    return shot if found[0][1] > _worth(len(SHOT.write(shot)) + more, size) else ShotFilter(1)


def _chosen(
    looked_at: Sequence[tuple[Place, Yuv]], number: int, error: int, general: PostFilter, codec: str, size: int
) -> Candidate:
    """The filter of a plane that gains most, net of its bytes: none where none gains any."""

    def net_of_bytes(candidate: Candidate) -> float:
        plane, won = candidate
        return WEIGHTS[number] * won - _worth(len(PLANE.write(plane)), size)

    # Structure is luma's: for its sake chroma takes no more bytes than those of the post-filter alone.
    alike, alone = (general.goal == "perceptual" and is_so for is_so in (number == 0, number > 0))
    shares = SHARES[:1] if alone else SHARES
    parted = _filters(looked_at, number, error, general.net, codec, shares, alike=alike)
    found = [max(own, key=net_of_bytes) for own in islice(parted, 1 if alone else None)]
    if alike:
        found = _measured(looked_at, [plane for plane, _ in found], general.net, codec)
    best = max(found, key=net_of_bytes)
    return best if net_of_bytes(best) > 0 else (PlaneFilter(error), 0.0)


def _worth(more: int, size: int) -> float:
    """The decibels that so many more bytes would buy."""
    return OCTAVE_GAIN * math.log2(1 + more / size)


def _filters(
    looked_at: Sequence[tuple[Place, Yuv]],
    number: int,
    error: int,
    net: Net,
    codec: str,
    shares: Sequence[Sequence[float]],
    *,
    alike: bool,
) -> Iterator[list[Candidate]]:
    """Filters of a plane for more and more classes: first the post-filter alone, by how much of what it adds.

    What they gain is of squared errors or, where the plane is to be `alike`, of structure to first order.
    """
    active_M = torch.cat([place.activity(number).flatten()[::SPARSE] for place, _ in looked_at])
    told = [[step(float(torch.quantile(active_M, share))) for share in own] for own in shares]
    thresholds = [[level(each) for each in own] for own in told]
    # Of each picture only its sums are kept: its taps are some dozens of planes.
    rows = [_sums(place, number, missing[number], net, codec, thresholds, alike=alike) for place, missing in looked_at]
    for steps_told, own in zip(told, zip(*rows, strict=True), strict=True):
        if not steps_told:
            first = [each.first() for each in own]
            yield [_judged(first, PlaneFilter(error, coefficients=steps(_best(first), 0)))]
        best_LK = _best(own)
        finer = (steps(best_LK, fineness) for fineness in range(MOST_FINENESS + 1))
        yield [_judged(own, PlaneFilter(error, bytes(steps_told), n, told_LK)) for n, told_LK in enumerate(finer)]


def _best(own: Sequence[Sums]) -> Tensor:
    """The coefficients that leave least; each picture counts by its decibels, so each is divided by what it misses."""
    return functools.reduce(operator.add, [each.scaled(1 / (_error(each) + LEAST_ERROR)) for each in own]).solved()


def _measured(
    looked_at: Sequence[tuple[Place, Yuv]], planes: Sequence[PlaneFilter], net: Net, codec: str
) -> list[Candidate]:
    """Filters of luma and what they gain by MS-SSIM, in the mean over pictures."""
    rows: list[list[float]] = []
    for place, missing in looked_at:
        seen_HW, truth_HW = place.planes[0], place.planes[0] + missing[0]
        before = _unlike(seen_HW, truth_HW)
        after = (_unlike(filtered_plane(place, 0, plane, net, codec), truth_HW) for plane in planes)
        rows.append([10 * math.log10(before / each) for each in after])
    return [(plane, math.fsum(won) / len(won)) for plane, won in zip(planes, zip(*rows, strict=True), strict=True)]


def _unlike(seen_HW: Tensor, truth_HW: Tensor) -> float:
    return 1 - float(ms_ssim(seen_HW[None, None], truth_HW[None, None], peak=PEAK)) + LEAST_UNLIKE


def _sums(
    place: Place,
    plane: int,
    missing_HW: Tensor,
    net: Net,
    codec: str,
    thresholds: Sequence[Sequence[float]],
    *,
    alike: bool,
) -> list[Sums]:
    """The sums of a picture's plane by each way to part its places, as means over all of them."""
    taps_KHW = torch.cat([net(place, plane, codec)[None], place.all_taps(plane)])
    parted = [(classes(place.activity(plane), own), len(own) + 1) for own in thresholds]
    if alike:
        structure = Structure(taps_KHW, place.planes[plane], missing_HW, back=BACK)
        found = [structure.sums(class_HW, count) for class_HW, count in parted]
    else:
        taps_KM, missing_M = taps_KHW.flatten(1), missing_HW.flatten()
        found = [sums(taps_KM, missing_M, class_HW.flatten(), count) for class_HW, count in parted]
    return [each.scaled(1 / missing_HW.numel()) for each in found]


def _judged(own: Sequence[Sums], plane: PlaneFilter) -> Candidate:
    """A filter and what it gains by its sums, in the mean over pictures."""
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
