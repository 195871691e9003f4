"""What the scores of `bench enhance` come to: means, ratios and what fell short, as data and as text."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from vidwright.bench.baselines import unchanged
from vidwright.bench.enhance import SCREEN, Score
from vidwright.bench.peers import SOURCE, Peer, peers
from vidwright.bench.tasks import Task
from vidwright.train.excerpts import HEIGHT, WIDTH


@dataclass(frozen=True, slots=True)
class Row:
    """One way of doing a task, over all clips.

    `means` are dB per column, `grid` their mean over the task's grid, `natural` the first without recorded screens;
    None where there is no such mean. `gain` is dB over the task's baseline in the first column. `fps` is frames of
    480x272 per second of processor time on one thread (other sizes by their area), over all clips and columns, and
    `speed` its ratio to the baseline's; the input itself takes no time and has neither. `flicker` is the temporal
    difference error over that of the task's `steady` row. `whole` is frames per second from file to file on all cores,
    where that was measured.
    """

    task: str
    method: str
    ours: bool
    means: Mapping[str, float]
    grid: float | None
    natural: float | None
    gain: float
    fps: float | None
    speed: float | None
    flicker: float
    whole: float | None = None


@dataclass(frozen=True, slots=True)
class Shortfall:
    """One clip in one column on which one of ours is `missing` dB below the task's floor."""

    method: str
    column: str
    clip: str
    missing: float


@dataclass(frozen=True, slots=True)
class TaskTable:
    """All that is to be said of one task."""

    task: Task
    clips: tuple[str, ...]
    frames: int
    rows: tuple[Row, ...]
    scores: tuple[Score, ...]
    below: tuple[Shortfall, ...]
    cells: int
    absent: Mapping[str, str] = field(default_factory=dict[str, str])

    @property
    def peers(self) -> tuple[Peer, ...]:
        return peers(self.task.name, self.clips)

    def as_json(self) -> dict[str, Any]:
        """Plain data; a PSNR of equal pictures, which is infinite, is null."""
        task = self.task
        return {
            "task": task.name,
            "metric": task.metric,
            "baseline": task.baseline,
            "floor": task.floor,
            "steady": task.steady,
            "clips": list(self.clips),
            "rows": [finite(asdict(row)) for row in self.rows],
            "scores": [finite(asdict(score)) for score in self.scores],
            "below_floor": {"of": self.cells, "cells": [asdict(each) for each in self.below]},
            "absent": dict(self.absent),
            "peers": {"source": SOURCE, "rows": [asdict(peer) for peer in self.peers]},
        }


def task_table(
    task: Task,
    scores: Sequence[Score],
    ours: Collection[str],
    *,
    frames: int,
    absent: Mapping[str, str],
    whole: Mapping[str, float],
) -> TaskTable:
    """The table of one task from all its scores; `whole` are speeds from file to file by method."""
    clips = tuple(dict.fromkeys(score.clip for score in scores))
    by_method: dict[str, list[Score]] = {}
    for score in scores:
        by_method.setdefault(score.method, []).append(score)
    rows = [_row(task, by_method, name, name in ours, whole.get(name)) for name in by_method]
    floors = {(score.column, score.clip): score.psnr for score in by_method[task.floor]}
    below = tuple(
        Shortfall(score.method, score.column, score.clip, floors[score.column, score.clip] - score.psnr)
        for score in scores
        if score.method in ours and score.psnr < floors[score.column, score.clip]
    )
    cells = sum(score.method in ours for score in scores)
    return TaskTable(task, clips, frames, tuple(rows), tuple(scores), below, cells, absent)


def _row(task: Task, by_method: Mapping[str, list[Score]], name: str, ours: bool, whole: float | None) -> Row:
    scores = by_method[name]
    first = next(iter(task.columns))
    means = {column: _mean(s.psnr for s in scores if s.column == column) for column in task.columns}
    natural = [s.psnr for s in scores if s.column == first and not s.clip.endswith(SCREEN)]
    baseline = by_method[task.baseline]
    fps, pace = _fps(task, scores), _fps(task, baseline)
    return Row(
        task=task.name,
        method=name,
        ours=ours,
        means=means,
        grid=_mean(means[column] for column in task.grid) if task.grid else None,
        natural=_mean(natural) if 0 < len(natural) < len(scores) // len(task.columns) else None,
        gain=means[first] - _mean(s.psnr for s in baseline if s.column == first),
        fps=fps,
        speed=None if fps is None or pace is None else fps / pace,
        flicker=_ratio(_mean(s.dtssd for s in scores), _mean(s.dtssd for s in by_method[task.steady])),
        whole=whole,
    )


def _fps(task: Task, scores: Sequence[Score]) -> float | None:
    if task.baselines.get(scores[0].method) is unchanged:
        return None
    return sum(s.pixels for s in scores) / (WIDTH * HEIGHT) / sum(s.seconds for s in scores)


def _mean(values: Iterable[float]) -> float:
    values = list(values)
    return math.fsum(values) / len(values)


def _ratio(one: float, other: float) -> float:
    """Of two errors, of which the second may be 0 on footage that stands still."""
    return one / other if other > 0 else 1.0 if one == 0 else math.inf


def finite(values: dict[str, Any]) -> dict[str, Any]:
    """The same with null for what is infinite, which JSON has no word for."""
    return {
        name: finite(value) if isinstance(value, dict) else None if value in (math.inf, -math.inf) else value
        for name, value in values.items()
    }


Cells = list[list[str]]


def summary(table: TaskTable) -> Cells:
    """The rows of a task as words, below a row of headings: methods of this run, without the peers."""
    task = table.task
    known = {
        "grid mean": any(row.grid is not None for row in table.rows),
        "natural": any(row.natural is not None for row in table.rows),
        "file to file": any(row.whole is not None for row in table.rows),
    }
    heads = ["", *task.columns, *(name for name in ("grid mean", "natural") if known[name])]
    heads += ["gain", "fps", "speed", "flicker", *(["file to file"] if known["file to file"] else [])]
    rows = [heads]
    for row in table.rows:
        cells = [row.method, *(decibels(value) for value in row.means.values())]
        cells += [decibels(row.grid)] if known["grid mean"] else []
        cells += [decibels(row.natural)] if known["natural"] else []
        cells += ["" if row.method == task.baseline else f"{row.gain:+.2f}", speed(row.fps), times(row.speed)]
        cells += [times(row.flicker), *([speed(row.whole)] if known["file to file"] else [])]
        rows.append(cells)
    return rows


def per_clip(table: TaskTable) -> Cells:
    """dB of every method in every column on every clip, below a row of headings."""
    found = {(score.column, score.method, score.clip): score.psnr for score in table.scores}
    rows = [["degraded by", "", *table.clips]]
    for column in table.task.columns:
        for row in table.rows:
            values = [decibels(found[column, row.method, clip]) for clip in table.clips]
            rows.append([column, row.method, *values])
    return rows


def elsewhere(table: TaskTable) -> Cells:
    """The peers as words, below a row of headings; [] when they were measured on other clips."""
    rows = [[peer.name, decibels(peer.psnr), decibels(peer.natural), speed(peer.fps)] for peer in table.peers]
    return [["", next(iter(table.task.columns)), "natural", "fps"], *rows] if rows else []


def notes(table: TaskTable) -> list[str]:
    """What is to be known beside the figures: rows that could not be had, and where ours fall below the floor."""
    said = [f"{name} is missing: {why}" for name, why in table.absent.items()]
    ours = [row.method for row in table.rows if row.ours]
    for method in ours:
        below = [each for each in table.below if each.method == method]
        named = "".join(f"; {each.clip}, {each.column}: -{each.missing:.2f} dB" for each in below)
        of = table.cells // len(ours)
        said.append(f"cells of {method} below {table.task.floor}: {len(below)} of {of}{named}")
    return said


def text(table: TaskTable) -> str:
    """A task for the terminal."""
    task, clips = table.task, table.clips
    lines = [f"{task.name}: {title(table)}", legend(table), "", *aligned(summary(table))]
    lines += [f"note: {note}" for note in notes(table)]
    if others := elsewhere(table):
        lines += ["", f"{SOURCE}:", *aligned(others)]
    if len(clips) > 1:
        lines += ["", f"{task.metric}, each clip:", *aligned(per_clip(table), words=2)]
    return "\n".join(lines)


def title(table: TaskTable) -> str:
    """What the figures of a task are."""
    clips = f"{len(table.clips)} clip{'s' if len(table.clips) > 1 else ''}"
    return f"{table.task.metric} in dB, {clips} of {table.frames} frames"


def legend(table: TaskTable) -> str:
    """What its ratios are to."""
    baseline, steady = table.task.baseline, table.task.steady
    if baseline == steady:
        return f"gain, speed and flicker over {baseline}"
    return f"gain and speed over {baseline}, flicker over {steady}"


def decibels(value: float | None) -> str:
    """Two decimals; empty for what was not measured."""
    return "" if value is None else "∞" if math.isinf(value) else f"{value:.2f}"


def speed(value: float | None) -> str:
    """Three digits of a rate; empty for what was not measured."""
    if value is None:
        return ""
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def times(value: float | None) -> str:
    """A ratio; empty for what was not measured."""
    return "" if value is None else "∞" if math.isinf(value) else f"{value:.2f}x"


def aligned(rows: Cells, *, words: int = 1) -> list[str]:
    """Lines of columns, of which the first so many are words and the others figures."""
    widths = [max(len(row[place]) for row in rows) for place in range(len(rows[0]))]
    lines = (
        "  ".join(
            cell.ljust(width) if place < words else cell.rjust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    )
    return [line.rstrip() for line in lines]
