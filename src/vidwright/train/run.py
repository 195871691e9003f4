"""A recipe run in a folder, from its first step or from where it was left.

RUN/log.jsonl, pictures/, report.html      what happened
RUN/checkpoints/                           what `resume` goes on from, the resolved recipe with it
RUN/best.safetensors, last.safetensors     averaged weights: of the best validation, and at the end
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from vidwright import models
from vidwright.core.errors import Interrupted, JobFailed, ModelRefused, OutputExists, UsageError, VidwrightError
from vidwright.core.files import make_folder
from vidwright.core.memory import keep_heap_small
from vidwright.data.fingerprint import digest
from vidwright.data.loader import Share, batches
from vidwright.data.samples import Split
from vidwright.train import checkpoint
from vidwright.train.environment import environment
from vidwright.train.log import Log
from vidwright.train.loop import Diverged, Step, losses_of, train
from vidwright.train.parallel import World, join_world, replicate, shard
from vidwright.train.recipe import Recipe
from vidwright.train.report import write_report
from vidwright.train.rivals import NET, Rivals
from vidwright.train.state import State
from vidwright.train.task import Contested, Evaluation
from vidwright.train.throughput import MEASURED, flops_of, peak_flops
from vidwright.weights.store import fit, read_weights, save_weights

#: Wall clock between checkpoints.
CHECKPOINT_SECONDS = 60.0

CHECKPOINTS, BEST, LAST = "checkpoints", "best.safetensors", "last.safetensors"


@dataclass(frozen=True, slots=True)
class Setting:
    """Where a recipe is run, which does not change what is learned.

    `valid` is a folder to validate on; without it a part of `data` is kept out of the training. `workers` processes
    make the samples (0: threads). `shard` spreads the parameters over the processes of `torchrun` (FSDP2) instead of
    copying them (DDP). `licence` is what the weights shall say of the data's licence.
    """

    data: Path
    out: Path
    valid: Path | None = None
    resume: bool = False
    device: str = "auto"
    workers: int = 0
    compile: bool = False
    shard: bool = False
    licence: str = ""


#: Told of every step, of every validation, and of warnings as text.
Watch = Callable[[Step | Evaluation | str], None]


def run(recipe: Recipe, setting: Setting, *, watch: Watch = lambda event: None, stop: threading.Event) -> Evaluation:
    """Train until the budget is used; returns the evaluation of the averaged weights at the end.

    Once `stop` is set the run ends after the step that it is in. Raises `OutputExists` when RUN holds a run and
    `resume` is not asked for, `Interrupted` when stopped, `Diverged` when training broke down; what was trained is in
    a checkpoint then.
    """
    keep_heap_small()  # else each step costs the kernel thousands of page faults
    with join_world(models.resolve_device(setting.device)) as world:
        before = _checked(recipe, setting, world)
        return _Run(recipe, setting, world, watch, stop, before).finish()


class _Run:
    """One process's part in a run; the leading process writes the files."""

    def __init__(
        self,
        recipe: Recipe,
        setting: Setting,
        world: World,
        watch: Watch,
        stop: threading.Event,
        before: dict[str, Any] | None,
    ) -> None:
        self.recipe, self.setting, self.world, self.stop = recipe, setting, world, stop
        self.watch: Watch = watch if world.leads else lambda event: None
        self.checkpoints = setting.out / CHECKPOINTS
        self.dtype = models.resolve_dtype(recipe.dtype, world.device)
        recipe.task.samples(*self._validation, recipe.seed)  # refuses a folder of nothing now, not after an hour
        self.samples = recipe.task.samples(setting.data, "all" if setting.valid else "train", recipe.seed)
        torch.manual_seed(recipe.seed)
        net = _built(recipe, start=not setting.resume)
        parameters = sum(p.numel() for p in net.parameters())
        if isinstance(recipe.task, Contested):
            net = Rivals(net, recipe.task.critic())
        net = net.to(world.device)
        if setting.shard:
            shard(net, world)
        else:
            _channels_last(net)
        self.state = State.fresh(net, recipe.optimiser)
        self.facts: dict[str, Any] = {
            "recipe": recipe.as_json(),
            "data": {"sha256": digest(setting.data), "licence": setting.licence},
            "best": before["best"] if before else None,
        }
        if setting.resume:
            for warning in checkpoint.load(self.checkpoints, self.state, world=world):
                self.watch(warning)
        self.log = self._open_log() if world.leads else None
        self._write(
            "start",
            recipe=recipe.as_json(),
            watch=recipe.task.watch,
            better=recipe.task.better,
            environment=environment(),
            parameters=parameters,
        )

    @property
    def _validation(self) -> tuple[Path, Split]:
        """What is validated on: a folder and which part of it."""
        return (self.setting.valid, "all") if self.setting.valid else (self.setting.data, "valid")

    def _open_log(self) -> Log:
        make_folder(self.setting.out)
        opened = Log(self.setting.out)
        opened.truncate(self.state.step)  # of a resumed run, or of one that was killed before its first checkpoint
        return opened

    def finish(self) -> Evaluation:
        """All steps that are left, and the evaluation of what they led to."""
        try:
            self._train()
        except VidwrightError as error:
            if self.world.size == 1 or isinstance(error, Diverged):  # else the other processes are not here
                self._end("diverged" if isinstance(error, Diverged) else "failed")
            raise
        if not self.world.all_agree(not self.stop.is_set()):
            self._end("interrupted")
            raise Interrupted(self.setting.out, f"stopped at step {self.state.step}", "run it again with --resume")
        last = self._validate()
        self._end("budget")
        self.world.wait()
        return last

    def _train(self) -> None:
        recipe, state, world = self.recipe, self.state, self.world
        done, saved = recipe.budget.progress(state.step, state.seconds), state.seconds
        for step in self._steps():
            self._note(step)
            before, done = done, recipe.budget.progress(state.step, state.seconds)
            if int(before * recipe.validations) < int(done * recipe.validations) and done < 1:
                self._validate()
            if state.seconds - saved > CHECKPOINT_SECONDS:
                saved = state.seconds
                self._save_or_warn()
            if not world.all_agree(not self.stop.is_set()):
                self.stop.set()
                return

    def _steps(self) -> Generator[Step]:
        recipe, setting, state, world = self.recipe, self.setting, self.state, self.world
        model = replicate(state.net, world)
        share = Share(world.rank, world.size)
        source = batches(self.samples, recipe.batch, start=state.batch, workers=setting.workers, share=share)
        with closing(source):
            yield from train(
                state,
                source,
                recipe.task.objective,
                optimiser=recipe.optimiser,
                budget=recipe.budget,
                model=torch.compile(model) if setting.compile else model,  # pyright: ignore[reportArgumentType]
                world=world,
                dtype=self.dtype,
                seed=recipe.seed,
            )

    def _note(self, step: Step) -> None:
        if step.bad:
            if step.bad == "weight" and self.log is not None:
                self.log.truncate(step.number)
            self._write("bad", step=step.number, batch=step.batch, where=step.bad)
            self.watch(f"batch {step.batch} left out: its {step.bad} is not finite")
        else:
            self._write(
                "step",
                step=step.number,
                batch=step.batch,
                loss=step.loss,
                losses=step.losses,
                rate=step.rate,
                gradient=step.gradient,
                seconds=step.seconds,
                worked=step.worked,
                waited=step.waited,
            )
            self.watch(step)

    def _validate(self) -> Evaluation:
        """Judge the averaged weights, and keep them if they are the best so far."""
        tensors, recipe = self.state.averaged(NET if isinstance(self.state.net, Rivals) else ""), self.recipe
        if not self.world.leads:
            return Evaluation({})
        net = models.card(recipe.model).build(recipe.config)
        net.load_state_dict(tensors)
        found = recipe.task.evaluate(
            _channels_last(net.to(self.world.device)).eval().requires_grad_(False),
            *self._validation,
            recipe.seed,
            recipe.validate_on,
        )
        assert self.log is not None
        step = self.state.step
        pictures = {name: self.log.picture(step, name, picture) for name, picture in found.pictures.items()}
        self._write("valid", step=step, seconds=self.state.seconds, metrics=dict(found.metrics), pictures=pictures)
        header = self._header(found.metrics)
        save_weights(self.setting.out / LAST, tensors, header)
        if self._is_best(found.metrics):
            self.facts["best"] = dict(found.metrics)
            save_weights(self.setting.out / BEST, tensors, header)
        self.watch(found)
        return found

    def _is_best(self, metrics: Mapping[str, float | None]) -> bool:
        task, best = self.recipe.task, self.facts["best"]
        new = metrics[task.watch]
        if best is None or new is None:
            return best is None
        old = best[task.watch]
        return new > old if task.better == "higher" else new < old

    def _header(self, metrics: Mapping[str, float | None]) -> dict[str, Any]:
        page = dict(self.facts["recipe"])
        if page["start"] is not None:
            page["start"] = Path(page["start"]).name  # where a file lay on this machine is nobody's business
        return {
            "model": page["model"],
            "name": page["weights"],
            "config": page["config"],
            "recipe": page,
            "data": self.facts["data"],
            "steps": self.state.step,
            "metrics": dict(metrics),
        }

    def _save(self) -> None:
        checkpoint.save(self.checkpoints, self.state, facts=self.facts, world=self.world)

    def _save_or_warn(self) -> None:
        """A checkpoint on the way: without room for it the training is worth more than the checkpoint."""
        try:
            self._save()
        except JobFailed as error:
            if self.world.size > 1:  # the others wait for this one
                raise
            self.watch(f"no checkpoint at step {self.state.step}: {error.cause}")

    def _end(self, why: str) -> None:
        self._save()
        if why == "budget":
            self._write_throughput()
        self._write("end", step=self.state.step, seconds=self.state.seconds, why=why)
        if self.log is not None:
            write_report(self.setting.out)

    def _write_throughput(self) -> None:
        """What a step costs in arithmetic, and how fast this machine does nothing but its convolutions."""
        if self.world.size > 1:  # each process would slow the others
            return
        with closing(batches(self.samples, self.recipe.batch)) as source:
            batch = {name: tensor.to(self.world.device) for name, tensor in next(source).items()}

        def step() -> None:
            losses = losses_of(self.state.net, batch, self.recipe.task.objective, self.dtype)
            torch.stack(list(losses.values())).sum().backward()

        patience = min(MEASURED, self.state.seconds / 10)  # a run of seconds is not kept waiting for seconds
        self._write("throughput", flops_per_step=flops_of(step), peak_flops=peak_flops(step, seconds=patience))
        for one in self.state.optimisers:
            one.zero_grad(set_to_none=True)

    def _write(self, kind: str, **fields: Any) -> None:
        if self.log is not None:
            self.log.write(kind, **fields)


def _checked(recipe: Recipe, setting: Setting, world: World) -> dict[str, Any] | None:
    """Refuse what cannot work before anything is written; returns the facts of the run that is resumed."""
    if recipe.batch % (world.size * recipe.optimiser.accumulate):
        parts = f"{world.size} processes times {recipe.optimiser.accumulate} accumulated parts"
        raise UsageError(f"--set batch={recipe.batch}", f"it does not divide into {parts}", "choose a multiple of both")
    if setting.shard and world.size == 1:
        raise UsageError("--shard", "there is one process only", "start it with torchrun, or leave --shard out")
    if recipe.optimiser.kind == "muon" and setting.shard:
        raise UsageError("--shard", "Muon needs whole matrices", "leave --shard out, or --set optimiser.kind=adamw")
    there = (setting.out / CHECKPOINTS).exists()
    if not setting.resume:
        if there:
            raise OutputExists(setting.out, "it holds a run already", "add --resume to go on, or choose another --out")
        return None
    before = checkpoint.facts(setting.out / CHECKPOINTS)
    for field, now in recipe.as_json().items():
        # How long, and how often it is looked at, may change.
        if field not in ("budget", "validations", "validate_on") and before["recipe"].get(field) != now:
            raise UsageError(
                setting.out, f"this run was begun with another {field}", "resume it with the recipe it was begun with"
            )
    return before


def _built(recipe: Recipe, *, start: bool) -> nn.Module:
    """The recipe's network, with random weights or those that the recipe starts from. Raises `ModelRefused`."""
    net = models.card(recipe.model).build(recipe.config)
    if recipe.start is None or not start:
        return net
    try:
        path = models.weights_path(recipe.model, recipe.start)
        assert path is not None
        tensors, header = read_weights(path)
        if header.get("model") != recipe.model:
            raise ModelRefused(path, f"these are weights of {header.get('model')!r}", "")
        fit(path, tensors, net)
    except ModelRefused as error:
        advice = f"start from weights of {recipe.model} whose config is the recipe's"
        raise ModelRefused(f"start={recipe.start}", error.cause, advice) from error
    return net


def _channels_last(net: nn.Module) -> nn.Module:
    """Kernels in the layout that convolutions are fastest in; only those of two dimensions have it."""
    for p in net.parameters():
        if p.ndim == 4:
            p.data = p.data.contiguous(memory_format=torch.channels_last)
    return net
