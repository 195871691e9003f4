"""`enhance`: the same video, larger."""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Iterable, Iterator
from contextlib import closing
from dataclasses import replace
from typing import Any

import torch
from pydantic import Field

from vidwright import models
from vidwright.core import Frame, Video, VideoInfo
from vidwright.core.errors import UsageError
from vidwright.core.files import sha256
from vidwright.jobs.job import Job, Options, Process, share_threads
from vidwright.nn.model import FrameModel
from vidwright.nn.resample import lanczos


class EnhanceOptions(Options):
    """The options of `enhance`."""

    scale: int = Field(default=2, ge=1, le=8, description="How many times wider and higher.")
    model: str = Field(
        default="restorer:x2-fast", description="Model and weights: restorer:x2-fast, lanczos, or a .safetensors file."
    )


class Enhance(Job, EnhanceOptions):
    """Enlarge one file: `run(Enhance(input=..., output=..., scale=2))`."""

    def weights_sha256(self) -> str:
        path = models.weights_path(*models.parse("enhance", self.model))
        return "" if path is None else sha256(path)

    def open(self, info: VideoInfo, *, threads: int) -> Process:
        torch.manual_seed(self.seed)  # pyright: ignore[reportUnknownMemberType]
        name, weights = models.parse("enhance", self.model)
        config = {"scale": self.scale} if models.weights_path(name, weights) is None else {}
        net = models.load(name, weights, kind=FrameModel, device=self.device, dtype=self.dtype, **config)
        if net.needs.scale != self.scale:
            raise UsageError(
                f"--scale {self.scale}",
                f"{self.model} enlarges x{net.needs.scale}",
                "choose that scale, or --model lanczos",
            )
        enlarged = _enlarged(info, self.scale)
        share_threads(net, threads, pixels=enlarged.width * enlarged.height)
        return Process(net.needs, enlarged, lambda frames: _stream(net, frames))


def enhance(video: Video, model: FrameModel) -> Video:
    """`video` enlarged by a model of the task `enhance`, as `models.load` gives it; nothing is computed yet.

    Frames keep their times and colour tags, alpha is enlarged by Lanczos; the other streams stay as they are.
    """
    return replace(video, info=_enlarged(video.info, model.needs.scale), frames=lambda: _stream(model, video.frames()))


def _enlarged(info: VideoInfo, scale: int) -> VideoInfo:
    """Players guess missing colour tags from the size, so what the old size meant is written down."""
    colour = info.colour.resolved(info.width, info.height)
    return replace(info, width=info.width * scale, height=info.height * scale, colour=colour)


def _stream(model: FrameModel, frames: Iterable[Frame]) -> Generator[Frame, None, None]:
    """The model's stream over R'G'B', with alpha enlarged beside it."""
    alphas: deque[Any] = deque()

    def opaque() -> Iterator[Frame]:
        for frame in frames:
            alphas.append(frame.data[3:])
            yield frame.with_data(frame.data[:3])

    with closing(model.stream(opaque())) as results:
        for frame in results:
            alpha = alphas.popleft()
            if len(alpha):
                frame = frame.with_data(
                    torch.cat([frame.data, lanczos(alpha[None], model.needs.scale)[0].clamp_(0, 1)])
                )
            yield frame
            del frame
