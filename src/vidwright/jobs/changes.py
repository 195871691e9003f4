"""What an edit puts where: changes of a video, as data.

    Change(region=Region.box((120, 80, 260, 300), t=0.4).track().grow(6), put=Fill())

A further kind of `put` is a class here, its step in `jobs/edit.py`, and its flag in `cli/edit.py`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from vidwright.jobs.region import Data, Region


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
    """The colours of a reference picture: means and spreads of its lightness and its two colour axes."""

    kind: Literal["colours"] = "colours"
    path: Path


class Picture(Data):
    """Another picture or video in the region's place, stretched to cover it; its colours drawn near with `match`."""

    kind: Literal["picture"] = "picture"
    path: Path
    match: float = Field(default=0, ge=0, le=1)


class Mask(Data):
    """White in the region and black elsewhere: to look at what a region is."""

    kind: Literal["mask"] = "mask"


Put = Annotated[Fill | Keys | Colours | Picture | Mask, Field(discriminator="kind")]


class Change(Data):
    """One change: `put` in the `region`, by `strength`, over `feather` pixels around it."""

    region: Region = Region.everything()
    put: Put = Fill()
    strength: float = Field(default=1, gt=0, le=1)
    feather: float = Field(default=0, ge=0, le=500)
