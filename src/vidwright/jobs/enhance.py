"""`enhance`: the same video, better. Cleaned, enlarged, deinterlaced and with more frames, in one pass."""

from __future__ import annotations

import math
import threading
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Protocol, Self, TypeVar, runtime_checkable

import torch

from vidwright import models
from vidwright.core import Video, VideoInfo
from vidwright.core.errors import UsageError
from vidwright.core.files import sha256
from vidwright.jobs.adapt import Pupil, learned
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
    """Enhance one file: `run(Enhance(input=..., output=..., scale=2))`."""

    def decided(self) -> tuple[Self, str]:
        found = look_at(self.input, self)
        job = decide(found, self)
        return job, f"{self.input.name}: {found.words()} -> {job.words()}"

    def adapted(self, info: VideoInfo, *, tell: Tell, stop: threading.Event) -> Self:
        if self.adapt is None:
            return self
        pupil = self.pupil(info)
        if pupil is None:
            tell(f"{self.input.name}: nothing that is used here can learn from the clip")
            return self
        found = learned(pupil, tell=tell, stop=stop)
        return self if found is None else self.model_copy(update={"model": str(found)})

    def pupil(self, info: VideoInfo) -> Pupil | None:
        """The network that enlarges, to learn from the input behind the steps before it; None if there is none."""
        name, weights = self._named().get("enlarge", ("", None))
        path = models.weights_path(name, weights) if name else None
        if self.adapt is None or path is None:
            return None
        before = self.model_copy(update={"scale": 1, "fps": None})
        networks = replace(self.networks(), enlarge=None, interpolate=None)
        needed = self.deinterlace != "off" or networks.clean is not None
        return Pupil(
            source=self.input,
            info=info,
            model=name,
            weights=path,
            budget=Budget(minutes=self.adapt),
            before=before.process(info, networks, threads=1) if needed else chain(info, []),
            device=self.device,
            seed=self.seed,
            max_pixels=self.max_pixels,
            said=before.model_dump(mode="json", include={"clean", "strength", "deinterlace", "field_order", "quality"}),
        )

    def weights_sha256(self) -> str:
        paths = [models.weights_path(*named) for named in self._named().values()]
        return " ".join(sha256(path) for path in paths if path is not None)

    def open(self, info: VideoInfo, *, threads: int) -> Process:
        torch.manual_seed(self.seed)  # pyright: ignore[reportUnknownMemberType]
        return self.process(info, self.networks(), threads=threads)

    def networks(self) -> Networks:
        """The networks of what is to be done. Raises `ModelRefused`, and `UsageError` for too small a scale."""
        named = self._named()

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

    def _named(self) -> dict[str, tuple[str, str | Path | None]]:
        """Model and weights of each step that has a network."""
        named: dict[str, tuple[str, str | Path | None]] = {}
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
        return named

    def _set(self, model: str, size: str = "") -> str | None:
        """The weights of `model` of the quality asked for, or else the fast ones; None if it ships none."""
        sets = models.card(model).weights
        wanted = f"{size}{self.quality}"
        return None if not sets else wanted if wanted in sets else f"{size}fast"


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
