"""Learning from the input itself, before anything is made of it.

    input --pieces--> the steps before the network --> lesson --train/adapt.py--> weights in the cache, by their key

Weights that were learned once are found again: by the next run, by worker processes, and by a job that is resumed.
What is found was made in the minutes of its day, so it is the file that stands in a job's key, and not the minutes.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

import vidwright
from vidwright import models
from vidwright.core import Frame, VideoInfo
from vidwright.core.errors import Interrupted, JobFailed
from vidwright.core.files import explain_os_error, sha256
from vidwright.data.degrade import to_bytes
from vidwright.data.seeding import generator
from vidwright.io.reader import Picture, Reader
from vidwright.jobs.folder import fingerprint
from vidwright.jobs.job import Process, Tell
from vidwright.nn.model import FrameModel
from vidwright.train.across_scales import AcrossScales
from vidwright.train.adapt import Gain, adapt
from vidwright.train.loop import Step
from vidwright.train.schedule import Budget
from vidwright.weights import foreign
from vidwright.weights.store import read_header, save_weights

#: Pieces of a clip that are looked at, and their frames; of short clips as many pieces, of fewer frames.
PIECES, FRAMES = 16, 8
#: There are at least so many pieces, or the clip is too short.
FEWEST = 4
#: Rows and columns that are kept of larger pictures: all pieces together are 100 MB.
SIDE = 512


@dataclass(frozen=True, slots=True)
class Pupil:
    """A network that is to learn from `source`: weights of `model`, for `budget`, from what `before` makes of frames.

    `said` is all else that decides what is learned, as JSON has it.
    """

    source: Path
    info: VideoInfo
    model: str
    weights: Path
    budget: Budget
    before: Process
    device: str
    seed: int
    max_pixels: int
    said: dict[str, Any]

    def place(self) -> Path:
        """Where the learned weights lie, or will."""
        key = {
            "source": fingerprint(self.source),
            "weights": [self.model, sha256(self.weights)],
            "learning": [dataclasses.asdict(self.budget), self.seed, self.said],
            "version": vidwright.__version__,
        }
        name = hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()[:32]
        return cache_folder() / f"{name}.safetensors"


def learned(pupil: Pupil, *, tell: Tell, stop: threading.Event) -> Path | None:
    """The file of the weights after learning, made now unless it is there; None if there is nothing to learn from.

    Where nothing was won these are the plain weights. `tell` is told what came of it. Raises `Interrupted` when `stop`
    gets set, `JobFailed` when the cache cannot be written, and `BadInput`; nothing is left behind then.
    """
    name, path = pupil.source.name, pupil.place()
    if path.is_file():
        gain = Gain(**read_header(path)["adapted"])
        tell(f"{name}: {_words(gain)}, in an earlier run")
        return path
    _make_folder(path.parent)
    network = models.load(pupil.model, pupil.weights, kind=FrameModel, device=pupil.device, dtype="fp32")
    try:
        lesson = AcrossScales(network, list(pieces(pupil)))
    except ValueError as error:
        tell(f"{name}: nothing to learn from, the plain weights are used ({error})")
        return None
    tell(f"{name}: learning from the clip")

    def watch(step: Step) -> None:
        if stop.is_set():
            raise Interrupted(pupil.source, "stopped while learning from the clip", "run the same command to start")

    threads = torch.get_num_threads()
    torch.set_num_threads(os.cpu_count() or 1)
    try:
        gain = adapt(network, lesson, pupil.budget, seed=pupil.seed, watch=watch)
    finally:
        torch.set_num_threads(threads)
    header = foreign.identify(pupil.weights) | {"adapted": dataclasses.asdict(gain)}
    save_weights(path, network.state_dict(), header)
    tell(f"{name}: {_words(gain)}")
    return path


def cache_folder() -> Path:
    """The user's cache of learned weights; what lies in it can be removed at any time and is then learned again."""
    root = os.environ.get("XDG_CACHE_HOME")
    return (Path(root) if root else Path.home() / ".cache") / "vidwright" / "adapted"


def pieces(pupil: Pupil) -> Iterator[Tensor]:
    """Successive frames here and there in the clip, uint8 (T, 3, H, W), as they come to the network; none has a cut.

    Of large pictures a window of at most `SIDE` rows and columns, somewhere. Nothing of a clip of under four frames.
    """
    info = pupil.info
    length = info.length or round((info.duration or 0) * info.rate) or PIECES * FRAMES
    with Reader(pupil.source, max_pixels=pupil.max_pixels) as reader:
        for frames in _sampled(reader, length, pupil.seed):
            yield torch.stack([to_bytes(frame.data[:3] * 255) for frame in pupil.before.stream(frames, None)])


def _sampled(pictures: Iterable[Picture], length: int, seed: int) -> Iterator[list[Frame]]:
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
            held.append(_window(picture.frame(), generator(seed, len(starts))))
    if held:
        yield held


def _window(frame: Frame, random: torch.Generator) -> Frame:
    """`SIDE` x `SIDE` pixels somewhere, beginning with an even row so that fields stay what they are."""
    y, x = (
        int(torch.randint(max(side - SIDE, 0) // 2 + 1, (), generator=random)) * 2 for side in frame.data.shape[-2:]
    )
    return frame.with_data(frame.data[..., y : y + SIDE, x : x + SIDE].clone())


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise explain_os_error(folder, error) from error
    if not os.access(folder, os.W_OK):
        raise JobFailed(folder, "the folder may not be written to", "set XDG_CACHE_HOME to one that may")


def _words(gain: Gain) -> str:
    if gain.won:
        return f"learned from the clip: {gain.decibels:+.2f} dB on its held-out frames, shrunk and enlarged again"
    return "nothing was won by learning from the clip, the plain weights are used"
