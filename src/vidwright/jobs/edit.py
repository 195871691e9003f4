"""`edit`: the same video, changed where and as its user says, and nowhere else.

    source --change--> --change--> ... --> result

Changes are steps in a row: each is given what the one before it made, and its region is drawn on that.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch
from pydantic import Field

from vidwright import models
from vidwright.core import Video, VideoInfo
from vidwright.core.errors import UsageError
from vidwright.core.files import sha256
from vidwright.jobs.changes import Change, Colours, Fill, Keys, Picture
from vidwright.jobs.job import Job, Process, SourceOptions
from vidwright.jobs.puts import Means, named, step_of
from vidwright.jobs.steps import chain


class EditOptions(SourceOptions):
    """The options of `edit` beside the changes themselves."""


class Edit(Job, EditOptions):
    """Edit one file: `run(Edit(input=..., output=..., changes=(Change(region=..., put=Fill()),)))`."""

    changes: tuple[Change, ...] = Field(default=())

    def weights_sha256(self) -> str:
        return " ".join(sha256(path) for path in self.files())

    def files(self) -> list[Path]:
        """The files that decide the result beside the input: masks, pictures and weights. Raises `ModelRefused`."""
        found: list[Path] = []
        for change in self.changes:
            found += [shape.path for shape in change.region.shapes if shape.path is not None]
            put = change.put
            if isinstance(put, Picture | Colours):
                found.append(put.path)
            elif isinstance(put, Keys):
                found += [key.path for key in put.keys]
            elif isinstance(put, Fill) and (model := named(put)) and (weights := models.weights_path(*model)):
                found.append(weights)
        return found

    def open(self, info: VideoInfo, *, threads: int) -> Process:
        torch.set_num_threads(threads)
        if not self.changes:
            raise UsageError(
                "edit", "this makes nothing: no change was asked for", "give --remove, --key or --recolour"
            )
        means = Means(device=self.device, dtype=self.dtype, max_pixels=self.max_pixels)
        return chain(info, [step_of(change, means) for change in self.changes])


def edit(video: Video, changes: Sequence[Change]) -> Video:
    """`video` with `changes` made in it, in this order. Nothing is computed yet.

    Frames keep their times, and what lies outside of the regions is as it was, to the bit. Raises `UsageError` for
    regions that are empty or cannot be followed in a video that is no file, and `BadInput` for masks and pictures.
    """
    means = Means()
    process = chain(video.info, [step_of(change, means) for change in changes])
    return replace(video, info=process.info, frames=lambda: process.stream(video.frames(), None))
