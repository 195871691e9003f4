"""`vidwright train`, `vidwright evaluate`, `vidwright weights`."""

from __future__ import annotations

import json as jsonlib
import os
import shlex
import sys
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Annotated

import torch
from cyclopts import App, Parameter
from cyclopts.validators import Number

from vidwright.cli.terminal import interruptible, say
from vidwright.core.errors import BadInput, Interrupted, OutputExists, UsageError
from vidwright.data.fingerprint import digest
from vidwright.models.compress.postfilter import Goal
from vidwright.nn.threads import one_torch_thread
from vidwright.train import filtering, recipe
from vidwright.train.evaluate import evaluate as evaluation
from vidwright.train.loop import Step
from vidwright.train.run import BEST, LAST, Setting, run
from vidwright.train.schedule import Budget
from vidwright.train.task import Evaluation
from vidwright.weights.store import read_weights, save_weights

#: Seconds between two lines about the loss.
LINE_EVERY = 10.0
#: Encodings on which a post-filter's gain is measured.
JUDGED_COPIES = 60

Json = Annotated[bool, Parameter(name="--json", negative=())]
Flag = Annotated[bool, Parameter(negative=())]
FromOne = Parameter(validator=Number(gte=1))


@Parameter(name="*")
@dataclass(frozen=True)
class TrainOptions:
    """Where and how long a recipe is run."""

    minutes: float | None = None
    "Wall clock to use over all resumed runs, instead of the recipe's budget."
    steps: int | None = None
    "Steps to make, instead of the recipe's budget."
    set: Annotated[list[str] | None, Parameter(negative=())] = None
    "A field of the recipe, as in --set optimiser.learning_rate=1e-3; may be given many times."
    resume: Flag = False
    "Go on with the run in --out."
    device: str = "auto"
    "auto, cpu, cuda, cuda:1 and so on."
    threads: Annotated[int | None, FromOne] = None
    "Threads inside torch's operations; all cores if not given."
    workers: Annotated[int, Parameter(validator=Number(gte=0))] = 0
    "Processes that make the training samples; 0 is threads of this one."
    compile: Flag = False
    "Compile the network first; pays off on an accelerator."
    shard: Flag = False
    "Spread the parameters over the processes of torchrun instead of copying them."
    licence: str = ""
    "What the weights shall say of the licence of the data."
    json: Flag = False
    "Print the last evaluation as JSON."


def train(
    name: Annotated[str, Parameter(name="RECIPE")],
    /,
    *,
    data: Path,
    out: Path,
    valid: Path | None = None,
    options: TrainOptions = TrainOptions(),
) -> None:
    """Train a model on a folder of clips; Ctrl-C ends after the step under way, and --resume goes on.

    Several processes share the work when `torchrun --no-python` starts the command.

    Parameters
    ----------
    name
        What to train, as in enhance/restorer:x2-fast.
    data
        A folder of clips, or one that `vidwright data prepare` made, or of MNIST's files: what the recipe learns from.
    out
        Folder of the run: log, report, checkpoints, weights.
    valid
        Folder to validate on; without it a tenth of the sources in --data is kept out of the training.
    """
    if options.threads is not None:
        torch.set_num_threads(options.threads)
    chosen = recipe.load(name).changed(options.set or [])
    if options.minutes is not None or options.steps is not None:
        chosen = replace(chosen, budget=Budget(steps=options.steps, minutes=options.minutes))
    setting = Setting(
        data,
        out,
        valid,
        resume=options.resume,
        device=options.device,
        workers=options.workers,
        compile=options.compile,
        shard=options.shard,
        licence=options.licence,
    )
    with interruptible("writing a checkpoint after this step") as stop:
        try:
            found = run(chosen, setting, watch=_Lines(chosen.name), stop=stop)
        except Interrupted:
            if not _leads():
                raise
            arguments = sys.argv[1:] if options.resume else [*sys.argv[1:], "--resume"]
            say(f"resume with: {shlex.join(['vidwright', *arguments])}")
            raise
    if not _leads():
        return
    _print(found, options.json)
    say(f"{out / 'report.html'}: curves, pictures, throughput")
    say(f"{out / BEST}: the best weights; use them by this path, or `vidwright weights export {out} -o FILE`")


def evaluate(
    model: Annotated[str, Parameter(name="MODEL")],
    /,
    *,
    data: Path,
    limit: Annotated[int | None, FromOne] = None,
    lpips: Path | None = None,
    device: str = "auto",
    seed: int = 0,
    json: Json = False,
) -> None:
    """Measure a trained model by the task that it was trained for.

    Parameters
    ----------
    model
        As in enhance/restorer:x2-fast; a weights file; or the folder of a run.
    data
        Folder of clips that it has not seen.
    limit
        Clips to use; all if not given.
    lpips
        Weights of LPIPS, as docs/metrics.md describes; without them it is not measured.
    device
        auto, cpu, cuda and so on.
    seed
        For tasks that draw their clips.
    json
        Print it as JSON.
    """
    _print(evaluation(model, data, device=device, seed=seed, limit=limit, lpips=lpips), json)


weights = App(name="weights", help="Weights of your own.")


@weights.command
def export(
    run: Annotated[Path, Parameter(name="RUN")],
    /,
    *,
    out: Annotated[Path, Parameter(name=["--output", "-o"])],
    last: Flag = False,
    half: Flag = False,
    overwrite: Flag = False,
) -> None:
    """Take the best weights out of a run.

    Parameters
    ----------
    run
        Folder that `vidwright train` wrote.
    out
        File to write, ending in .safetensors.
    last
        The weights at the end instead of the best.
    half
        With 16 bits a number, which halves the file and changes results in the fourth digit.
    overwrite
        Replace the file if it exists.
    """
    source = run / (LAST if last else BEST)
    if not source.is_file():
        raise BadInput(run, "there are no weights in it yet", "train until the first validation")
    _check_weights_file(out, overwrite=overwrite)
    tensors, header = read_weights(source)
    if half:
        tensors = {name: t.half() if t.is_floating_point() else t for name, t in tensors.items()}
    save_weights(out, tensors, header)
    say(f"{out}: {out.stat().st_size} bytes")


@weights.command
def postfilter(
    *,
    data: Path,
    out: Annotated[Path, Parameter(name=["--output", "-o"])],
    goal: Goal = "fidelity",
    valid: Path | None = None,
    copies: Annotated[int | None, FromOne] = None,
    threads: Annotated[int, FromOne] = os.cpu_count() or 1,
    seed: int = 0,
    licence: str = "",
    overwrite: Flag = False,
) -> None:
    """Make weights of compress/postfilter, in closed form: about a second for each encoding of a clip.

    Parameters
    ----------
    data
        Folder of clips to learn from.
    out
        File to write, ending in .safetensors.
    goal
        What it is to come near to: the code values (fidelity), or the structure of luma (perceptual).
    valid
        Folder of other clips to say the gain on.
    copies
        Encodings to learn from; all that there are if not given.
    threads
        Encodings that are worked on at the same time; changes nothing else.
    seed
        Seed of the rates.
    licence
        What the weights shall say of the licence of the data.
    overwrite
        Replace the file if it exists.
    """
    _check_weights_file(out, overwrite=overwrite)
    with one_torch_thread():
        net = filtering.fit(data, goal=goal, copies=copies, seed=seed, threads=threads, watch=_counted)
        gains = {} if valid is None else filtering.gains(net, valid, goal=goal, copies=JUDGED_COPIES)
    header = {
        "model": "compress/postfilter",
        "name": goal,
        "config": asdict(net.config),
        "data": {"sha256": digest(data), "licence": licence},
        "metrics": {f"gain.{name}": value for name, value in gains.items()},
    }
    save_weights(out, {name: tensor.half() for name, tensor in net.state_dict().items()}, header)
    say(f"{out}: {out.stat().st_size} bytes" + "".join(f"\n  {name} {db:+.3f} dB" for name, db in gains.items()))


def _check_weights_file(out: Path, *, overwrite: bool) -> None:
    if out.suffix != ".safetensors":
        raise UsageError(f"-o {out}", "weights are .safetensors files", "give it that ending")
    if out.exists() and not overwrite:
        raise OutputExists(out, "it exists already", "add --overwrite, or choose another name")


class _Lines:
    """A line now and then about the loss, and one for each validation and warning."""

    def __init__(self, name: str) -> None:
        self._name, self._said = name, 0.0

    def __call__(self, event: Step | Evaluation | str) -> None:
        if isinstance(event, str):
            say(f"warning: {event}")
        elif isinstance(event, Evaluation):
            say("  ".join(f"{name} {value:.4g}" for name, value in event.metrics.items() if value is not None))
        elif time.monotonic() - self._said > LINE_EVERY:
            self._said = time.monotonic()
            waiting = f"waiting {event.waited / (event.waited + event.worked):.0%}"
            say(f"{self._name}: step {event.number}, {event.seconds:.0f} s, loss {event.loss:.5g}, {waiting}")


def _counted(done: int, count: int) -> None:
    if done % 20 == 0 or done == count:
        say(f"compress/postfilter: {done} of {count} encodings")


def _leads() -> bool:
    """Whether this process speaks for all that `torchrun` started."""
    return os.environ.get("RANK", "0") == "0"


def _print(found: Evaluation, json: bool) -> None:
    if json:
        print(jsonlib.dumps({"schema": 1, "metrics": found.metrics}))
        return
    width = max(map(len, found.metrics), default=0)
    for name, value in found.metrics.items():
        print(f"{name.ljust(width)}  {'not measured' if value is None else f'{value:.6g}'}")
