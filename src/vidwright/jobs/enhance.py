"""`enhance`: the same video, better. Cleaned, enlarged, deinterlaced and with more frames, in one pass."""

from __future__ import annotations

import math
import threading
from collections.abc import Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Protocol, Self, TypeVar, runtime_checkable

import torch
from pydantic import Field

from vidwright import models
from vidwright.core import Video, VideoInfo
from vidwright.core.errors import UsageError
from vidwright.core.files import sha256
from vidwright.jobs.adapt import LESSONS, Learner, Pupil, learn
from vidwright.jobs.auto import decide, look_at
from vidwright.jobs.job import Job, Process, Tell, share_threads
from vidwright.jobs.options import EnhanceOptions
from vidwright.jobs.retime import target_rate
from vidwright.jobs.steps import Step, bwdif, chain, fields, interpolate, resize, through
from vidwright.nn.model import FrameModel, InterpolationModel
from vidwright.train.schedule import Budget

N = TypeVar("N", FrameModel, InterpolationModel)

#: How much the largest networks enlarge; beyond that Lanczos does the rest.
LARGEST = 4


#: A model and its weights, as `models.load` is given them.
Named = tuple[str, str | Path | None]


@runtime_checkable
class Adjustable(Protocol):
    """A network whose work can be weakened or strengthened: 0 is nothing, 1 as learned."""

    strength: float


@dataclass(frozen=True, slots=True)
class Networks:
    """The networks of the steps that have one, each of which may be replaced by one that has learned from the clip."""

    deinterlace: FrameModel | None = None
    clean: FrameModel | None = None
    enlarge: FrameModel | None = None
    interpolate: InterpolationModel | None = None

    def all(self) -> list[FrameModel | InterpolationModel]:
        """Those that there are, in the order in which they work."""
        networks = (self.deinterlace, self.clean, self.enlarge, self.interpolate)
        return [network for network in networks if network is not None]


class Enhance(Job, EnhanceOptions):
    """Enhance one file: `run(Enhance(input=..., output=..., scale=2))`.

    `learned` are weights that came of learning from the input, instead of those that `model` and `quality` name.
    """

    learned: dict[Learner, Path] = Field(default_factory=dict[Learner, Path])

    def decided(self) -> tuple[Self, str]:
        found = look_at(self.input, self)
        job = decide(found, self)
        words = f"{self.input.name}: {found.words()} -> {job.words()}"
        if job.adapt is not None and (names := [job.named()[step][0].rpartition("/")[2] for step in job.learners()]):
            words += f"; first {', '.join(names)} learn from the clip, {job.adapt:g} min in all"
        return job, words

    def adapted(self, info: VideoInfo, *, tell: Tell, stop: threading.Event) -> Self:
        if self.adapt is None:
            return self
        job, minutes, steps = self, self.adapt, self.learners()
        if not steps:
            tell(f"{self.input.name}: nothing that is used here can learn from the clip")
        for number, step in enumerate(steps):
            share = minutes / (len(steps) - number)
            found = learn(job.pupil(step, info, share), tell=tell, stop=stop)
            if found is not None:  # or else its minutes are left to the others
                minutes -= share
                job = job.model_copy(update={"learned": job.learned | {step: found}})
        return job

    def learners(self) -> list[Learner]:
        """The steps whose networks can learn from the input, in their order."""
        networks, named = self.networks(), self.named()
        used: list[Learner] = [step for step in LESSONS if getattr(networks, step, None) is not None]
        return [step for step in used if models.weights_path(*named[step]) is not None]

    def pupil(self, step: Learner, info: VideoInfo, minutes: float) -> Pupil:
        """The network of one of `learners`, to learn for `minutes` from the input behind what comes before it."""
        named = self.named()
        path = models.weights_path(*named[step])
        assert path is not None  # as `learners` has it
        cleaned = step != "clean" and self.clean == "on"
        before = self.model_copy(update={"scale": 1, "fps": None})
        networks = replace(self.networks(), enlarge=None, interpolate=None)
        if not cleaned:
            networks = replace(networks, clean=None)
        needed = self.deinterlace != "off" or cleaned
        says = {"deinterlace", "field_order", *({"strength"} if cleaned else ())}
        behind = {each: named[each] for each in ("deinterlace", "clean") if getattr(networks, each) is not None}
        return Pupil(
            source=self.input,
            info=info,
            step=step,
            model=named[step][0],
            weights=path,
            budget=Budget(minutes=minutes),
            before=before.process(info, networks, threads=1) if needed else chain(info, []),
            device=self.device,
            seed=self.seed,
            max_pixels=self.max_pixels,
            said={**before.model_dump(mode="json", include=says), "behind": _sha256(behind)},
        )

    def weights_sha256(self) -> str:
        return _sha256(self.named())

    def open(self, info: VideoInfo, *, threads: int) -> Process:
        torch.manual_seed(self.seed)  # pyright: ignore[reportUnknownMemberType]
        return self.process(info, self.networks(), threads=threads)

    def networks(self) -> Networks:
        """The networks of what is to be done. Raises `ModelRefused`, and `UsageError` for too small a scale."""
        named = self.named()

        def load(step: str, kind: type[N]) -> N | None:
            if step not in named:
                return None
            name, weights = named[step]
            config = {"scale": math.ceil(self.scale or 1)} if models.weights_path(name, weights) is None else {}
            return models.load(name, weights, kind=kind, device=self.device, dtype=self.dtype, **config)

        found = Networks(
            load("deinterlace", FrameModel),
            load("clean", FrameModel),
            load("enlarge", FrameModel),
            load("interpolate", InterpolationModel),
        )
        if isinstance(found.clean, Adjustable):
            found.clean.strength = 1.0 if self.strength is None else self.strength
        scale = found.enlarge.needs.scale if found.enlarge is not None else LARGEST
        if scale < min(self.scale or 1, LARGEST):
            raise UsageError(
                f"--scale {self.scale:g}",
                f"{self.model} enlarges x{scale}",
                "choose that scale or a smaller one, or another --model",
            )
        if self.scale == 1 < scale:
            return replace(found, enlarge=None)
        return found

    def process(self, info: VideoInfo, networks: Networks, *, threads: int) -> Process:
        """What is done with a source like `info`, by these networks. Raises `UsageError` when that is nothing."""
        scale = 1 if networks.enlarge is None else networks.enlarge.needs.scale
        largest = max(scale, self.scale or 1) ** 2 * info.width * info.height
        at_once = share_threads(networks.all(), threads, pixels=math.ceil(largest))
        steps: list[Step] = []
        if self.deinterlace != "off":
            steps.append(fields("bottom" if self.field_order == "bottom" else "top"))
            steps.append(bwdif if networks.deinterlace is None else through(networks.deinterlace))
        steps += [through(network) for network in (networks.clean, networks.enlarge) if network is not None]
        width, height = enlarged(info, self.scale or 1)
        if (width, height) != (scale * info.width, scale * info.height):
            steps.append(resize(width, height, at_once=at_once))
        if networks.interpolate is not None and self.fps is not None:
            steps.append(interpolate(networks.interpolate, Fraction(self.fps)))
        if not steps:
            raise UsageError(
                f"--scale {self.scale or 1:g}",
                "this makes nothing: no step was asked for, and none seems to be needed",
                "give --scale 2, --clean on or --fps x2",
            )
        return chain(info, steps)

    def named(self) -> dict[str, Named]:
        """Model and weights of each step that has a network."""
        named: dict[str, Named] = {}
        if self.deinterlace == "on":
            named["deinterlace"] = "enhance/deinterlacer", self._set("enhance/deinterlacer")
        if self.clean == "on":
            named["clean"] = "enhance/cleaner", self._set("enhance/cleaner")
        name, weights = models.parse("enhance", self.model)
        if self.scale != 1:
            size = 2 if (self.scale or 1) <= 2 else LARGEST
            named["enlarge"] = name, weights or self._set(name, f"x{size}-")
        elif weights is not None:  # of a model that keeps the size: others are not used
            named["enlarge"] = name, weights
        if self.fps is not None:
            named["interpolate"] = "enhance/interpolator", self._set("enhance/interpolator")
        return named | {step: (named[step][0], path) for step, path in self.learned.items()}

    def _set(self, model: str, size: str = "") -> str | None:
        """The weights of `model` of the quality asked for, or else the fast ones; None if it ships none."""
        sets = models.card(model).weights
        wanted = f"{size}{self.quality}"
        return None if not sets else wanted if wanted in sets else f"{size}fast"


def _sha256(named: Mapping[str, Named]) -> str:
    """What identifies all their weights."""
    paths = [models.weights_path(*each) for each in named.values()]
    return " ".join(sha256(path) for path in paths if path is not None)


def enlarged(info: VideoInfo, scale: float) -> tuple[int, int]:
    """Width and height at `scale`: even ones if that is not a whole number, so that 4:2:0 can hold them."""
    if scale == int(scale):
        return info.width * int(scale), info.height * int(scale)
    return 2 * round(info.width * scale / 2), 2 * round(info.height * scale / 2)


def enhance(video: Video, *networks: FrameModel | InterpolationModel, fps: Fraction | int | None = None) -> Video:
    """`video` through models of the task `enhance`, as `models.load` gives them, in this order.

    Nothing is computed yet. Frames keep their colour tags, and their times unless a model makes more of them; one that
    interpolates does so to `fps` frames per second, and comes last. Alpha goes beside the networks; the other streams
    stay as they are. Raises `UsageError` for a rate without such a model or the reverse, and one that makes nothing.
    """
    *others, last = networks or (None,)
    steps = [through(network) for network in networks if isinstance(network, FrameModel)]
    if isinstance(last, InterpolationModel) != (fps is not None) or len(steps) < len(others):
        raise UsageError(
            f"fps={fps}",
            "a rate needs a model that interpolates, as the last one, and such a model needs a rate",
            'enhance(video, load("enhance/interpolator", kind=InterpolationModel), fps=60)',
        )
    process = chain(video.info, steps)
    if isinstance(last, InterpolationModel):
        rate = target_rate(str(fps), process.info.rate)
        process = chain(video.info, [*steps, interpolate(last, rate)])
    return replace(video, info=process.info, frames=lambda: process.stream(video.frames(), None))
