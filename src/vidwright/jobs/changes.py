"""What an edit puts where: changes of a video, as data.

    Change(region=Region.box((120, 80, 260, 300), t=0.4).track().grow(6), put=Fill())

A further kind of `put` is a class here, its step in `jobs/edit.py`, and its flag in `cli/edit.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from vidwright.core.errors import UsageError
from vidwright.jobs.region import Data, Region

#: Pixels that a picture may grow by on one side.
MOST_BORDER = 4096


class Fill(Data):
    """What lies behind: copied from frames that show it, and made up where none does.

    `model` makes that up: weights of edit/completion, or "none" for inpainting each frame from its hole's rim.
    """

    kind: Literal["fill"] = "fill"
    model: str = "auto"


class Key(Data):
    """A frame as somebody has painted it: the picture that is shown at second `at`, of the same size."""

    path: Path
    at: float = Field(ge=0)


class Keys(Data):
    """What was painted on single frames, carried to all others of their shots.

    With `colour` the colour alone: the light and dark of each frame stay its own.
    """

    kind: Literal["keys"] = "keys"
    keys: tuple[Key, ...] = Field(min_length=1)
    colour: bool = False


class Colours(Data):
    """The colours of a reference picture: the mean and the covariance of its R'G'B'."""

    kind: Literal["colours"] = "colours"
    path: Path


class Picture(Data):
    """Another picture or video in the region's place, stretched to cover it; its colours drawn near with `match`."""

    kind: Literal["picture"] = "picture"
    path: Path
    match: float = Field(default=0, ge=0, le=1)


class Border(Data):
    """A larger picture: pixels on the left, at the top, on the right and at the bottom, or as many as a shape takes.

    They are filled as holes are, with weights as in `Fill`. It takes no region.
    """

    kind: Literal["border"] = "border"
    sides: tuple[int, int, int, int] = (0, 0, 0, 0)
    aspect: str | None = None
    model: str = "auto"

    @model_validator(mode="after")
    def _outwards(self) -> Self:
        if min(self.sides) < 0 or max(self.sides) > MOST_BORDER:
            raise ValueError(f"a border is from 0 to {MOST_BORDER} pixels wide")
        return self


class Crop(Data):
    """A window of another shape that follows the region."""

    kind: Literal["crop"] = "crop"
    aspect: str


class Steady(Data):
    """The colours of an edit that flickers, evened out along the motion of the original video."""

    kind: Literal["steady"] = "steady"
    path: Path


class Stabilise(Data):
    """A calm camera: the `share` of its shake that is taken out, and what fills the new border, as in `Fill`.

    It takes no region.
    """

    kind: Literal["stabilise"] = "stabilise"
    share: float = Field(default=1, gt=0, le=1)
    model: str = "auto"


class Speed(Data):
    """The video `speed` times as fast, in as many frames a second, with its sound. It is the last change, of all of it.

    Frames of a slower one are made between those that there are; of a faster one some are left out.
    """

    kind: Literal["speed"] = "speed"
    speed: float = Field(ge=1 / 8, le=8)

    @property
    def factor(self) -> Fraction:
        """The speed as it was written, exactly."""
        return Fraction(str(self.speed))


class Seam(Data):
    """Where a loop begins and ends, in seconds, and how many frames before its end turn into those before its start."""

    begin: float = Field(ge=0)
    end: float = Field(gt=0)
    frames: int = Field(gt=0)


class Loop(Data):
    """A clip whose last frame leads to its first, the last `seconds` turning into what comes before its beginning.

    It is the first change, of all of it. The `seam` is decided by looking; sound ends where the pictures do.
    """

    kind: Literal["loop"] = "loop"
    seconds: float = Field(default=0.5, gt=0, le=10)
    seam: Seam | None = None


class Mask(Data):
    """White in the region and black elsewhere: to look at what a region is."""

    kind: Literal["mask"] = "mask"


Put = Annotated[
    Fill | Keys | Colours | Picture | Border | Crop | Steady | Stabilise | Speed | Loop | Mask,
    Field(discriminator="kind"),
]


class Change(Data):
    """One change: `put` in the `region`, by `strength`, over `feather` pixels around it."""

    region: Region = Region.everything()
    put: Put = Fill()
    strength: float = Field(default=1, gt=0, le=1)
    feather: float = Field(default=0, ge=0, le=500)

    @model_validator(mode="after")
    def _followed_once(self) -> Self:
        if isinstance(self.put, Keys) and self.region.tracked:
            raise ValueError("what was painted is carried by itself: its region is not tracked")
        return self


def in_order(changes: Sequence[Change]) -> None:
    """Raise `UsageError` where something is done before a loop is made, or after the times of frames were changed."""
    if any(isinstance(change.put, Loop) for change in changes[1:]):
        raise UsageError("--loop", "it is not the first change", "put it at the beginning, or make two runs of it")
    if any(isinstance(change.put, Speed) for change in changes[:-1]):
        raise UsageError("--speed", "it is not the last change", "put it at the end, or make two runs of it")
