"""What each kind of change does to frames, as a step.

Shapes: C = 3 or 4 channels R'G'B' and alpha, H rows, W columns; opacity (H, W) in [0, 1].
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from vidwright import models
from vidwright.core import Frame, Needs, VideoInfo
from vidwright.core.window import windows
from vidwright.io.container import MAX_PIXELS
from vidwright.io.reader import Reader
from vidwright.jobs.beside import Beside
from vidwright.jobs.changes import Change, Colours, Fill, Picture
from vidwright.jobs.fill import Filler
from vidwright.jobs.job import Process
from vidwright.jobs.masks import Masks, check
from vidwright.jobs.steps import Step
from vidwright.models import DType
from vidwright.nn.resample import lanczos_to
from vidwright.vision.colours import Palette, recoloured
from vidwright.vision.masks import feathered

#: The network that makes up what no frame shows, and what stands for its usual weights and for none.
COMPLETION, USUAL, NONE = "edit/completion", "auto", "none"

#: Frames on either side over which a palette is taken.
STEADY = 8

Frames = Iterable[Frame]
#: Opacity (H, W) of a change in a frame.
Opacity = Callable[[Frame], Tensor]


@dataclass(frozen=True, slots=True)
class Means:
    """What changes are made with."""

    device: str = "auto"
    dtype: DType = "auto"
    max_pixels: int = MAX_PIXELS


def step_of(change: Change, means: Means) -> Step:
    """The step that makes a change. It raises `UsageError` for a region that is empty, and `BadInput`."""

    def step(info: VideoInfo) -> Process:
        check(change.region, info, max_pixels=means.max_pixels)
        opacity = opacity_of(change, info, means)
        put = change.put
        if isinstance(put, Fill):
            filler = Filler(completion(put, means))
            return Process(Filler.needs, info, lambda frames, begin: filler.stream(frames, opacity))
        if isinstance(put, Colours):
            like = _like(put, means, opacity)
            return Process(Needs(warmup=STEADY, lookahead=STEADY), info, lambda frames, begin: like(frames))
        if isinstance(put, Picture):
            make = _beside(put, info, means)
            return Process(Needs(), info, lambda frames, begin: _each(frames, make, opacity))
        return Process(Needs(), info, lambda frames, begin: _masked(frames, opacity))

    return step


def opacity_of(change: Change, info: VideoInfo, means: Means) -> Opacity:
    """How much of the change each pixel of a frame gets."""
    region = Masks(change.region, info, max_pixels=means.max_pixels)
    return lambda frame: feathered(region.at(frame.time), change.feather) * change.strength


def named(put: Fill) -> tuple[str, str | Path | None] | None:
    """The model that makes up what is never seen, and its weights; None for inpainting. Raises `ModelRefused`."""
    if put.model == NONE:
        return None
    return (COMPLETION, None) if put.model == USUAL else models.parse("edit", put.model)


def completion(put: Fill, means: Means) -> nn.Module | None:
    """The network of that name. Raises `ModelRefused`."""
    model = named(put)
    return None if model is None else models.load(*model, kind=nn.Module, device=means.device, dtype=means.dtype)


def blended(frame: Frame, picture_CHW: Tensor, opacity_HW: Tensor) -> Frame:
    """The frame with so much of another picture in it; where that is nothing it is as it was, to the bit."""
    data = frame.data.clone()
    seen = opacity_HW > 0
    data[:3] = torch.where(seen, torch.lerp(frame.data[:3], picture_CHW, opacity_HW), frame.data[:3])
    return frame.with_data(data)


def _each(frames: Frames, make: Callable[[Frame, Tensor], Tensor], opacity: Opacity) -> Generator[Frame]:
    """Each frame by itself, `make` being given it and where it is to change."""
    for frame in frames:
        opacity_HW = opacity(frame)
        yield blended(frame, make(frame, opacity_HW), opacity_HW) if bool(opacity_HW.any()) else frame


def _masked(frames: Frames, opacity: Opacity) -> Generator[Frame]:
    for frame in frames:
        yield frame.with_data(opacity(frame).expand(3, -1, -1).clone())


def _beside(put: Picture, info: VideoInfo, means: Means) -> Callable[[Frame, Tensor], Tensor]:
    """The other picture at the frame's time, with the frame's own palette as far as that is asked for."""
    video, size = Beside(put.path, max_pixels=means.max_pixels), (info.height, info.width)

    def make(frame: Frame, opacity_HW: Tensor) -> Tensor:
        other_CHW = stretched(video.at(frame.time).data[:3], size)
        if not put.match:
            return other_CHW
        alike_CHW = recoloured(other_CHW, Palette.of(other_CHW), Palette.of(frame.data[:3]))
        return torch.lerp(other_CHW, alike_CHW, put.match)

    return make


def _like(put: Colours, means: Means, opacity: Opacity) -> Callable[[Frames], Generator[Frame]]:
    """Frames with the palette of a reference; their own is that of their surroundings in time, lest it flickers."""
    with Reader(put.path, cuts=False, max_pixels=means.max_pixels) as pictures:
        wanted = Palette.of(next(pictures).frame().data[:3])

    def stream(frames: Frames) -> Generator[Frame]:
        seen = ((frame, Palette.of(frame.data[:3])) for frame in frames)
        for window in windows(seen, STEADY, is_cut=lambda each: each[0].cut):
            frame = window[STEADY][0]
            own = Palette.mean_of([palette for _, palette in window])
            yield blended(frame, recoloured(frame.data[:3], own, wanted), opacity(frame))

    return stream


def stretched(picture_CHW: Tensor, size: tuple[int, int]) -> Tensor:
    """A picture of exactly this size (H, W)."""
    return picture_CHW if picture_CHW.shape[1:] == size else lanczos_to(picture_CHW[None], size)[0].clamp(0, 1)
