"""What the scores of `bench edit` come to: means, gains and the worst clip, as data and as text."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import fmean
from typing import Any

from vidwright.bench.colours import Coloured
from vidwright.bench.edit import Score
from vidwright.bench.enhance import SCREEN
from vidwright.bench.enhance_table import aligned, decibels, finite
from vidwright.bench.fillers import FILLERS
from vidwright.bench.natural import Clip
from vidwright.bench.tracks import Tracked

#: The way over which gains are told.
BASELINE = next(iter(FILLERS))
#: Means over clips: all that count, and by how the camera moves.
GROUPS = ("all", "panning", "near-static")


@dataclass(frozen=True, slots=True)
class Row:
    """One way of filling one kind of hole, over the clips that count.

    `psnr` and `gain` over Telea are means in dB by group, `revealed` and `never` those of such pixels over the clips
    that have any, each with its gain; None where there are none. `worst` is the least gain, of `worst_clip`.
    `warping` is the mean warping error over the truth's own. `seconds` of processor time and `wall` are per frame.
    """

    kind: str
    method: str
    psnr: Mapping[str, float | None]
    gain: Mapping[str, float | None]
    revealed: float | None
    revealed_gain: float | None
    never: float | None
    never_gain: float | None
    ssim: float | None
    warping: float | None
    worst: float
    worst_clip: str
    seconds: float
    wall: float


@dataclass(frozen=True, slots=True)
class Found:
    """All that `bench edit` measured."""

    clips: Sequence[Clip]
    scores: list[Score]
    tracked: list[Tracked]
    coloured: list[Coloured]


def rows(scores: Sequence[Score]) -> list[Row]:
    """The means of all scores; recordings of screens are left out unless there is nothing else."""
    counting = [score for score in scores if not score.clip.endswith(SCREEN)] or scores
    return [
        _row([s for s in counting if s.kind == kind and s.method == method], _baseline(counting, kind))
        for kind in dict.fromkeys(s.kind for s in counting)
        for method in dict.fromkeys(s.method for s in counting)
    ]


def as_json(found: Found, machine: Mapping[str, Any]) -> dict[str, Any]:
    """Everything that was measured as plain data; what is infinite, of equal pictures, is null."""
    return {
        "schema": 1,
        "machine": dict(machine),
        "clips": [
            {"clip": each.name, "motion": each.motion, "speed": each.speed, "frames": len(each.frames)}
            for each in found.clips
        ],
        "rows": [finite(asdict(row)) for row in rows(found.scores)],
        "scores": [finite(asdict(score)) for score in found.scores],
        "tracking": [asdict(each) for each in found.tracked],
        "colour": [finite(asdict(each)) for each in found.coloured],
    }


def text(found: Found) -> str:
    """All tables for the terminal."""
    parts: list[list[str]] = [["clips, and how far the camera moves a frame in pictures of 240 lines:"]]
    parts[0] += aligned([[each.name, each.motion, f"{each.speed:.2f} px"] for each in found.clips], words=2)
    every = rows(found.scores)
    for kind in dict.fromkeys(row.kind for row in every):
        title = (
            f"hole: {kind}; PSNR inside in dB and gain over {BASELINE}, warping error over the truth's, CPU-s a frame"
        )
        parts.append([title, *aligned(_summary([row for row in every if row.kind == kind]))])
        parts.append(["each clip:", *aligned(_per_clip([s for s in found.scores if s.kind == kind]))])
    parts.append([f"note: {note}" for note in notes(found.scores)])
    if found.tracked:
        parts.append(["tracking a pasted object, mean IoU:", *aligned(_tracking(found.tracked), words=2)])
    if found.coloured:
        parts.append(["colour from one key frame, chroma PSNR in dB:", *aligned(_colour(found.coloured), words=2)])
    return "\n\n".join("\n".join(part) for part in parts if part)


def notes(scores: Iterable[Score]) -> list[str]:
    """Ways that changed what was not hidden."""
    return [f"{s.method} changed {s.touched} pixels outside of {s.kind} in {s.clip}" for s in scores if s.touched]


def _baseline(scores: Iterable[Score], kind: str) -> dict[str, Score]:
    return {score.clip: score for score in scores if score.kind == kind and score.method == BASELINE}


def _row(scores: Sequence[Score], baseline: Mapping[str, Score]) -> Row:
    gains = {score.clip: _above(score.psnr, baseline[score.clip].psnr) for score in scores}

    def part(of: Callable[[Score], float | None]) -> tuple[float | None, float | None]:
        both = [(value, of(baseline[s.clip])) for s in scores if (value := of(s)) is not None]
        found = [(value, other) for value, other in both if other is not None]
        return _mean(value for value, _ in found), _mean(_above(value, other) for value, other in found)

    groups = {name: [s for s in scores if name in ("all", s.motion)] for name in GROUPS}
    (revealed, revealed_gain), (never, never_gain) = part(lambda s: s.revealed), part(lambda s: s.never)
    worst = min(gains, key=lambda clip: gains[clip])
    return Row(
        kind=scores[0].kind,
        method=scores[0].method,
        psnr={name: _mean(s.psnr for s in group) for name, group in groups.items()},
        gain={name: _mean(gains[s.clip] for s in group) for name, group in groups.items()},
        revealed=revealed,
        revealed_gain=revealed_gain,
        never=never,
        never_gain=never_gain,
        ssim=_mean(s.ssim for s in scores if s.ssim is not None),
        warping=_mean(s.warping / s.truth for s in scores if s.warping is not None and s.truth),
        worst=gains[worst],
        worst_clip=worst,
        seconds=fmean(s.seconds for s in scores),
        wall=fmean(s.wall for s in scores),
    )


def _above(one: float, other: float) -> float:
    """dB; nothing between two that are both perfect."""
    return 0.0 if one == other else one - other


def _mean(values: Iterable[float]) -> float | None:
    found = list(values)
    return fmean(found) if found else None


def _summary(found: Sequence[Row]) -> list[list[str]]:
    table = [["", *GROUPS, "revealed", "never", "SSIM", "warping", "worst clip", "CPU", "wall"]]
    for row in found:
        cells = [_gained(row.psnr[name], row.gain[name]) for name in GROUPS]
        cells += [_gained(row.revealed, row.revealed_gain), _gained(row.never, row.never_gain)]
        cells += ["" if row.ssim is None else f"{row.ssim:.3f}", "" if row.warping is None else f"{row.warping:.2f}x"]
        cells += ["" if row.method == BASELINE else f"{row.worst:+.2f} {row.worst_clip}"]
        table.append([row.method, *cells, f"{row.seconds:.3f}", f"{row.wall:.3f}"])
    return table


def _gained(value: float | None, gain: float | None) -> str:
    return "" if value is None or gain is None else f"{decibels(value)} {gain:+.2f}"


def _per_clip(scores: Sequence[Score]) -> list[list[str]]:
    clips = list(dict.fromkeys(score.clip for score in scores))
    found = {(score.method, score.clip): decibels(score.psnr) for score in scores}
    methods = dict.fromkeys(score.method for score in scores)
    return [["", *clips], *([method, *(found[method, clip] for clip in clips)] for method in methods)]


def _tracking(found: Sequence[Tracked]) -> list[list[str]]:
    means = fmean(each.box for each in found), fmean(each.corrected for each in found)
    table = [["", "", "from one box", "and one key mask"]]
    table += [[each.clip, each.motion, f"{each.box:.3f}", f"{each.corrected:.3f}"] for each in found]
    return [*table, ["mean", "", *(f"{value:.3f}" for value in means)]]


def _colour(found: Sequence[Coloured]) -> list[list[str]]:
    counting = [each for each in found if not each.clip.endswith(SCREEN)] or found
    table = [["", "", "grey", "ours", "gain", "CPU-s a frame"]]
    for each in found:
        table.append([each.clip, each.motion, decibels(each.grey), decibels(each.ours)])
        table[-1] += [f"{_above(each.ours, each.grey):+.2f}", f"{each.seconds:.3f}"]
    means = fmean(each.grey for each in counting), fmean(each.ours for each in counting)
    gain, seconds = fmean(_above(each.ours, each.grey) for each in counting), fmean(each.seconds for each in counting)
    return [*table, ["mean", "", *map(decibels, means), f"{gain:+.2f}", f"{seconds:.3f}"]]
