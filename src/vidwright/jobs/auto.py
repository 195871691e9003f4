"""Looking at a clip, and deciding what is to be done with it.

Figures behind the thresholds, from good footage and copies of it with known noise and coded anew. `noise_level` is up
to 1.0 for good footage, 1.8 and more with white noise of 3 in each channel, 3.5 with 6, and 0.9 to 2.6 for the latter
after x264 at crf 18. The quantiser is 11 to 21 for good footage and above 30 at crf 32. `grid_steps` is at most 0.5 for
good footage, 0.9 to 2.5 after MPEG-4 at quantiser 8 and 1.2 to 3.3 at 16; a screen capture hides its blocks.
"""

from __future__ import annotations

import statistics
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import torch

from vidwright import models
from vidwright.core import VideoInfo
from vidwright.core.errors import UsageError
from vidwright.core.frame import FieldOrder
from vidwright.io.glimpse import Glimpse, glimpses
from vidwright.io.probe import probe
from vidwright.jobs.options import EnhanceOptions
from vidwright.jobs.retime import target_rate
from vidwright.vision.combing import field_order_of
from vidwright.vision.damage import grid_steps, noise_level

Decided = TypeVar("Decided", bound=EnhanceOptions)

#: Standard deviation of luma noise, in code values of 255, from which cleaning is worth its time.
NOISY = 1.3
#: Quantiser, on H.264's scale, from which coding shows.
COARSE = 30.0
#: Steps on the block grid, in code values, from which coding shows, whatever the file is coded with now.
BLOCKY = 1.0
#: Rows of the shorter side up to which video is enlarged if nobody says how much.
SMALL = 720


@dataclass(frozen=True, slots=True)
class Findings:
    """What a clip is like: what its file says, and medians over the glimpses; None where nobody looked."""

    info: VideoInfo
    noise: float | None = None
    grid: float | None = None
    quantiser: float | None = None
    field_order: FieldOrder | None = None

    @property
    def noisy(self) -> bool:
        return self.noise is not None and self.noise >= NOISY

    @property
    def blocky(self) -> bool:
        return (self.grid or 0) >= BLOCKY or (self.quantiser or 0) >= COARSE

    def words(self) -> str:
        """The findings in a line."""
        info = self.info
        order = info.field_order if info.field_order != "progressive" else self.field_order
        found = [f"{info.width}x{info.height}", f"{float(info.rate):.5g} fps"]
        found += [f"noisy ({self.noise or 0:.1f} of 255)"] * self.noisy
        found += ["coarsely coded"] * self.blocky
        found += [f"interlaced ({order} field first)"] * (order not in (None, "progressive"))
        return ", ".join(found)


def look_at(path: Path, options: EnhanceOptions) -> Findings:
    """Look at a few frames spread over the file, as far as `options` leave anything to be decided by them.

    Raises `BadInput` as `probe` does.
    """
    info = probe(path, max_pixels=options.max_pixels).info
    asked = options.model_copy(update=options.with_look())
    told = asked.deinterlace == "off" or info.field_order != "progressive" or asked.field_order != "auto"
    if asked.clean != "auto" and told:
        return Findings(info)
    seen = list(glimpses(path, max_pixels=options.max_pixels))
    if not seen:
        return Findings(info)
    clips = [torch.stack([frame.data for frame in glimpse.frames]) for glimpse in seen]
    levels = [glimpse.quantiser for glimpse in seen if glimpse.quantiser is not None]
    return Findings(
        info,
        noise=statistics.median(noise_level(clip) for clip in clips),
        grid=statistics.median(grid_steps(clip) for clip in clips),
        quantiser=statistics.median(levels) if levels else None,
        field_order=_agreed(seen),
    )


def _agreed(seen: list[Glimpse]) -> FieldOrder:
    """The order of fields that at least half of the glimpses show; one in which nothing moves shows none."""
    orders = Counter[FieldOrder](field_order_of(glimpse.frames) for glimpse in seen)
    del orders["progressive"]
    return orders.most_common(1)[0][0] if 2 * orders.total() >= len(seen) else "progressive"


def decide(found: Findings, options: Decided) -> Decided:
    """`options` with nothing left open.

    Raises `UsageError` for a rate or a height that makes nothing, and `ModelRefused`.
    """
    given = options.model_copy(update=options.with_look())
    order = found.info.field_order if found.info.field_order != "progressive" else found.field_order
    deinterlace, clean, field_order = given.deinterlace, given.clean, given.field_order
    if deinterlace == "auto":
        deinterlace = "off" if order in (None, "progressive") else "on"
    if deinterlace != "off" and field_order == "auto":
        field_order = "bottom" if order == "bottom" else "top"
    if clean == "auto":
        wanted = options.strength is not None or found.noisy or found.blocky
        clean = "on" if wanted and given.strength != 0 else "off"
    return options.model_copy(
        update={
            "deinterlace": deinterlace,
            "field_order": field_order,
            "clean": clean,
            "strength": 1.0 if given.strength is None else given.strength,
            "scale": scale_for(found.info, given),
            "height": None,
            "fps": rate_for(found.info, given.model_copy(update={"deinterlace": deinterlace})),
        }
    )


def rate_for(info: VideoInfo, options: EnhanceOptions) -> str | None:
    """The rate asked for as a number; what comes of fields has twice the rate before it is interpolated."""
    fields = 2 if options.deinterlace not in ("auto", "off") else 1
    return None if options.fps is None else str(target_rate(options.fps, fields * info.rate))


def scale_for(info: VideoInfo, options: EnhanceOptions) -> float:
    """How much to enlarge: as asked, else as much as weights that were named do, else by the size of the source."""
    if options.height is not None:
        scale = options.height / info.height
        if not 1 <= scale <= 8:
            raise UsageError(
                f"--height {options.height}",
                f"the input has {info.height} rows: this would be x{scale:.3g}",
                f"give a height from {info.height} to {8 * info.height}",
            )
        return scale
    if options.scale is not None:
        return options.scale
    name, weights = models.parse("enhance", options.model)
    if weights is not None:
        return models.load(name, weights, device="cpu").needs.scale
    return 2 if min(info.width, info.height) <= SMALL else 1
