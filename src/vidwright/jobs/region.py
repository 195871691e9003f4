"""Where an edit takes place: a region in space and time, as data.

box:120,80,260,300@0.4      left, top, right, bottom in pixels, as it is at that second
ellipse:190,190,70,110      middle and radii         polygon:10,10,90,10,50,80      corners
brush:12,40,50,80,60        width of a round brush and the points of its way
mask.png   mask.mkv         white is inside: a picture for all frames, or for that second, or one for each frame
all                         everything
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from torch import Tensor

from vidwright.core.errors import UsageError, did_you_mean
from vidwright.io.container import SUFFIXES
from vidwright.vision import masks

Kind = Literal["box", "ellipse", "polygon", "brush", "mask", "all"]

#: How many numbers each kind of shape takes at least, and what they are.
NUMBERS: dict[str, tuple[int, str]] = {
    "box": (4, "left,top,right,bottom"),
    "ellipse": (4, "x,y,radius across,radius down"),
    "polygon": (6, "x,y of three corners or more"),
    "brush": (3, "width,x,y of a point or more"),
    "mask": (0, ""),
    "all": (0, ""),
}
#: Endings of pictures that can be masks.
PICTURES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff")


class Data(BaseModel):
    """What a job is made of: frozen, and refusing what it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Shape(Data):
    """One shape; with `at` it is how the region looks at that second."""

    kind: Kind
    numbers: tuple[float, ...] = ()
    path: Path | None = None
    at: float | None = Field(default=None, ge=0)

    @model_validator(mode="after")
    def _complete(self) -> Self:
        least, words = NUMBERS[self.kind]
        exact = self.kind not in ("polygon", "brush")
        pairs = (len(self.numbers) - (self.kind == "brush")) % 2
        if len(self.numbers) < least or (exact and len(self.numbers) != least) or pairs:
            raise ValueError(f"{self.kind} takes {words}" if words else f"{self.kind} takes no numbers")
        if (self.kind == "mask") != (self.path is not None):
            raise ValueError("a mask has a path, and nothing else has")
        if self.kind == "box" and not (self.numbers[0] < self.numbers[2] and self.numbers[1] < self.numbers[3]):
            raise ValueError("the box is empty: give left,top,right,bottom")
        return self

    def drawn(self, size: tuple[int, int]) -> Tensor:
        """The shape in a picture of (H, W), bool; of any kind but mask."""
        places = self.numbers[1:] if self.kind == "brush" else self.numbers
        points = list(zip(places[::2], places[1::2], strict=True))
        if self.kind == "box":
            left, top, right, bottom = self.numbers
            return masks.box(size, left, top, right, bottom)
        if self.kind == "ellipse":
            x, y, across, down = self.numbers
            return masks.ellipse(size, x, y, across, down)
        if self.kind == "polygon":
            return masks.polygon(size, points)
        if self.kind == "brush":
            return masks.stroke(size, self.numbers[0], points)
        height, width = size
        return masks.box(size, 0, 0, width, height)


class Region(Data):
    """Where and when: shapes, of which those with a time are keys, and what is done with the mask that they make.

    Without `tracked` a single key holds at all times and several are interpolated; with it what lies in the first key
    is followed through its shot, with `shadows` what it darkens as well, and further keys correct it. A mask of any
    size is stretched to the picture; of a video of masks that one counts that is shown at the frame's time, the first
    before it and the last after it. `growth` is in pixels; `form` makes the mask simpler; `start` and `stop` are in
    seconds; `inverted`: all the rest.
    """

    shapes: tuple[Shape, ...] = Field(min_length=1)
    tracked: bool = False
    growth: float = 0
    form: Literal["as drawn", "hull", "box"] = "as drawn"
    shadows: bool = False
    inverted: bool = False
    start: float = Field(default=0, ge=0)
    stop: float | None = Field(default=None, gt=0)

    @model_validator(mode="after")
    def _sensible(self) -> Self:
        timed = [shape for shape in self.shapes if shape.at is not None]
        if timed and len(timed) < len(self.shapes):
            raise ValueError("of several shapes either all have a time or none has")
        if self.tracked and not timed:
            raise ValueError("to follow something it takes a shape with a time, as box:120,80,260,300@0.4")
        if self.shadows and not self.tracked:
            raise ValueError("shadows are found while the region is tracked")
        return self

    @classmethod
    def box(cls, xyxy: tuple[float, float, float, float], t: float | None = None) -> Region:
        """A rectangle by its left, top, right and bottom in pixels, as it is at second `t`."""
        return cls(shapes=(Shape(kind="box", numbers=xyxy, at=t),))

    @classmethod
    def ellipse(cls, middle: tuple[float, float], radii: tuple[float, float], t: float | None = None) -> Region:
        """An ellipse, in pixels."""
        return cls(shapes=(Shape(kind="ellipse", numbers=(*middle, *radii), at=t),))

    @classmethod
    def mask(cls, path: str | Path, t: float | None = None) -> Region:
        """What is white in a picture or a video."""
        return cls(shapes=(Shape(kind="mask", path=Path(path), at=t),))

    @classmethod
    def everything(cls) -> Region:
        """All of every frame."""
        return cls(shapes=(Shape(kind="all"),))

    @classmethod
    def parse(cls, text: str, **fields: Any) -> Region:
        """The region of words such as those above, several keys joined by a semicolon. Raises `UsageError`."""
        shapes = tuple(parsed(word) for word in text.split(";"))
        try:
            return cls(shapes=shapes, **fields)
        except ValidationError as error:
            first = error.errors()[0]
            cause = ": ".join([*map(str, first["loc"]), first["msg"].removeprefix("Value error, ")])
            raise UsageError(text, cause, "write regions as box:120,80,260,300 or box:120,80,260,300@0.4") from error

    def track(self, *, shadows: bool = False) -> Self:
        """Follow what lies in it, and its shadow if that is wanted."""
        return type(self).model_validate(self.model_dump() | {"tracked": True, "shadows": shadows})

    def grow(self, pixels: float) -> Self:
        """Larger on all sides."""
        return self.model_copy(update={"growth": self.growth + pixels})

    def hull(self) -> Self:
        """Without dents."""
        return self.model_copy(update={"form": "hull"})


def parsed(word: str) -> Shape:
    """The shape of words such as `box:120,80,260,300@0.4`, or of a file's name. Raises `UsageError`."""
    text, sign, time = word.rpartition("@")
    try:
        at = float(time) if sign else None
    except ValueError:
        text, at = word, None  # a file with an @ in its name
    text = text if sign and at is not None else word
    if at is not None and not 0 <= at < math.inf:
        raise UsageError(word, "this is no second of a video", "write @seconds behind it, from 0 on")
    kind, _, rest = text.partition(":")
    if text == "all":
        return Shape(kind="all", at=at)
    if Path(text).suffix.lower() in (*SUFFIXES, *PICTURES):
        return Shape(kind="mask", path=Path(text), at=at)
    if kind not in NUMBERS or kind in ("mask", "all"):
        known = [f"{name}:{words}" for name, (_, words) in NUMBERS.items() if words]
        raise UsageError(word, "this is no region", did_you_mean(word, [*known, "mask.png", "mask.mkv", "all"]))
    try:
        return Shape(kind=kind, numbers=tuple(float(number) for number in rest.split(",")), at=at)  # pyright: ignore[reportArgumentType]
    except ValueError as error:
        words = NUMBERS[kind][1]
        raise UsageError(word, f"{kind} takes {words}", f"write {kind}:{words}, and @seconds behind it") from error
