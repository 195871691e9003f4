"""What each kind of change does to frames, as a step.

Shapes: C = 3 or 4 channels R'G'B' and alpha, H rows, W columns; opacity (H, W) in [0, 1].
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import torch
from torch import Tensor

from vidwright import models
from vidwright.core import Frame, Needs, VideoInfo
from vidwright.core.window import windows
from vidwright.io.container import MAX_PIXELS
from vidwright.io.reader import Reader
from vidwright.jobs import steadying
from vidwright.jobs.beside import Beside
from vidwright.jobs.changes import Border, Change, Colours, Crop, Fill, Keys, Loop, Picture, Speed, Stabilise, Steady
from vidwright.jobs.fill import Filler
from vidwright.jobs.framing import bordered, cropped, filled
from vidwright.jobs.job import FRAMES_AT_ONCE, Process
from vidwright.jobs.looping import looped
from vidwright.jobs.masks import Masks, check
from vidwright.jobs.pacing import NETWORK, paced
from vidwright.jobs.propagate import Ways
from vidwright.jobs.region import Region, Shape
from vidwright.jobs.stabilising import stabilised
from vidwright.jobs.steps import Step
from vidwright.models import DType
from vidwright.nn.model import CompletionModel, InterpolationModel
from vidwright.nn.resample import stretched
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
    threads: int = 1


def step_of(change: Change, means: Means, found: Path | None = None) -> Step:
    """The step that makes a change, with the file that was `found` for it (`jobs/prepare.py`) if there is to be one.

    Without that the step says what it needs, and makes no frame. It raises `UsageError` for a region that is empty, and
    `BadInput`.
    """

    def step(info: VideoInfo) -> Process:
        put = change.put
        if found is None and isinstance(put, Keys | Loop):
            return Process(Needs(), info, _unknown)
        if isinstance(put, Border):
            return bordered(put, info, Filler(completion(put.model, means), threads=means.threads))
        if isinstance(put, Stabilise):
            return stabilised(put, info, Filler(completion(put.model, means), threads=means.threads))
        if isinstance(put, Speed):
            return paced(put, info, _interpolator(means) if put.factor < 1 else None)
        if isinstance(put, Loop) and put.seam is not None and found is not None:
            return looped(put.seam, info, found, max_pixels=means.max_pixels)
        check(_known(change.region, found), info, max_pixels=means.max_pixels)
        opacity = opacity_of(change, info, means, found)
        if isinstance(put, Keys) and found is not None:
            painted = _painted(Ways(found), opacity, colour=put.colour)
            return Process(Needs(), info, lambda frames, begin: painted(frames))
        if isinstance(put, Fill):
            return filled(Filler(completion(put.model, means), threads=means.threads), info, opacity)
        if isinstance(put, Colours):
            like = _like(put, means, opacity)
            return Process(Needs(warmup=STEADY, lookahead=STEADY), info, lambda frames, begin: like(frames))
        if isinstance(put, Crop):
            return cropped(put, info, opacity)
        if isinstance(put, Steady):
            original = Beside(put.path, max_pixels=means.max_pixels)
            return Process(steadying.NEEDS, info, lambda frames, begin: steadying.steadied(frames, original, opacity))
        if isinstance(put, Picture):
            make = _beside(put, info, means)
            return Process(Needs(), info, lambda frames, begin: _each(frames, make, opacity))
        return Process(Needs(), info, lambda frames, begin: _masked(frames, opacity))

    return step


def opacity_of(change: Change, info: VideoInfo, means: Means, found: Path | None = None) -> Opacity:
    """How much of the change each pixel of a frame gets, with the masks that were `found` for it if it is tracked."""
    region = Masks(_known(change.region, found), info, max_pixels=means.max_pixels)
    return lambda frame: feathered(region.at(frame.time), change.feather) * change.strength


def _known(region: Region, found: Path | None) -> Region:
    """A region that was tracked as the masks that this gave."""
    if found is None or not region.tracked:
        return region
    return region.model_copy(update={"shapes": (Shape(kind="mask", path=found),), "tracked": False})


def named(spec: str) -> tuple[str, str | Path | None] | None:
    """The model that makes up what is never seen, and its weights; None for inpainting. Raises `ModelRefused`."""
    if spec == NONE:
        return None
    return (COMPLETION, None) if spec == USUAL else models.parse("edit", spec)


def completion(spec: str, means: Means) -> CompletionModel | None:
    """The network of that name. Raises `ModelRefused`."""
    model = named(spec)
    return None if model is None else models.load(*model, kind=CompletionModel, device=means.device, dtype=means.dtype)


def _interpolator(means: Means) -> InterpolationModel:
    network = models.load(*NETWORK, kind=InterpolationModel, device=means.device, dtype=means.dtype)
    network.at_once = min(means.threads, FRAMES_AT_ONCE)
    return network


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


def _unknown(frames: Frames, begin: Fraction | None) -> Generator[Frame]:
    raise RuntimeError("what this change needs to know of the video was not found yet")


def _painted(ways: Ways, opacity: Opacity, *, colour: bool) -> Callable[[Frames], Generator[Frame]]:
    def stream(frames: Frames) -> Generator[Frame]:
        for frame in frames:
            yield blended(frame, ways.painted(frame, colour=colour).data[:3], opacity(frame))

    return stream


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
    wanted = Palette.of(still(put.path, means.max_pixels))

    def stream(frames: Frames) -> Generator[Frame]:
        seen = ((frame, Palette.of(frame.data[:3])) for frame in frames)
        for window in windows(seen, STEADY, is_cut=lambda each: each[0].cut):
            frame = window[STEADY][0]
            own = Palette.mean_of([palette for _, palette in window])
            yield blended(frame, recoloured(frame.data[:3], own, wanted), opacity(frame))

    return stream


def still(path: Path, max_pixels: int) -> Tensor:
    """The first picture of a file, (3, H, W). Raises `BadInput`."""
    with Reader(path, cuts=False, max_pixels=max_pixels) as pictures:
        return next(pictures).frame().data[:3]
