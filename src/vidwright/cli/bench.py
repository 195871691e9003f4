"""`vidwright bench`: the figures of the README, made again."""

from __future__ import annotations

import itertools
import json as jsonlib
from dataclasses import asdict
from importlib import resources
from pathlib import Path
from typing import Annotated

import torch
from cyclopts import App, Parameter
from torch import nn

from vidwright import models
from vidwright.bench.enhance import named_models, shipped_models
from vidwright.bench.enhance_page import write_page
from vidwright.bench.enhance_table import text
from vidwright.bench.generate import Figure, figures, pace, real_clips
from vidwright.bench.generate import as_json as figures_json
from vidwright.bench.generate import rival as unet
from vidwright.bench.generate import text as figures_text
from vidwright.bench.lossless import lossless_table
from vidwright.bench.modes import pictures, promises, rows
from vidwright.bench.sheet import drawn
from vidwright.bench.speed import speeds
from vidwright.bench.suite import Section, as_json, chosen, machine, sections
from vidwright.cli.terminal import say
from vidwright.core.files import write_atomic
from vidwright.data import moving_mnist
from vidwright.models.generate.cnn_lstm import Net
from vidwright.models.generate.flow import Net as FlowNet

bench = App(name="bench", help="Measure quality and speed; prints the tables of the README.")

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
        if json is not None:
            write_atomic(json, jsonlib.dumps(as_json(found, facts), allow_nan=False) + "\n")
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
    data: Path,
    model: str = "flow:digits32",
    clips: int = 256,
    seeds: int = 3,
    quick: Annotated[bool, Parameter(negative=())] = False,
    rival: float | None = None,
    contact_sheet: Path | None = None,
    json: Path | None = None,
) -> None:
    """Whether generated digits can be read, how they move, and what continuations and gaps become.

    Parameters
    ----------
    data
        Folder of MNIST's files.
    model
        Weights of flow for one digit in 32x32: a shipped set or a file.
    clips
        How many are made for each figure and seed.
    seeds
        How often everything is measured, with other noise.
    quick
        A few clips, once, and none at once.
    rival
        Train a U-Net diffusion for so many minutes of processor time, and measure it beside.
    contact_sheet
        A PNG with a row of frames for each way of asking, edged where they were given.
    json
        Write everything that was measured to this file.
    """
    net = models.load(*models.parse("generate", model), kind=FlowNet, device="cpu", dtype="fp32")
    reader = models.load("generate/cnn_lstm", "still", kind=nn.Module, device="cpu", dtype="fp32")
    facts = {**machine(), "model": model, "clips": clips, "seeds": seeds}
    say(f"{facts['processor']}, {facts['instructions']}, torch {facts['torch']}, {facts['date']}")
    real = real_clips(data, 32 if quick else clips)
    if contact_sheet is not None:
        write_atomic(contact_sheet, drawn(pictures(list(rows(net, real)))))
    found: list[Figure] = []
    measured = figures(net, reader, real, seeds=1 if quick else seeds, joint=not quick)
    other = [] if rival is None else unet(reader, real, data, minutes=rival, seeds=1 if quick else seeds)
    for figure in itertools.chain(measured, promises(net), pace(net, data), other):
        found.append(figure)
        say(f"{figure.task}: {figure.measure}, {figure.way}: {figure.mean:.4f}")
    print(figures_text(found))
    if json is not None:
        write_atomic(json, jsonlib.dumps(figures_json(found, facts), allow_nan=False) + "\n")


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
