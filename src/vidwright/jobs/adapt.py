"""Learning from the input itself, before anything is made of it.

    input --pieces--> the steps before the network --> lesson --train/adapt.py--> weights in the cache, by their key

The networks of a job learn one after the other, in the order of their work: what one is given at work comes from those
before it as they are once they have learned, and so does what it learns from. Only the interpolator learns before
anything is enlarged: from twice the time between frames it sees about the motion that enlarging by two will make of it.

Weights that were learned once are found again: by the next run, by worker processes, and by a job that is resumed.
What is found was made in the minutes of its day, so it is the file that stands in a job's key, and not the minutes.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import threading
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

import torch
from torch import Tensor, nn

import vidwright
from vidwright import models
from vidwright.core import Frame, VideoInfo
from vidwright.core.errors import Interrupted
from vidwright.core.files import sha256
from vidwright.data.degrade import to_bytes
from vidwright.data.seeding import generator
from vidwright.io.reader import Picture, Reader
from vidwright.jobs import cache
from vidwright.jobs.folder import fingerprint
from vidwright.jobs.job import Process, Tell
from vidwright.train.across_scales import AcrossScales
from vidwright.train.adapt import Gain, Lesson, adapt
from vidwright.train.between_frames import BetweenFrames
from vidwright.train.frame_to_frame import FrameToFrame
from vidwright.train.loop import Step
from vidwright.train.schedule import Budget
from vidwright.train.within_clip import WithinClip
from vidwright.weights import foreign
from vidwright.weights.store import read_header, save_weights

#: Pieces of a clip that are looked at, and their frames; of short clips as many pieces, of fewer frames.
PIECES, FRAMES = 16, 8
#: There are at least so many pieces, or the clip is too short.
FEWEST = 4
#: Rows and columns that are kept of larger pictures: all pieces together are 100 MB.
SIDE = 512
#: A step whose network can learn.
Learner = Literal["clean", "enlarge", "interpolate", "complete"]

#: What its network learns, in the order of the work: each is given what those before it make once they have learned.
LESSONS: Mapping[Learner, type[Lesson]] = MappingProxyType(
    {"clean": FrameToFrame, "enlarge": AcrossScales, "interpolate": BetweenFrames, "complete": WithinClip}
)


def _opaque(frame: Frame) -> Frame:
    return frame.with_data(frame.data[:3])


@dataclass(frozen=True, slots=True)
class Pupil:
    """The network of a `step` that is to learn from `source`.

    These are `weights` of `model`; they learn for `budget` from what `before` makes of frames as they are `seen`.

    `said` is all else that decides what is learned, as JSON has it.
    """

    source: Path
    info: VideoInfo
    step: Learner
    model: str
    weights: Path
    budget: Budget
    before: Process
    device: str
    seed: int
    max_pixels: int
    said: dict[str, Any]
    seen: Callable[[Frame], Frame] = _opaque

    def place(self) -> Path:
        """Where the learned weights lie, or will."""
        key = {
            "source": fingerprint(self.source),
            "weights": [self.model, sha256(self.weights)],
            "learning": [dataclasses.asdict(self.budget), self.seed, self.said],
            "version": vidwright.__version__,
        }
        name = hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()[:32]
        return cache.folder() / f"{name}.safetensors"


def learn(pupil: Pupil, *, tell: Tell, stop: threading.Event) -> Path | None:
    """The file of the weights after learning, made now unless it is there; None if there is nothing to learn from.

    Where nothing was won these are the plain weights. `tell` is told what came of it. Raises `Interrupted` when `stop`
    gets set, `JobFailed` when the cache cannot be written, and `BadInput`; nothing is left behind then.
    """
    name, path = f"{pupil.source.name}: {pupil.model.rpartition('/')[2]}", pupil.place()
    judged = LESSONS[pupil.step].judged
    if path.is_file():
        cache.used(path)
        tell(f"{name}: {_words(Gain(**read_header(path)['adapted']), judged)}, in an earlier run")
        return path
    cache.make_folder(path.parent)
    network = models.load(pupil.model, pupil.weights, kind=nn.Module, device=pupil.device, dtype="fp32")

    def watch(step: Step) -> None:
        if stop.is_set():
            raise Interrupted(pupil.source, "stopped while learning from the clip", "run the same command to start")

    with _all_threads():
        try:
            lesson = LESSONS[pupil.step](network, list(pieces(pupil)))
        except ValueError as error:
            tell(f"{name}: nothing to learn from, the plain weights are used ({error})")
            return None
        tell(f"{name}: learning from the clip")
        gain = adapt(network, lesson, pupil.budget, seed=pupil.seed, watch=watch)
    header = foreign.identify(pupil.weights) | {"adapted": dataclasses.asdict(gain)}
    save_weights(path, network.state_dict(), header)
    cache.prune(path)
    tell(f"{name}: {_words(gain, judged)}")
    return path


def pieces(pupil: Pupil) -> Iterator[Tensor]:
    """Successive frames here and there in the clip, uint8 (T, C, H, W), as they come to the network; none has a cut.

    Of large pictures a window of at most `SIDE` rows and columns, somewhere. Nothing of a clip of under four frames.
    """
    info = pupil.info
    length = info.length or round((info.duration or 0) * info.rate) or PIECES * FRAMES
    with Reader(pupil.source, max_pixels=pupil.max_pixels) as reader:
        for frames in _sampled(reader, length, pupil.seed, pupil.seen):
            yield torch.stack([to_bytes(frame.data * 255) for frame in pupil.before.stream(frames, None)])


def _sampled(
    pictures: Iterable[Picture], length: int, seed: int, seen: Callable[[Frame], Frame]
) -> Iterator[list[Frame]]:
    """Evenly spaced pieces of a clip of `length` pictures; one that a cut falls into ends there."""
    frames = max(min(length // FEWEST, FRAMES), 1)
    count = min(PIECES, length // frames) if length >= FEWEST else 0
    gap = length / max(count, 1)
    starts = [int(number * gap + (gap - frames) / 2) for number in range(count)]
    held: list[Frame] = []
    for number, picture in enumerate(pictures):
        if held and (picture.cut or len(held) == frames):
            yield held
            held = []
        if starts and number >= starts[0] + frames:
            starts.pop(0)
        if not starts:
            return
        if number == starts[0] or held:
            held.append(_window(seen(picture.frame()), generator(seed, len(starts))))
    if held:
        yield held


def _window(frame: Frame, random: torch.Generator) -> Frame:
    """`SIDE` x `SIDE` pixels somewhere, beginning with an even row so that fields stay what they are."""
    y, x = (
        int(torch.randint(max(side - SIDE, 0) // 2 + 1, (), generator=random)) * 2 for side in frame.data.shape[-2:]
    )
    return frame.with_data(frame.data[..., y : y + SIDE, x : x + SIDE].clone())


@contextmanager
def _all_threads() -> Generator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(os.cpu_count() or 1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def _words(gain: Gain, judged: str) -> str:
    if gain.won:
        return f"learned from the clip: {gain.decibels:+.2f} dB on its held-out frames, {judged}"
    return "nothing was won by learning from the clip, the plain weights are used"
