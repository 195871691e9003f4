"""`bench enhance` from a folder of clips to tables and pieces of pictures, task by task."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import nn

from vidwright import models
from vidwright.bench.crops import Crop, crop
from vidwright.bench.enhance import Entries, Score, cells, entries, excerpts
from vidwright.bench.enhance_table import TaskTable, task_table
from vidwright.bench.tasks import Task, tasks
from vidwright.bench.whole import FRAMES, ROUNDS, whole_fps
from vidwright.core.errors import UsageError, did_you_mean
from vidwright.data.index import Shot
from vidwright.train.environment import environment
from vidwright.train.excerpts import FIRST, truth


@dataclass(frozen=True, slots=True)
class Section:
    """A task's table, and pieces of its pictures from the first way of degrading and from the last."""

    table: TaskTable
    crops: Sequence[Crop]


def chosen(names: Sequence[str]) -> list[Task]:
    """Tasks by name, all of them for none. Raises `UsageError` for one that does not exist."""
    known = tasks()
    for name in names:
        if name not in known:
            raise UsageError(f"--task {name}", "there is no such task", did_you_mean(name, known))
    return [known[name] for name in names or known]


def sections(
    folder: Path,
    which: Iterable[Task],
    nets: Mapping[str, nn.Module],
    *,
    quick: bool = False,
    watch: Callable[[str], None] = lambda line: None,
) -> Iterator[Section]:
    """Each task on the clips of `folder`, as they are done; `quick` is a few frames of two clips.

    `watch` is told of each clip. Raises `BadInput` for a folder without clips that are long enough.
    """
    for task in which:
        shots = excerpts(task, folder, quick=quick)
        who = entries(task, nets, truth(shots[0], frames=task.frames))
        scores: list[Score] = []
        crops: list[Crop] = []
        first, *_, last = (*task.columns, *task.columns)
        for cell in cells(who, shots, quick=quick):
            watch(f"{task.name}: {cell.clip}, {cell.column}")
            scores += cell.scores
            crops += [crop(cell, who.ours)] if cell.column in (first, last) else []
        frames = task.fewest if quick else task.frames
        whole = dict(_whole(who, shots[0], quick=quick, watch=watch))
        yield Section(task_table(task, scores, who.ours, frames=frames, absent=who.absent, whole=whole), crops)


def _whole(who: Entries, shot: Shot, *, quick: bool, watch: Callable[[str], None]) -> Iterator[tuple[str, float]]:
    """Frames per second from file to file of all that are models, over the first clip degraded in the first way."""
    task, most = who.task, shot.frames - FIRST
    frames = task.fewest if quick else max(task.frames, min(FRAMES, most - most % 2))
    film = next(iter(task.columns.values()))(truth(shot, frames=frames))
    for name in who.methods:
        if name in who.ours or f"enhance/{name}" in models.names():
            watch(f"{task.name}: {name}, from file to file")
            yield name, whole_fps(film, task.job(name), rounds=1 if quick else ROUNDS)


def as_json(found: Iterable[Section], machine: Mapping[str, Any]) -> dict[str, Any]:
    """Everything that was measured as plain data."""
    return {"schema": 1, "machine": dict(machine), "tasks": [section.table.as_json() for section in found]}


def machine() -> dict[str, Any]:
    """What the figures were measured on, and when; `threads` is what each figure was measured with."""
    return {"date": datetime.datetime.now(datetime.UTC).date().isoformat(), **environment(), "threads": 1}
