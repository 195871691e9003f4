"""Models and what needs no weights, side by side on every task of `bench/tasks.py`: quality, flicker and speed.

On each clip and each way of degrading it, all ways of restoring it take their turn, one after the other in this
process, on one thread: so their speeds are met by the same machine in the same mood.

Shapes: T frames, C channels, H height, W width.
"""

from __future__ import annotations

import time
from collections.abc import Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor, nn

from vidwright import models
from vidwright.bench.baselines import Restore
from vidwright.bench.tasks import Task
from vidwright.core.errors import UsageError
from vidwright.data.index import Shot
from vidwright.metrics.dtssd import DtSsd
from vidwright.nn.threads import one_torch_thread
from vidwright.train.excerpts import judged, truth
from vidwright.vision.threads import one_opencv_thread

#: Clips whose name ends like this are recordings of screens, unlike all others: shown, and left out of some means.
SCREEN = "_screen"

#: Clips that a quick look takes.
FEW_CLIPS = 2


@dataclass(frozen=True, slots=True)
class Score:
    """How one way of doing a task did on one clip, degraded in one way.

    `psnr` is in dB, by the task's metric; `dtssd` the temporal difference error of R'G'B' in [0, 1]. `pixels` were made
    in `seconds` of processor time on one thread.
    """

    task: str
    column: str
    method: str
    clip: str
    psnr: float
    dtssd: float
    pixels: int
    seconds: float


@dataclass(frozen=True, slots=True, eq=False)
class Cell:
    """One clip, degraded in one way: what went in, what came out of each method, and what should have; uint8 TCHW."""

    task: Task
    column: str
    clip: str
    source: Tensor
    target: Tensor
    outputs: Mapping[str, Tensor]
    scores: tuple[Score, ...]


@dataclass(frozen=True, slots=True)
class Entries:
    """Those who do one task: all `methods` by name, which of them are `ours`, and why some are `absent`."""

    task: Task
    methods: Mapping[str, Restore]
    ours: tuple[str, ...]
    absent: Mapping[str, str]


def shipped_models() -> dict[str, nn.Module]:
    """Every shipped set of weights of the task enhance, ready to run on the CPU, by the name that users call it."""
    found: dict[str, nn.Module] = {}
    for name in models.names():
        task, _, short = name.partition("/")
        if task == "enhance":
            for weights in models.card(name).weights:
                found[f"{short}:{weights}"] = models.load(name, weights, kind=nn.Module, device="cpu")
    return found


def named_models(specs: Iterable[str]) -> dict[str, nn.Module]:
    """Models as users call them, `restorer:x2-fast` or a weights file. Raises `ModelRefused`."""
    return {
        spec: models.load(*models.parse("enhance", spec), kind=nn.Module, device="cpu") for spec in dict.fromkeys(specs)
    }


def entries(task: Task, nets: Mapping[str, nn.Module], excerpt: Tensor) -> Entries:
    """Everyone who can do `task`, each warmed up on the first frames of an excerpt; baselines come first."""
    fitting = {name: restore for name, net in nets.items() if (restore := task.restore(net)) is not None}
    source = next(iter(task.columns.values()))(excerpt[: task.fewest])
    absent: dict[str, str] = {}
    for name, restore in task.baselines.items():
        try:
            restore(source)
        except UsageError as error:  # a filter that this FFmpeg lacks
            absent[name] = error.cause
    for restore in fitting.values():
        restore(source)
    baselines = {name: restore for name, restore in task.baselines.items() if name not in absent}
    return Entries(task, {**baselines, **fitting}, tuple(fitting), absent)


def excerpts(task: Task, folder: Path, *, quick: bool = False) -> list[Shot]:
    """The clips that `task` is judged on. Raises `BadInput` when the folder has none that is long enough."""
    shots = [shot for shot in judged(folder, "all", frames=task.frames) if shot.first == 0]
    if task.moving:
        shots = [shot for shot in shots if not shot.file.stem.endswith(SCREEN)] or shots
    return shots[:FEW_CLIPS] if quick else shots


def cells(who: Entries, shots: Sequence[Shot], *, quick: bool = False) -> Generator[Cell]:
    """Every clip in every column, as they are done; on one thread."""
    with one_thread():
        for shot in shots:
            frames = who.task.fewest if quick else who.task.frames
            clip_TCHW = truth(shot, frames=who.task.frames)[:frames]
            for column in who.task.columns:
                yield _cell(who, shot.file.stem, column, clip_TCHW)


@contextmanager
def one_thread() -> Generator[None]:
    """Torch and OpenCV compute on one thread inside."""
    with one_torch_thread(), one_opencv_thread():
        yield


def _cell(who: Entries, clip: str, column: str, clip_TCHW: Tensor) -> Cell:
    task = who.task
    source, target = task.columns[column](clip_TCHW), task.target(clip_TCHW)
    outputs: dict[str, Tensor] = {}
    scores: list[Score] = []
    for name, restore in who.methods.items():
        began = time.process_time()
        output = restore(source)
        seconds = time.process_time() - began
        pixels = len(output) * output.shape[-2] * output.shape[-1]
        score, flicker = task.score(output, target), _flicker(output, target)
        scores.append(Score(task.name, column, name, clip, score, flicker, pixels, seconds))
        outputs[name] = output
    return Cell(task, column, clip, source, target, outputs, tuple(scores))


def _flicker(output_TCHW: Tensor, target_TCHW: Tensor) -> float:
    metric = DtSsd()
    for output, target in zip(output_TCHW.float() / 255, target_TCHW.float() / 255, strict=True):
        metric.update(output, target)
    return metric.result()
