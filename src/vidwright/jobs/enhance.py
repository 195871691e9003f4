"""`enhance`: the same video, larger."""

from __future__ import annotations

from dataclasses import replace

import torch
from pydantic import Field

from vidwright import models
from vidwright.core import Video, VideoInfo
from vidwright.core.errors import UsageError
from vidwright.core.files import sha256
from vidwright.jobs.job import Job, Options, Process, share_threads
from vidwright.jobs.steps import chain, through
from vidwright.nn.model import FrameModel


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
        process = chain(info, [through(net)])
        share_threads([net], threads, pixels=process.info.width * process.info.height)
        return process


def enhance(video: Video, model: FrameModel) -> Video:
    """`video` enlarged by a model of the task `enhance`, as `models.load` gives it; nothing is computed yet.

    Frames keep their times and colour tags, alpha is enlarged by Lanczos; the other streams stay as they are.
    """
    process = chain(video.info, [through(model)])
    return replace(video, info=process.info, frames=lambda: process.stream(video.frames(), None))
