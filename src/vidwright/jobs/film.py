"""A film of shots, each of which has been encoded at some CRFs, and the ways to choose one of each."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

from vidwright.core import Report
from vidwright.core.errors import JobFailed
from vidwright.io.attachments import Attachment
from vidwright.io.codecs import EncoderSettings
from vidwright.io.join import SegmentPart, join
from vidwright.io.probe import MediaInfo
from vidwright.jobs.folder import JobFolder, Plan
from vidwright.jobs.job import Event, Watch
from vidwright.jobs.rate import Curve, Grid, Point, best_fit, for_quality, for_size
from vidwright.jobs.segments import Segment
from vidwright.jobs.targets import Quality
from vidwright.jobs.trials import Trials
from vidwright.metrics.quality import MEASURES

#: The most pieces of the film that are encoded first, and the seconds of all of them, to learn how its bytes and
#: quality fall with the CRF.
SAMPLES, SAMPLE_SECONDS = 4, Fraction(4)
#: Where on the scale they are at first, how often they close in on what is wanted, and how near is enough, in octaves
#: of the quantiser's step.
SAMPLED, CLOSER, CLOSE = (0.06, 0.3, 0.9), 2, 0.015
#: Passes over the film that a size may take, and the part of it that is near enough.
PASSES, NEAR = 3, 0.98
#: The part of a size that is left free, so that an encoding which turns out a little larger than expected still fits;
#: and how much more it is for each one that did not.
FREE, WARIER = 0.01, 1.3
#: Steps of the CRF for a size: at the ends of its scale the usual ones are 2 to 5 % of the bytes of AV1.
FINE = 0.01
#: Encodings of a shot that a quality may take.
ROUNDS = 12


@dataclass(frozen=True, slots=True)
class Film:
    """What is known of a film; used inside `open_folder`. `span` in seconds is the part that is worked on."""

    media: MediaInfo
    settings: EncoderSettings
    plan: Plan
    folder: JobFolder
    trials: Trials
    samples: tuple[Segment, ...]
    grid: Grid
    span: tuple[Fraction, Fraction | None]
    suffix: str

    def joined(self, chosen: Mapping[int, float], watch: Watch, attachments: Sequence[Attachment] = ()) -> Report:
        """The file of these encodings of shots (or samples) with all that is carried along, and `attachments`.

        It is in the job's folder.
        """
        watch(Event("join", self.plan.frames, self.plan.frames))
        begin, end = self.span
        parts = [
            SegmentPart(self.trials.file(each.number, chosen[each.number]), each.begin - begin)
            for each in {each.number: each for each in (*self.plan.segments, *self.samples)}.values()
            if each.number in chosen
        ]
        streams = replace(self.media.streams, start=begin, stop=end)
        path = self.folder.path / f"joined{self.suffix}"
        return join(
            parts, streams, path, info=self.media.info, settings=self.settings, overwrite=True, attachments=attachments
        )

    def tried(self) -> dict[int, list[Point]]:
        """What was found of each shot."""
        return {segment.number: self.trials.points(segment.number) for segment in self.plan.segments}

    def points(self, chosen: Mapping[int, float]) -> dict[int, Point]:
        """What was found of each shot at the CRF chosen for it."""
        return {number: self.trials.point(number, crf) for number, crf in chosen.items()}

    def below(self, chosen: Mapping[int, float], least: float) -> list[int]:
        """The shots that are worse than `least`."""
        return [number for number, point in self.points(chosen).items() if point.quality < least]

    def worst(self, chosen: Mapping[int, float]) -> float:
        """The quality of the worst shot."""
        return min(point.quality for point in self.points(chosen).values())

    def sample(self, crf: float) -> dict[int, float]:
        """Encode the samples at this CRF, or the nearest there is, if they are not yet; their CRFs."""
        crfs = dict.fromkeys((sample.number for sample in self.samples), self.grid.near(crf))
        self.trials.make(crfs)
        return crfs

    def shape(self, aim: Callable[[Curve], float]) -> Curve:
        """How bytes and quality of the film should fall, by its samples: most exactly at the CRF that `aim` finds."""
        for part in SAMPLED:
            self.sample(part * self.grid.most)
        for _ in range(CLOSER):
            curve, known = self._curve()
            crf = self.grid.near(aim(curve))
            if min(abs(self.grid.octaves(crf) - self.grid.octaves(each)) for each in known) < CLOSE:
                return curve
            self.sample(crf)
        return self._curve()[0]

    def _curve(self) -> tuple[Curve, set[float]]:
        """What the samples say of the film, a key frame for each shot and the rest, and at which CRFs they do."""
        rows = [{point.crf: point for point in self.trials.points(sample.number)} for sample in self.samples]
        known = set(rows[0]).intersection(*rows)  # one that is a whole shot may have more
        shots = len(self.plan.segments)
        more = (self.plan.frames - shots) / max(sum(sample.frames - 1 for sample in self.samples), 1)
        points: list[Point] = []
        for crf in sorted(known):
            same = [row[crf] for row in rows]
            key, rest = sum(point.key for point in same), sum(point.bytes - point.key for point in same)
            quality = math.fsum(point.quality for point in same) / len(same)
            points.append(Point(crf, round(key * shots / len(same) + rest * more), quality))
        return Curve(points, self.grid), known


def samples(plan: Plan, rate: Fraction) -> tuple[Segment, ...]:
    """The beginnings of shots spread over the film, numbered from -1 down; short shots whole, which they then are."""
    count = min(SAMPLES, len(plan.segments))
    chosen = [plan.segments[(2 * k + 1) * len(plan.segments) // (2 * count)] for k in range(count)]
    length = max(round(SAMPLE_SECONDS / count * rate), 2)
    return tuple(
        each if each.frames <= length else replace(each, number=-1 - k, stop=each.start + length, frames=length)
        for k, each in enumerate(chosen)
    )


def constant(film: Film, crf: float | None) -> dict[int, float]:
    """One CRF for all shots, the codec's own if none is given."""
    usual = film.settings.row.crf
    chosen = dict.fromkeys(film.tried(), float(usual or 0) if crf is None else crf)
    film.trials.make(chosen)
    return chosen


def reaching(film: Film, quality: Quality, higher: float = 0.0) -> dict[int, float]:
    """The largest CRF of each shot that has the quality, `higher` by so much; the best one where none has."""
    least, near = quality.least + higher, MEASURES[quality.name].step
    shape = film.shape(lambda curve: curve.crf_of_quality(least))
    for _ in range(ROUNDS):
        tried = film.tried()
        found = {n: for_quality(points, least, film.grid, near=near, curve=shape) for n, points in tried.items()}
        wanted = {number: crf for number, crf in found.items() if crf is not None}
        if not wanted:
            break
        film.trials.make(wanted)
    chosen: dict[int, float] = {}
    for number, points in film.tried().items():
        good = [point.crf for point in points if point.quality >= least]
        chosen[number] = max(good) if good else max(points, key=lambda point: point.quality).crf
    return chosen


def fitting(film: Film, size: int, watch: Watch) -> tuple[dict[int, float], Report]:
    """CRFs of all shots whose file is as large as `size` allows, and that file. Raises `JobFailed` if none is."""
    first = film.sample(SAMPLED[0] * film.grid.most)
    expected = max((1 - FREE) * (size - _room(film, first, watch)), 1)
    shape = film.shape(lambda curve: curve.crf_of_octaves(math.log2(expected)))
    passes = PASSES
    if not all(film.tried().values()):
        crf = film.grid.near(shape.crf_of_octaves(math.log2(expected)))
        film.trials.make(dict.fromkeys(film.tried(), crf))
        passes -= 1
    # What is left for the picture's packets: tracks and index do not depend on them.
    budget = size - _room(film, {number: points[0].crf for number, points in film.tried().items()}, watch)
    while True:
        found = _approach(film, budget, shape, passes) if budget > 0 else None
        if found is None:
            found = _smallest(film)
            smallest = sum(point.bytes for point in found.values()) + size - budget
            if smallest > size:
                cause = f"even at the lowest quality it takes {smallest} bytes"
                step = f"ask for {-(-smallest // 1000)}kB, or make the picture smaller first"
                raise JobFailed(film.folder.path.with_suffix(""), cause, step)
        chosen = {number: point.crf for number, point in found.items()}
        made = film.joined(chosen, watch)
        if made.bytes <= size:
            return chosen, made
        budget, passes = budget - (made.bytes - size), 0


def _room(film: Film, crfs: Mapping[int, float], watch: Watch) -> int:
    """The bytes of a file of these shots, or samples, that are not the picture's packets."""
    return film.joined(crfs, watch).bytes - sum(film.trials.point(*each).bytes for each in crfs.items())


def _approach(film: Film, budget: int, shape: Curve, passes: int) -> dict[int, Point] | None:
    """Try shots at further CRFs until what was tried fills the budget, or the passes are used up and something fits.

    The best of what was tried; None if even the largest CRFs do not fit.
    """
    free, grid = FREE, replace(film.grid, step=FINE)
    for made in itertools.count():
        tried = film.tried()
        found = best_fit(tried, budget)
        if found is not None and (made >= passes or sum(point.bytes for point in found.values()) >= NEAR * budget):
            return found
        for part in (1 - free, 1.0):  # where the grid is too coarse for the one, the other may just fit
            chosen = for_size(tried, part * budget, grid, shape=shape)
            wanted = {n: crf for n, crf in chosen.items() if crf not in [point.crf for point in tried[n]]}
            if wanted:
                film.trials.make(wanted)
                break
        else:
            return found
        if found is None:
            free *= WARIER


def _smallest(film: Film) -> dict[int, Point]:
    film.trials.make(dict.fromkeys(film.tried(), film.grid.most))
    return {number: min(points, key=lambda point: point.bytes) for number, points in film.tried().items()}
