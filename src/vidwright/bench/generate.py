"""What generated digits are worth: whether they can be read, how they move, what continuations and gaps become.

Beside every figure of ours stands that of real clips, and of what needs no network. Each is measured with several seeds
and stands with its spread, because a few hundred clips are a small sample.

Shapes: N clips, T frames, C = 1 channel, H height, W width, D = 1 digit, K classes; clips are in [0, 1].
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from vidwright.bench.unet_diffusion import sampled, trained
from vidwright.data.loader import batches
from vidwright.data.moving_mnist import SMALL, MovingMnist, test_set
from vidwright.metrics.fvd import fvd, kvd
from vidwright.metrics.legibility import legibility
from vidwright.metrics.paths import bouncing, centres, distances, paths, straight_on
from vidwright.metrics.variety import best_of, nearest, pairwise
from vidwright.models.generate.flow import Mode, Net, Told
from vidwright.train.recipes.flow import ALONE, Digits

#: Clips of the training set among which the nearest to a sample is looked for.
KNOWN = 2000
#: Tries of which the best continuation counts.
TRIES = 4
#: Samples that are drawn side by side.
TOGETHER = 64

SIZE = (SMALL["size"], SMALL["size"])


@dataclass(frozen=True, slots=True)
class Figure:
    """One measure of one `way`, once for each seed; `better` is "higher", "lower" or "" where nearer to real is."""

    task: str
    measure: str
    way: str
    values: tuple[float, ...]
    better: str = ""

    @property
    def mean(self) -> float:
        return statistics.fmean(self.values)

    @property
    def spread(self) -> float:
        """The standard deviation over seeds; 0 of a single one."""
        return statistics.stdev(self.values) if len(self.values) > 1 else 0.0


@dataclass(frozen=True, slots=True)
class Clips:
    """Real clips to measure on: `truth` (N, T, 1, H, W) with `labels` (N,), and `known` ones of the training set."""

    truth: Tensor
    labels: Tensor
    known: Tensor


def real_clips(folder: Path, count: int, frames: int = 8) -> Clips:
    """The first clips of the fixed test set, and of training. Raises `BadInput` for a folder without MNIST's files."""
    test, train = test_set(folder, **SMALL, frames=frames), MovingMnist(folder, "train", **SMALL, frames=frames)
    made = [test.sample(0, k) for k in range(count)]
    known = torch.stack([train.sample(0, k)["clip"] for k in range(KNOWN)])
    truth = torch.stack([each["clip"] for each in made])
    return Clips(truth.float() / 255, torch.stack([each["labels"][0] for each in made]), known.float() / 255)


def figures(
    net: Net, reader: nn.Module, real: Clips, *, seeds: int, joint: bool = True, i3d: Path | None = None
) -> Iterator[Figure]:
    """All figures, as they are measured; `reader` names the digit of clips of any length.

    With `joint` some classes are also drawn in windows at once, which takes longer; with the weights of I3D sets of
    clips are compared by what it sees. Raises `ModelRefused` for weights that are not of it.
    """
    yield from _from_classes(net, reader, real, seeds, joint, i3d)
    yield from _continuations(net, reader, real, seeds)
    yield from _between(net, reader, real, seeds)


def rival(
    reader: nn.Module, real: Clips, folder: Path, *, minutes: float, seeds: int, device: torch.device
) -> Iterator[Figure]:
    """The same of classes for a U-Net diffusion, after so many minutes of a CPU's time on the same data.

    On an accelerator it learns from as many clips as in that time on the CPU, and its sampling is not timed.
    """
    frames = real.truth.shape[1]
    samples = MovingMnist(folder, "train", **SMALL, frames=frames)
    made = trained(samples, 60 * minutes, device=device)
    way = f"U-Net, {made.seconds / 60:.0f} CPU-min"
    yield Figure("training", "clips per CPU-second", way, (made.clips / made.seconds,), "higher")
    labels = torch.arange(len(real.truth)) % made.net.shape.classes
    began = time.process_time()
    clips: list[Tensor] = []
    for seed in range(seeds):
        numbers = range(seed * len(labels), (seed + 1) * len(labels))
        parts = zip(labels.split(TOGETHER), torch.tensor(numbers).split(TOGETHER), strict=True)
        drawn = [sampled(made.net, part, frames, SIZE[0], own.tolist()) for part, own in parts]
        clips.append(torch.cat(drawn))
    seconds = time.process_time() - began
    yield from _read("from a class", way, clips, reader, labels, real)
    if device.type == "cpu":
        yield Figure("from a class", "clips per CPU-second", way, (seeds * len(labels) / seconds,), "higher")


def pace(net: Net, folder: Path, *, steps: int = 4) -> Iterator[Figure]:
    """Clips per second of processor time that one like `net` learns from, drawn at once and frame by frame."""
    batch = next(batches(Digits().samples(folder, "train", 0), 64))
    clips = len(batch["clip"]) * ALONE / net.config.length  # as many frames as so many clips have
    learner = Net(net.config).to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
    for way, task in {"one by one": Digits(joint=0), "at once": Digits(joint=1)}.items():
        task.objective(learner, batch)["velocity"].backward()
        began = time.process_time()
        for _ in range(steps):
            task.objective(learner, batch)["velocity"].backward()
        pace = steps * clips / (time.process_time() - began)
        yield Figure("training", "clips per CPU-second", way, (pace,), "higher")


def text(found: Sequence[Figure]) -> str:
    """The figures as a table, a task at a time, the ways beside one another."""
    lines: list[str] = []
    for task in dict.fromkeys(figure.task for figure in found):
        rows = [figure for figure in found if figure.task == task]
        ways, measures = (list(dict.fromkeys(getattr(row, name) for row in rows)) for name in ("way", "measure"))
        cells = {(row.measure, row.way): _cell(row) for row in rows}
        table = [[task, *ways], *([each, *(cells.get((each, way), "") for way in ways)] for each in measures)]
        widths = [max(len(row[column]) for row in table) for column in range(len(ways) + 1)]
        for row in table:
            cells_ = [cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)]
            lines.append("  ".join([row[0].ljust(widths[0]), *cells_]).rstrip())
        lines.append("")
    return "\n".join(lines[:-1])


def as_json(found: Sequence[Figure], facts: Mapping[str, Any]) -> dict[str, Any]:
    """Plain data, with every seed's value."""
    return {"schema": 1, **facts, "figures": [asdict(figure) for figure in found]}


def _cell(figure: Figure) -> str:
    digits = 4 if "MSE" in figure.measure else 2 if "px" in figure.measure or "second" in figure.measure else 3
    spread = f" ±{figure.spread:.{digits}f}" if len(figure.values) > 1 else ""
    return f"{figure.mean:.{digits}f}{spread}"


def _from_classes(
    net: Net, reader: nn.Module, real: Clips, seeds: int, joint: bool, i3d: Path | None
) -> Iterator[Figure]:
    task = "from a class"
    labels = torch.arange(len(real.truth)) % net.config.classes
    yield from _read(task, "real", [real.truth], reader, real.labels, real)
    yield from _seen(task, "real", [real.known[: len(labels)]], real, i3d)
    modes: dict[Mode, tuple[str, Tensor]] = {"filler": ("one by one", labels)}
    if joint:
        modes["joint"] = ("at once", labels[:TOGETHER])
    for mode, (way, told) in modes.items():
        began = time.process_time()
        made = [drawn_clips(net, len(told), seed, told=told[:, None], mode=mode) for seed in range(seeds)]
        seconds = time.process_time() - began
        yield from _read(task, way, made, reader, told, real)
        yield from _seen(task, way, made, real, i3d)
        yield Figure(task, "clips per CPU-second", way, (seeds * len(told) / seconds,), "higher")


def _read(
    task: str, way: str, made: Sequence[Tensor], reader: nn.Module, labels: Tensor, real: Clips
) -> Iterator[Figure]:
    read = [legibility(_scores(reader, clip), labels) for clip in made]
    moved = [paths(clip[:, :, 0], SMALL["digit"]) for clip in made]
    low, high = _ink(real.truth).quantile(torch.tensor([0.01, 0.99]))
    yield Figure(task, "label accuracy, middle frame", way, tuple(each.middle for each in read), "higher")
    yield Figure(task, "all frames read alike", way, tuple(each.alike for each in read), "higher")
    yield Figure(task, "confidence", way, tuple(each.confidence for each in read), "higher")
    yield Figure(task, "path error, px", way, tuple(each.fit for each in moved), "lower")
    yield Figure(task, "speed, px", way, tuple(each.speed for each in moved))
    yield Figure(task, "bend, px", way, tuple(each.bend for each in moved))
    inside = [((_ink(clip) >= low) & (_ink(clip) <= high)).double().mean() for clip in made]
    yield Figure(task, "ink as in real clips", way, tuple(float(each) for each in inside), "higher")
    yield Figure(task, "MSE from nearest training clip", way, tuple(float(nearest(c, real.known).mean()) for c in made))
    yield Figure(task, "MSE from one another", way, tuple(pairwise(clip) for clip in made))


def _seen(task: str, way: str, made: Sequence[Tensor], real: Clips, i3d: Path | None) -> Iterator[Figure]:
    """How far sets of clips are from the real ones, by what I3D sees; of "real" clips those of training.

    Each frame is shown twice: I3D needs nine.
    """
    for name, distance in {"FVD": fvd, "KVD": kvd}.items() if i3d is not None else ():
        values: list[float] = []
        for clips in made:
            measure = distance(i3d)
            for clip_TCHW, real_TCHW in zip(clips, real.truth, strict=False):
                measure.update(*(x.expand(-1, 3, -1, -1).repeat_interleave(2, 0) for x in (clip_TCHW, real_TCHW)))
            values.append(measure.result())
        yield Figure(task, name, way, tuple(values), "lower")


def _continuations(net: Net, reader: nn.Module, real: Clips, seeds: int) -> Iterator[Figure]:
    task = "continuation, half of the frames given"
    frames = real.truth.shape[1]
    given, rest = frames // 2, frames - frames // 2
    before = {n - given: 2 * real.truth[:, n] - 1 for n in range(given)}
    made = [drawn_clips(net, len(real.truth), seed, given=before, length=rest) for seed in range(max(seeds, TRIES))]
    truth, centre_NT2 = real.truth[:, given:], centres(real.truth[:, :, 0])
    ways = {"ours": made[:seeds], "copy last": [real.truth[:, given - 1 : given].expand_as(truth)]}
    ways["black"] = [torch.zeros_like(truth)]
    for way, clips in ways.items():
        errors = tuple(float((clip - truth).double().square().mean()) for clip in clips)
        yield Figure(task, "MSE", way, errors, "lower")
    best = float(best_of(torch.stack(made[:TRIES]), truth).mean())
    yield Figure(task, f"MSE, best of {TRIES}", "ours", (best,), "lower")
    tracks = {
        "copy last": [centre_NT2[:, given - 1 : given].expand(-1, rest, -1)],
        "straight on": [straight_on(centre_NT2[:, :given], rest)],
        "bounce law": [bouncing(centre_NT2[:, :given], SMALL["digit"], SMALL["size"], frames)[:, given:]],
        "ours": [centres(clip[:, :, 0]) for clip in made[:seeds]],
    }
    for way, found in tracks.items():
        far = [distances(each, centre_NT2[:, given:]) for each in found]
        yield Figure(task, "centre off, px", way, tuple(statistics.fmean(each) for each in far), "lower")
        for n in range(rest):
            yield Figure(task, f"centre off, px, frame {n + 1}", way, tuple(each[n] for each in far), "lower")
    for way, clips in {"real": [truth], "ours": made[:seeds]}.items():
        last = [legibility(_scores(reader, clip[:, -1:]), real.labels).middle for clip in clips]
        yield Figure(task, "last frame's label", way, tuple(last), "higher")


def _between(net: Net, reader: nn.Module, real: Clips, seeds: int) -> Iterator[Figure]:
    task = "in between, every other frame given"
    frames = real.truth.shape[1] - 1 + real.truth.shape[1] % 2
    keys = {n: 2 * real.truth[:, n] - 1 for n in range(0, frames, 2)}
    truth = real.truth[:, 1:frames:2]
    mean = (real.truth[:, 0 : frames - 1 : 2] + real.truth[:, 2:frames:2]) / 2
    ours = [drawn_clips(net, len(truth), seed, given=keys, length=frames)[:, 1::2] for seed in range(seeds)]
    for way, clips in {"real": [truth], "ours": ours, "mean of both": [mean]}.items():
        if way != "real":
            errors = tuple(float((clip - truth).double().square().mean()) for clip in clips)
            yield Figure(task, "MSE", way, errors, "lower")
        broken = [1 - legibility(_scores(reader, clip), real.labels).frames for clip in clips]
        yield Figure(task, "frames read as another digit", way, tuple(broken), "lower")


def drawn_clips(
    net: Net,
    count: int,
    seed: int,
    *,
    told: Tensor | None = None,
    given: Mapping[int, Tensor] | None = None,
    length: int | None = None,
    mode: Mode = "filler",
) -> Tensor:
    """Samples (N, T, 1, H, W); of seed 1 no sample is one of seed 0."""
    parts: list[Tensor] = []
    for first in range(0, count, TOGETHER):
        part = slice(first, min(first + TOGETHER, count))
        what = Told(None if told is None else told[part])
        seeds = range(seed * count + part.start, seed * count + part.stop)
        there = {n: frame[part] for n, frame in (given or {}).items()}
        size = (net.config.side, net.config.side)
        frames = net.draw(seeds, length or net.config.length, size, what, mode=mode, given=there)
        parts.append(torch.stack([(frame.float().cpu() + 1) / 2 for frame in frames], dim=1))
    return torch.cat(parts).clamp(0, 1)


@torch.inference_mode()
def _scores(reader: nn.Module, clip_NTCHW: Tensor) -> Tensor:
    """What a reader of clips says of each frame by itself, (N, T, K)."""
    return reader(clip_NTCHW.flatten(0, 1)[:, None]).unflatten(0, clip_NTCHW.shape[:2])


def _ink(clip_NTCHW: Tensor) -> Tensor:
    """The ink of each frame, in white pixels, as one row."""
    return clip_NTCHW.sum(dim=(-3, -2, -1)).flatten()
