"""`vidwright bench`: the figures of the README, made again."""

from __future__ import annotations

import itertools
import json as jsonlib
from collections.abc import Callable, Iterator
from dataclasses import asdict
from functools import partial
from importlib import resources
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any, Literal

import torch
from cyclopts import App, Parameter
from torch import Tensor, nn

from vidwright import models
from vidwright.bench import edit_sheet, edit_table, modes, pairs, promises, rates
from vidwright.bench import like as likes
from vidwright.bench.colours import coloured
from vidwright.bench.edit import SEED, cells, completion, fillers
from vidwright.bench.enhance import named_models, shipped_models
from vidwright.bench.enhance_page import write_page
from vidwright.bench.enhance_table import text
from vidwright.bench.generate import SIZE, Figure, figures, pace, real_clips
from vidwright.bench.generate import as_json as figures_json
from vidwright.bench.generate import rival as unet
from vidwright.bench.generate import text as figures_text
from vidwright.bench.lossless import lossless_table
from vidwright.bench.natural import natural_clips
from vidwright.bench.rate_plot import write_plots
from vidwright.bench.sheet import drawn
from vidwright.bench.speed import speeds
from vidwright.bench.suite import Section, as_json, chosen, machine, sections
from vidwright.bench.tracks import tracked
from vidwright.cli.terminal import say
from vidwright.core.errors import UsageError
from vidwright.core.files import make_folder, write_atomic
from vidwright.data import moving_mnist
from vidwright.data.sources import find_clips
from vidwright.models.generate.cnn_lstm import Net
from vidwright.models.generate.flow import Net as FlowNet
from vidwright.models.generate.patches import Net as PatchesNet

bench = App(name="bench", help="Measure quality and speed; prints the tables of the README.")

#: Clips of a quick look at what is generated.
QUICK = 32

#: Clips over which an object is followed.
TRACKED = 6

Names = Annotated[list[str] | None, Parameter(negative=())]
Json = Annotated[bool, Parameter(name="--json", negative=())]


@bench.command
def enhance(
    *,
    data: Path,
    task: Names = None,
    model: Names = None,
    quick: Annotated[bool, Parameter(negative=())] = False,
    report: Path | None = None,
    json: Path | None = None,
) -> None:
    """Quality, flicker and speed of the models that enhance, beside what needs no weights.

    Parameters
    ----------
    data
        Folder of clips that no model was trained on.
    task
        What is to be restored: x2, x4, denoise-s25, denoise-s10, deblock, interpolation, deinterlacing; all of them if
        none is named.
    model
        Other models or weights files, besides those that are shipped.
    quick
        Only a few frames of two clips.
    report
        Write a page with the tables, and with pieces of the pictures side by side.
    json
        Write everything that was measured to this file.
    """
    which = chosen(task or ())
    nets = {**shipped_models(), **named_models(model or ())}
    facts = machine()
    say(f"{facts['processor']}, {facts['instructions']}, torch {facts['torch']}, {facts['date']}")
    found: list[Section] = []

    def keep() -> None:
        _write(json, as_json(found, facts))
        if report is not None:
            write_page(found, facts, report)

    keep()  # a place that cannot be written to is known at once, and what is measured is kept
    for section in sections(data, which, nets, quick=quick, watch=say):
        found.append(section)
        print(text(section.table), end="\n\n", flush=True)
        keep()


@bench.command
def generate(
    *,
    data: Path | None = None,
    like: Annotated[list[Path] | None, Parameter(negative=())] = None,
    model: str = "flow:digits32",
    reader: str = "cnn_lstm:still",
    clips: int = 256,
    seeds: int = 3,
    quick: Annotated[bool, Parameter(negative=())] = False,
    rival: float | None = None,
    device: str = "cpu",
    i3d: Path | None = None,
    contact_sheet: Path | None = None,
    json: Path | None = None,
) -> None:
    """Whether generated digits can be read, how they move, what continuations and gaps become; videos like clips.

    Parameters
    ----------
    data
        Folder of MNIST's files: measures digits.
    like
        A clip of one shot: measures what is made like its first frames; several times.
    model
        Weights of flow for one digit in 32x32, or two in 64x64: a shipped set or a file.
    reader
        Weights of cnn_lstm that name the digit of a picture of 32x32.
    clips
        How many are made for each figure and seed.
    seeds
        How often everything is measured, with other noise.
    quick
        A few clips, once, and none at once.
    rival
        Train a U-Net diffusion for so many minutes of processor time, and measure it beside.
    device
        Where it is trained: on an accelerator with as many clips as the CPU would get through in that time.
    i3d
        Weights of I3D, a safetensors file with the names of rgb_imagenet: measures FVD and KVD as well.
    contact_sheet
        A PNG with a row of frames for each way of asking, edged where they were given.
    json
        Write everything that was measured to this file.
    """
    if data is None and not like:
        raise UsageError("bench generate", "there is nothing to measure", "give --data, --like or both")
    facts = {**machine(), "model": model, "clips": clips, "seeds": seeds}
    say(f"{facts['processor']}, {facts['instructions']}, torch {facts['torch']}, {facts['date']}")
    found: list[Figure] = []
    sheet: list[list[Tensor]] = []
    count, rounds = (QUICK, 1) if quick else (clips, seeds)
    for measured, shown in _measurements(data, like or [], model, reader, count, rounds, rival, device, i3d):
        if contact_sheet is not None:
            sheet += shown()
            write_atomic(contact_sheet, drawn(sheet))
        for figure in measured:
            found.append(figure)
            say(f"{figure.task}: {figure.measure}, {figure.way}: {figure.mean:.4f}")
    print(figures_text(found))
    _write(json, figures_json(found, facts))


def _measurements(
    data: Path | None,
    like: list[Path],
    model: str,
    reader: str,
    clips: int,
    seeds: int,
    rival: float | None,
    device: str,
    i3d: Path | None,
) -> Iterator[tuple[Iterator[Figure], Callable[[], list[list[Tensor]]]]]:
    """What there is to measure, each with what it can show of it."""
    if data is not None:
        net = models.load(*models.parse("generate", model), kind=FlowNet, device="cpu", dtype="fp32")
        reads = models.load(*models.parse("generate", reader), kind=nn.Module, device="cpu", dtype="fp32")
        if net.config.side != SIZE[0]:
            yield pairs.figures(net, reads, data, clips=clips, seeds=seeds), partial(pairs.rows, net)
        else:
            real = real_clips(data, clips)
            measured = figures(net, reads, real, seeds=seeds, joint=clips > QUICK, i3d=i3d)
            where = models.resolve_device(device)
            other = [] if rival is None else unet(reads, real, data, minutes=rival, seeds=seeds, device=where)
            every = itertools.chain(measured, modes.promises(net), pace(net, data), other)
            yield every, lambda: modes.pictures(list(modes.rows(net, real)))
    patches = models.load("generate/patches", kind=PatchesNet)  # which has no weights
    for path in like:
        frames = likes.first_frames(path)
        yield likes.figures(patches, path, frames, seeds=seeds), partial(likes.rows, patches, frames)


@bench.command
def edit(
    *,
    data: Path,
    quick: Annotated[bool, Parameter(negative=())] = False,
    contact_sheet: Path | None = None,
    json: Path | None = None,
) -> None:
    """Holes filled, objects followed and colours put back, beside what needs no weights and against the truth.

    Parameters
    ----------
    data
        Folder of clips that no model was trained on.
    quick
        Only a few frames of two clips.
    contact_sheet
        A PNG with what each way makes of each kind of hole in one clip: the truth, the holes, and a row for each way.
    json
        Write everything that was measured to this file.
    """
    facts = machine()
    say(f"{facts['processor']}, {facts['instructions']}, torch {facts['torch']}, {facts['date']}")
    found = edit_table.Found(natural_clips(data, quick=quick), [], [], [])
    pictured = next((clip for clip in found.clips if clip.motion == "panning"), found.clips[0])
    pictures: list[list[Tensor]] = []
    _write(json, edit_table.as_json(found, facts))  # a place that cannot be written to is known at once
    for cell in cells(found.clips, fillers(completion())):
        say(f"{cell.kind} hole: {cell.clip.name}")
        found.scores.extend(cell.scores)
        _write(json, edit_table.as_json(found, facts))
        if contact_sheet is not None and cell.clip is pictured:
            pictures += edit_sheet.rows(cell)
            write_atomic(contact_sheet, drawn(pictures))
    natural = [clip for clip in found.clips if clip.counts][:TRACKED]
    for number, clip in enumerate(natural):
        say(f"tracking: {clip.name}")
        found.tracked.append(tracked(clip, natural[(number + 1) % len(natural)], SEED + number))
    for clip in found.clips:
        say(f"colour: {clip.name}")
        found.coloured.append(coloured(clip))
    print(edit_table.text(found))
    _write(json, edit_table.as_json(found, facts))


@bench.command
def compress(
    *,
    data: Path,
    targets: Annotated[bool, Parameter(negative=())] = False,
    codec: Literal["av1", "hevc", "h264"] = "av1",
    without: Names = None,
    only: Names = None,
    quick: Annotated[bool, Parameter(negative=())] = False,
    lpips: Path | None = None,
    plots: Path | None = None,
    json: Path | None = None,
) -> None:
    """Rate and distortion of codecs, what one saves against another; whether sizes and qualities are met.

    Parameters
    ----------
    data
        Folder of clips that no model was trained on.
    targets
        Instead, compress each clip to five sizes and three qualities, and count which were met.
    codec
        The codec of these.
    without
        Clips, by their names without suffix, that are left out of the means.
    only
        Only encoders whose names begin so, such as ours.
    quick
        Only a few frames of one clip.
    lpips
        Weights of LPIPS, a safetensors file: measures it as well.
    plots
        Draw quality over rate to this folder, a file for each measure.
    json
        Write everything that was measured to this file.
    """
    if plots is not None:
        make_folder(plots)  # before the work, which takes long
    facts = machine()
    files = find_clips(data)[: 1 if quick else None]
    if targets:
        with TemporaryDirectory() as place:
            film = promises.film(files, Path(place) / f"{promises.FILM}.mkv")
            kept = list(promises.sizes([*files, film], codec, watch=say))
            kept += promises.qualities(files, codec, watch=say)
        print(promises.text(kept))
        content = {"schema": 1, "machine": facts, "runs": promises.as_json(kept)}
    else:
        frames = rates.QUICK if quick else rates.FRAMES
        found = list(rates.points(files, only=only or (), frames=frames, lpips=lpips, watch=say))
        saved = rates.savings(found, without=without or ())
        print(rates.text(found, saved))
        if plots is not None:
            write_plots(found, plots, without=without or ())
        content = rates.as_json(found, saved, facts)
    _write(json, content)


def _write(path: Path | None, content: dict[str, Any]) -> None:
    """Keep what was measured, where that is asked for."""
    if path is not None:
        write_atomic(path, jsonlib.dumps(content, allow_nan=False) + "\n")


@bench.command
def speed(clip: Path | None = None, /, *, model: str = "restorer:x2-fast", rounds: int = 3, json: Json = False) -> None:
    """Frames per second of the bare network, of the whole job, and of reading and writing alone.

    Parameters
    ----------
    clip
        The clip to measure on: the sample clip if none is named.
    model
        Model and weights.
    rounds
        How often each is measured; medians are printed.
    json
        Print it as JSON.
    """
    clip = clip or Path(str(resources.files("vidwright"))) / "sample" / "flower.mp4"
    found = speeds(clip, model=model, rounds=rounds)
    if json:
        print(jsonlib.dumps({"schema": 1, **asdict(found), "share": found.share}))
        return
    print(f"bare network {found.network:.1f} fps, file to file {found.whole:.1f} fps: {found.share:.0%}")
    print(f"reading alone {found.decode:.0f} fps, writing alone {found.encode:.0f} fps")


@bench.command
def lossless(*, data: Path, model: str = "cnn_lstm:next-frame", clips: int = 64, json: Json = False) -> None:
    """What moving digits cost without loss: a model's probabilities beside the usual codecs.

    Parameters
    ----------
    data
        Folder of MNIST's files.
    model
        Model and weights of the task generate that predict frames, or a weights file.
    clips
        How many clips of the fixed test set.
    json
        Print it as JSON.
    """
    net = models.load(*models.parse("generate", model), kind=Net, device="cpu", dtype="fp32")
    digits = moving_mnist.test_set(data)
    grey = torch.stack([digits.sample(0, k)["clip"] for k in range(clips)])
    found = lossless_table(net.quantised(grey / 255).to(torch.uint8), net)
    print(jsonlib.dumps({"schema": 1, **found.as_dict()}) if json else found)
    if not json:
        print(f"over the likelihood: {found.excess:.3%}")
