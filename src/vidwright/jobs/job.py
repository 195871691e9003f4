"""What every verb's job is made of.

A `Job` is a verb as data: what the command line parses, a queue stores and a worker process receives. Running it is
the same for all verbs: plan segments, make each, join them.
"""

from __future__ import annotations

import threading
from abc import abstractmethod
from collections.abc import Callable, Generator, Iterable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal, Self

import torch
from pydantic import BaseModel, ConfigDict, Field

from vidwright.core import Frame, Needs, VideoInfo
from vidwright.core.errors import UsageError
from vidwright.io.codecs import EncoderSettings
from vidwright.io.container import MAX_PIXELS
from vidwright.nn.model import FrameModel, InterpolationModel

#: Longest segment in seconds: what a kill can cost, and what one worker takes at a time.
SEGMENT_SECONDS = Fraction(8)


@dataclass(frozen=True, slots=True)
class Event:
    """How far a job is: `stage` with `done` of `total` frames (None while that is not known)."""

    stage: Literal["plan", "work", "generate", "encode", "join", "verify"]
    done: int
    total: int | None


Watch = Callable[[Event], None]


#: What is told in words, for a person to read.
Tell = Callable[[str], None]

#: More frames at the same time cost memory (12 bytes a pixel each), and more threads inside an operation cost waiting
#: for the last of them.
FRAMES_AT_ONCE = 4
PIXELS_AT_ONCE = 2**23


def share_threads(networks: Iterable[FrameModel | InterpolationModel], threads: int, *, pixels: int) -> int:
    """Divide `threads` among frames computed at the same time and the operations inside each; changes no pixel.

    `pixels` is the size of the largest frame that the networks make. Returns how many frames that is at a time.
    """
    at_once = max(1, min(threads, FRAMES_AT_ONCE, PIXELS_AT_ONCE // pixels))
    for network in networks:
        network.at_once = at_once
    torch.set_num_threads(threads // at_once)
    return at_once


@dataclass(frozen=True, slots=True)
class Process:
    """Work on frames, ready to run: what it needs, what comes out, and the function itself.

    Frames come out `needs.rate` for each one that goes in, or, where `rate` is set, one at each beat of it (per second)
    from `begin` on, which `stream` is given with the frames: any time on the beat, or None for the first frame's own.
    The times of what comes out are those of the source divided by `pace`.
    A `native` one does nothing: what was decoded is encoded as it is, code value by code value. `notes` are what there
    is to say of the frames since it was last asked, as JSON has it: rows by name, each of which begins with a time.
    """

    needs: Needs
    info: VideoInfo
    stream: Callable[[Iterable[Frame], Fraction | None], Generator[Frame, None, None]]
    rate: Fraction | None = None
    native: bool = False
    pace: Fraction = Fraction(1)
    notes: Callable[[], dict[str, list[Any]]] = dict[str, list[Any]]


class Basis(BaseModel):
    """What every verb lets its user decide."""

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=(), allow_inf_nan=False)

    max_pixels: int = Field(default=MAX_PIXELS, gt=0, description="Refuse input pictures of more pixels than this.")


class Options(Basis):
    """What every verb that makes frames lets its user decide; each default is written here and nowhere else."""

    codec: Literal["h264", "hevc", "av1", "ffv1", "prores"] = Field(default="h264", description="Codec of the result.")
    crf: int | None = Field(
        default=None, ge=0, le=63, description="Constant quality, lower is better; default is the codec's own."
    )
    preset: str = Field(default="medium", description="Encoder preset, in x264's names: ultrafast ... veryslow.")
    device: str = Field(default="auto", description="Where the model runs: auto, cpu, cuda, cuda:1.")
    dtype: Literal["auto", "fp32", "bf16"] = Field(default="auto", description="Arithmetic of the model.")
    seed: int = Field(default=0, ge=0, description="Seed of models that draw random numbers.")

    @property
    def settings(self) -> EncoderSettings:
        """How the result is encoded. Raises `UsageError` for a combination that the codec does not have."""
        return EncoderSettings(codec=self.codec, crf=self.crf, preset=self.preset)


class Range(Basis):
    """Which part of another video a verb works on."""

    start: float = Field(default=0, ge=0, description="Begin at this second of the input.")
    stop: float | None = Field(default=None, gt=0, description="Stop at this second of the input.")

    @property
    def span(self) -> tuple[Fraction, Fraction | None]:
        """The part of the source to work on, in seconds; (0, None) is all of it. Raises `UsageError` when empty."""
        start, stop = Fraction(str(self.start)), None if self.stop is None else Fraction(str(self.stop))
        if stop is not None and stop <= start:
            raise UsageError(f"--stop {self.stop}", f"this is not after --start {self.start}", "give a later --stop")
        return start, stop


class SourceOptions(Options, Range):
    """The options of verbs that make frames of another video."""


class Job(SourceOptions):
    """One file in, one file out. Frozen and JSON-able; every field decides the result, none how it is run."""

    input: Path
    output: Path

    def decided(self) -> tuple[Self, str]:
        """This job with all that was left to it decided from its input, and what was seen and will be done in words.

        Itself, and no words, if the verb has nothing to decide. The same input gives the same decision. Raises
        `BadInput`, and `UsageError` for what makes no sense with this input.
        """
        return self, ""

    def adapted(self, info: VideoInfo, *, tell: Tell, stop: threading.Event) -> Self:
        """This job with networks that have learned from its input, which is like `info`, if that is asked for.

        `tell` is told what came of it. Raises `Interrupted` when `stop` gets set.
        """
        return self

    @abstractmethod
    def weights_sha256(self) -> str:
        """What identifies the weights; empty when there are none. Raises `ModelRefused`."""

    @abstractmethod
    def open(self, info: VideoInfo, *, threads: int) -> Process:
        """Load the model for a source like `info`, to compute with `threads` threads. Raises `ModelRefused`."""

    def key(self, source: dict[str, Any], version: str) -> dict[str, Any]:
        """What a segment is a function of: the source's fingerprint, this job, the weights, the package's version."""
        return {
            "source": source,
            "job": {"verb": type(self).__name__, **self.model_dump(mode="json", exclude={"input", "output"})},
            "weights": self.weights_sha256(),
            "version": version,
        }
