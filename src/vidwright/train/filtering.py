"""What `compress/postfilter` learns, in closed form: the coefficients that leave least of what encoders took.

    clips --encoders, all rates--> decoded --> taps, classes --> sums of each class --> least squares
      '---------------------------- what is missing -------------------'

For fidelity what is missing is taken as it is, for the perceptual goal luma's as `train/structure.py` says. Every copy
counts by its own error, as it does in PSNR. Nothing is drawn but the rates, by the seed.
"""

from __future__ import annotations

import functools
import math
import operator
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import torch
from torch import Tensor

from vidwright.core.errors import BadInput
from vidwright.core.overlap import spread
from vidwright.data.decoded import Copy, coded, copies_of
from vidwright.data.neighbours import RADIUS, Place, Seen, Yuv, difference, in_codes, rms
from vidwright.models.compress.postfilter import CLASSES, RATES, Config, Goal, Net, classes_of, rate_of
from vidwright.nn.least_squares import Sums, sums
from vidwright.train.structure import Structure, lost

#: One of so many frames of a copy is learned from: neighbours hold the same things.
EVERY = 5
#: What is added to a mean squared error, or to what of structure is lost, before others are divided by it, so that
#: lossless copies do not count.
LEAST_ERROR, LEAST_LOST = 0.05, 0.002
PLANES = len(CLASSES)
#: How much the other rates and the other classes count in what each of them learns.
SHARE = 0.01


@torch.inference_mode()
def fit(
    folder: Path,
    *,
    goal: Goal = "fidelity",
    codecs: Sequence[str] = ("av1", "hevc", "h264"),
    copies: int | None = None,
    seed: int = 0,
    threads: int = 1,
    watch: Callable[[int, int], None] = lambda done, of: None,
) -> Net:
    """The filter for a `goal` that `copies` encodings of a folder's clips, all of them if not given, teach.

    `watch` is told how many are done, and of how many. Raises `BadInput` for a folder without clips.
    """
    net = Net(Config(tuple(codecs)))
    chosen = _chosen(folder, net.config, copies, seed)
    found: dict[tuple[int, int, int], Sums] = {}
    learned = spread(functools.partial(_learned, goal=goal), chosen, threads=threads)
    for done, (copy, made) in enumerate(zip(chosen, learned, strict=True), start=1):
        codec = net.config.codecs.index(copy.codec)
        for plane, (rate, own) in enumerate(made):
            key = plane, codec, rate
            found[key] = found[key] + own if key in found else own
        watch(done, len(chosen))
    for plane, codec in {key[:2] for key in found}:
        rates = [found.get((plane, codec, rate)) for rate in range(len(RATES) + 1)]
        every = functools.reduce(operator.add, [own for own in rates if own is not None])
        for rate, own in enumerate(rates):
            whole = every.scaled(SHARE) if own is None else own + every.scaled(SHARE)
            (net.y, net.u, net.v)[plane].data[codec, rate] = whole.pooled(SHARE).solved().float()
    return net


@torch.inference_mode()
def gains(
    net: Net, folder: Path, *, goal: Goal = "fidelity", copies: int | None = None, seed: int = 1
) -> dict[str, float]:
    """What it gains in dB on encodings of a folder's clips: mean over copies, "y.av1" and so on.

    The decibels are of the mean squared error, or of luma's lost structure where that is the `goal`.
    """
    found: dict[str, list[float]] = {}
    for copy in _chosen(folder, net.config, copies, seed):
        for name, before, after in _judged(net, copy, goal):
            found.setdefault(f"{name}.{copy.codec}", []).append(10 * math.log10(before / after))
    return {name: math.fsum(values) / len(values) for name, values in sorted(found.items())}


def _chosen(folder: Path, config: Config, copies: int | None, seed: int) -> list[Copy]:
    found = [copy for copy in copies_of(folder, "all", seed) if copy.codec in config.codecs]
    if not found:
        raise BadInput(folder, "it holds no clip", "name a folder of clips with --data")
    order = torch.randperm(len(found), generator=torch.Generator().manual_seed(seed))
    return [found[int(number)] for number in order[:copies]]


@torch.inference_mode()
def _learned(copy: Copy, goal: Goal) -> list[tuple[int, Sums]]:
    """The rate and the sums of each plane."""
    errors, examples = _examples(copy)
    rows: list[list[Sums]] = []
    unlike: list[float] = []
    for place, missing in examples:
        if goal == "perceptual":
            luma = _structural(place, missing[0])
            unlike.append(lost(place.planes[0] + missing[0], place.planes[0]))
        else:
            luma = _sums(place, 0, missing[0])
        rows.append([luma, *(_sums(place, plane, missing[plane]) for plane in range(1, PLANES))])
    whole = [functools.reduce(operator.add, column) for column in zip(*rows, strict=True)]
    by = [1 / (error**2 + LEAST_ERROR) for error in errors]
    if unlike:
        by[0] = 1 / (math.fsum(unlike) / len(unlike) + LEAST_LOST)
    return [(rate_of(errors[0]), own.scaled(each)) for own, each in zip(whole, by, strict=True)]


def _sums(place: Place, plane: int, missing_HW: Tensor) -> Sums:
    class_M = classes_of(place, plane).flatten()
    return sums(place.all_taps(plane).flatten(1), missing_HW.flatten(), class_M, CLASSES[plane])


def _structural(place: Place, missing_HW: Tensor) -> Sums:
    structure = Structure(place.all_taps(0), place.planes[0], missing_HW)
    return structure.sums(classes_of(place, 0), CLASSES[0])


def _judged(net: Net, copy: Copy, goal: Goal) -> Iterator[tuple[str, float, float]]:
    """Of each plane its name, and what the goal counts before and after."""
    _, examples = _examples(copy)
    before, after = [0.0] * PLANES, [0.0] * PLANES
    for place, missing in examples:
        for plane in range(PLANES):
            residual_HW = net(place, plane, copy.codec)
            if plane == 0 and goal == "perceptual":
                seen_HW = place.planes[0]
                truth_HW = seen_HW + missing[0]
                before[0] += lost(truth_HW, seen_HW) + LEAST_LOST
                after[0] += lost(truth_HW, seen_HW + residual_HW) + LEAST_LOST
            else:
                before[plane] += float(missing[plane].square().mean()) + LEAST_ERROR
                after[plane] += float((missing[plane] - residual_HW).square().mean()) + LEAST_ERROR
    yield from zip("yuv", before, after, strict=True)


def _examples(copy: Copy) -> tuple[list[float], Iterator[tuple[Place, Yuv]]]:
    """The RMS errors of a copy's planes, and some of its pictures with what is missing of them."""
    truth, seen = ([in_codes(planes) for planes in side] for side in coded(copy))
    missing = [difference(a, b) for a, b in zip(truth, seen, strict=True)]
    errors = rms(missing)
    return errors, _placed(seen, missing, errors)


def _placed(seen: Sequence[Yuv], missing: Sequence[Yuv], errors: Sequence[float]) -> Iterator[tuple[Place, Yuv]]:
    last = len(seen) - 1
    for middle in range(min(EVERY // 2, last), len(seen), EVERY):
        window: list[Seen] = []
        for number in range(max(middle - RADIUS, 0), min(middle + RADIUS, last) + 1):
            window.append(Seen(seen[number], window[-1] if window else None))
        window = [window[0]] * (middle == 0) + window + [window[-1]] * (middle == last)
        yield Place(window, errors), missing[middle]
