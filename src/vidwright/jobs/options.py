"""What a user may decide of `enhance`, and what each kind of footage decides where the user did not."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Literal

from pydantic import Field

from vidwright.jobs.job import SourceOptions

Look = Literal["auto", "old-film", "phone", "screen", "anime"]
#: The default upscaler, whose weights follow from scale and quality.
UPSCALER = "restorer"


class EnhanceOptions(SourceOptions):
    """The options of `enhance`; what is "auto" or None is decided from the input before any work is done."""

    scale: float | None = Field(
        default=None,
        ge=1,
        le=8,
        description="How many times wider and higher; 2 up to 720 lines, else 1, if not given.",
    )
    height: int | None = Field(default=None, gt=0, description="Rows of the result, instead of --scale.")
    model: str = Field(
        default=UPSCALER, description="What enlarges: restorer, restorer:x2-fast, lanczos, or a .safetensors file."
    )
    quality: Literal["fast", "best"] = Field(default="fast", description="Which weights of each network.")
    clean: Literal["auto", "off", "on"] = Field(default="auto", description="Remove noise and coding artefacts.")
    strength: float | None = Field(
        default=None, ge=0, le=2, description="How much is cleaned away: 1 as learned, 0 nothing."
    )
    deinterlace: Literal["auto", "off", "on", "bwdif"] = Field(
        default="auto", description="Make frames of fields, twice as many, by a network or by FFmpeg's bwdif."
    )
    field_order: Literal["auto", "top", "bottom"] = Field(
        default="auto", description="Which field of a frame is earlier, where the file does not say it."
    )
    fps: str | None = Field(default=None, description="Frames per second of the result: 60, 59.94, 60000/1001, x2.")
    adapt: float | None = Field(
        default=None, gt=0, description="Minutes in which the networks learn from the clip itself before the work."
    )
    look: Look = Field(default="auto", description="Kind of footage, which decides what is not given.")

    def with_look(self) -> dict[str, Any]:
        """The fields that are still open and that the kind of footage decides."""
        return {name: value for name, value in LOOKS[self.look].items() if getattr(self, name) in (None, "auto")}

    def words(self) -> str:
        """What will be done, in its order."""
        steps = ["deinterlace" + " by bwdif" * (self.deinterlace == "bwdif")] * (self.deinterlace != "off")
        strength = "" if self.strength in (None, 1) else f" (strength {self.strength:g})"
        steps += [f"clean{strength}"] * (self.clean == "on")
        steps += [f"x{self.scale:g}"] * (self.scale not in (None, 1))
        steps += [f"{self.fps} fps"] * (self.fps is not None)
        return ", ".join(steps) or "nothing"


#: What footage of a kind is known to have, and to need.
LOOKS: Mapping[Look, Mapping[str, Any]] = MappingProxyType(
    {
        "auto": {},
        "old-film": {"clean": "on", "strength": 1.25},  # grain and dirt; fields if it came by way of tape
        "phone": {"deinterlace": "off"},  # no phone records fields
        "screen": {"deinterlace": "off", "clean": "off"},  # sharp edges are all that there is, and no noise
        "anime": {"clean": "on", "strength": 0.6},  # fine lines are drawn: clean a little, always
    }
)
