"""Pixels never travel without their time."""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from typing import TYPE_CHECKING, Literal

from vidwright.core.colour import Colour

if TYPE_CHECKING:  # torch takes seconds to import, and the command line reads this module
    from torch import Tensor


#: A picture of one moment, or of two fields, of which the even rows ("top") or the odd ones ("bottom") are the earlier.
FieldOrder = Literal["progressive", "top", "bottom"]


@dataclass(frozen=True, slots=True)
class Frame:
    """One picture as R'G'B' with its place in time.

    `data` is (3, H, W) float32, or (4, H, W) with straight alpha last; nominal range [0, 1]. Values are not
    clipped: what a studio-swing source holds below black or above white lies outside the nominal range.
    `time` and `duration` are exact seconds. `cut` is True on the first frame of a new shot, where nothing
    may be carried over from the frames before. `field_order` says whether it is interlaced.
    """

    data: Tensor
    time: Fraction
    duration: Fraction | None = None
    colour: Colour = Colour()
    cut: bool = False
    field_order: FieldOrder = "progressive"

    @property
    def height(self) -> int:
        return int(self.data.shape[-2])

    @property
    def width(self) -> int:
        return int(self.data.shape[-1])

    def with_data(self, data: Tensor) -> Frame:
        """The same moment with other pixels."""
        return replace(self, data=data)

    def __repr__(self) -> str:
        return f"Frame({tuple(self.data.shape)} at {float(self.time):.3f} s{', cut' if self.cut else ''})"


@dataclass(frozen=True, slots=True)
class Planes:
    """The codec-native twin of `Frame`: integer code values of luma and chroma as they are stored.

    `y` is (H, W), `u` and `v` are subsampled as the source has them, or None for grey; uint8, or uint16 above
    8 bits. For metrics and codecs, which must see what was coded and not an RGB rendering of it.
    """

    y: Tensor
    u: Tensor | None
    v: Tensor | None
    time: Fraction
    colour: Colour = Colour()
    cut: bool = False
