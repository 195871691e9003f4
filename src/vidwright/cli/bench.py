"""`vidwright bench`: the figures of the README, made again."""

from __future__ import annotations

import json as jsonlib
from dataclasses import asdict
from importlib import resources
from pathlib import Path
from typing import Annotated

import torch
from cyclopts import App, Parameter

from vidwright import models
from vidwright.bench.lossless import lossless_table
from vidwright.bench.speed import speeds
from vidwright.bench.upscale import table, upscale_scores
from vidwright.data import moving_mnist
from vidwright.models.generate.cnn_lstm import Net

bench = App(name="bench", help="Measure quality and speed; prints the tables of the README.")

Json = Annotated[bool, Parameter(name="--json", negative=())]


@bench.command
def upscale(
    *, data: Path, model: Annotated[list[str] | None, Parameter(negative=())] = None, json: Json = False
) -> None:
    """PSNR-Y of upscalers on clips shrunk in five ways.

    Parameters
    ----------
    data
        Folder of lossless clips.
    model
        Models and weights to measure: lanczos and restorer:x2-fast if none is named.
    json
        Print each score as JSON.
    """
    nets = {name: models.load(*models.parse("enhance", name)) for name in model or ("lanczos", "restorer:x2-fast")}
    scores = list(upscale_scores(data, nets))
    print(jsonlib.dumps({"schema": 1, "scores": [asdict(score) for score in scores]}) if json else table(scores))


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
