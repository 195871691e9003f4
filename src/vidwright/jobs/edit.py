"""`edit`: the same video, changed where and as its user says, and nowhere else.

    source --change--> --change--> ... --> result

Changes are steps in a row: each is given what the one before it made, and its region is drawn on that.
"""

from __future__ import annotations

import hashlib
import json
import tempfile
import threading
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Self

import torch
from pydantic import Field

import vidwright
from vidwright import models
from vidwright.core import Frame, Video, VideoInfo
from vidwright.core.errors import Interrupted, UsageError
from vidwright.core.files import sha256
from vidwright.io.probe import probe
from vidwright.io.reader import Reader
from vidwright.io.scan import scan
from vidwright.jobs import cache
from vidwright.jobs.adapt import Pupil, learn
from vidwright.jobs.changes import (
    Border,
    Change,
    Colours,
    Fill,
    Keys,
    Loop,
    Picture,
    Speed,
    Stabilise,
    Steady,
    in_order,
)
from vidwright.jobs.folder import digest, fingerprint
from vidwright.jobs.job import Job, Process, SourceOptions, Tell
from vidwright.jobs.looping import seam, within
from vidwright.jobs.pacing import NETWORK
from vidwright.jobs.prepare import prepare, suffix
from vidwright.jobs.puts import Means, named, opacity_of, step_of
from vidwright.jobs.steps import chain
from vidwright.train.schedule import Budget


class EditOptions(SourceOptions):
    """The options of `edit` beside the changes themselves."""

    adapt: float | None = Field(
        default=None, gt=0, description="Minutes in which what fills holes learns from the clip itself before the work."
    )


class Edit(Job, EditOptions):
    """Edit one file: `run(Edit(input=..., output=..., changes=(Change(region=..., put=Fill()),)))`.

    `found` are files of what had to be found of the whole input for changes, by their numbers.
    """

    changes: tuple[Change, ...] = Field(default=())
    found: dict[int, Path] = Field(default_factory=dict[int, Path])

    def decided(self) -> tuple[Self, str]:
        in_order(self.changes)
        if not self.changes or not isinstance(loop := self.changes[0].put, Loop) or loop.seam is not None:
            return self, ""
        rate = probe(self.input, max_pixels=self.max_pixels).info.rate
        with Reader(self.input, max_pixels=self.max_pixels) as pictures:
            found = seam(within((picture.frame() for picture in pictures), *self.span), loop.seconds, rate)
        first = self.changes[0].model_copy(update={"put": loop.model_copy(update={"seam": found})})
        decided = {"start": found.begin, "stop": found.end, "changes": (first, *self.changes[1:])}
        words = f"{self.input.name}: it loops from {found.begin:.2f} to {found.end:.2f} s"
        return self.model_copy(update=decided), words

    def adapted(self, info: VideoInfo, *, tell: Tell, stop: threading.Event) -> Self:
        wanted = {n: end for n, change in enumerate(self.changes) if (end := suffix(change)) is not None}
        places = {n: self._place(n, end) for n, end in wanted.items()}
        missing = {n: path for n, path in places.items() if not path.is_file()}
        if missing:
            times = scan(self.input, max_pixels=self.max_pixels).times
            for n, path in missing.items():
                cache.make_folder(path.parent)
                tell(f"{self.input.name}: looking where things go, for change {n + 1} of {len(self.changes)}")
                with Reader(self.input, max_pixels=self.max_pixels) as pictures:
                    frames = _until(stop, (picture.frame() for picture in pictures), self.output)
                    prepare(self.changes[n], path, info, times, frames, self.means)
                cache.prune(*(each for each in places.values() if each.is_file()))
        for path in places.values():
            cache.used(path)
        return self.model_copy(update={"found": places})._learned(info, tell, stop)

    def _learned(self, info: VideoInfo, tell: Tell, stop: threading.Event) -> Self:
        """This job with the networks that fill holes replaced by ones that have learned from the input."""
        pupils = {n: pupil for n in range(len(self.changes)) if self.adapt and (pupil := self._pupil(n, info))}
        changes = list(self.changes)
        for n, pupil in pupils.items():
            budget = Budget(minutes=(self.adapt or 0) / len(pupils))
            found = learn(replace(pupil, budget=budget), tell=tell, stop=stop)
            if found is not None:
                put = changes[n].put.model_copy(update={"model": str(found)})
                changes[n] = changes[n].model_copy(update={"put": put})
        return self.model_copy(update={"changes": tuple(changes)})

    def _pupil(self, n: int, info: VideoInfo) -> Pupil | None:
        """The network of a change, to learn from what is known of the input; None for a change without one."""
        change = self.changes[n]
        if not isinstance(change.put, Fill) or (model := named(change.put.model)) is None:
            return None
        path = models.weights_path(*model)
        assert path is not None
        opacity = opacity_of(change, info, self.means, self.found.get(n))

        def seen(frame: Frame) -> Frame:
            return frame.with_data(torch.cat([frame.data[:3], (opacity(frame)[None] > 0).float()]))

        return Pupil(
            source=self.input,
            info=info,
            step="complete",
            model=model[0],
            weights=path,
            budget=Budget(minutes=self.adapt or 0),
            before=chain(info, []),
            device=self.device,
            seed=self.seed,
            max_pixels=self.max_pixels,
            said={
                "change": change.model_dump(mode="json"),
                "found": [sha256(self.found[n])] if n in self.found else [],
            },
            seen=seen,
        )

    def _place(self, n: int, end: str) -> Path:
        """Where what is found for a change is kept: it follows from the input, the change and the files it names."""
        change = self.changes[n]
        named = [digest(path) for path in Edit(input=self.input, output=self.output, changes=(change,)).files()]
        key = [fingerprint(self.input), change.model_dump(mode="json"), named, vidwright.__version__]
        name = hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()[:32]
        return cache.folder() / f"{name}{end}"

    @property
    def means(self) -> Means:
        return Means(device=self.device, dtype=self.dtype, max_pixels=self.max_pixels)

    def weights_sha256(self) -> str:
        return " ".join(digest(path) for path in self.files())

    def files(self) -> list[Path]:
        """The files that decide the result beside the input: masks, pictures and weights. Raises `ModelRefused`."""
        found: list[Path] = []
        for change in self.changes:
            found += [shape.path for shape in change.region.shapes if shape.path is not None]
            put = change.put
            if isinstance(put, Picture | Colours | Steady):
                found.append(put.path)
            elif isinstance(put, Keys):
                found += [key.path for key in put.keys]
            elif isinstance(put, Fill | Border | Stabilise) and (model := named(put.model)) is not None:
                weights = models.weights_path(*model)
                found += [] if weights is None else [weights]
            elif isinstance(put, Speed) and put.factor < 1 and (weights := models.weights_path(*NETWORK)) is not None:
                found.append(weights)
        return found

    def open(self, info: VideoInfo, *, threads: int) -> Process:
        torch.set_num_threads(1)  # frames are made side by side, and results do not hang on how many
        means = replace(self.means, threads=threads)
        if not self.changes:
            raise UsageError(
                "edit", "this makes nothing: no change was asked for", "give --remove, --key or --recolour"
            )
        in_order(self.changes)
        steps = [step_of(change, means, self.found.get(n)) for n, change in enumerate(self.changes)]
        return chain(info, steps)


def edit(video: Video, changes: Sequence[Change]) -> Video:
    """`video` with `changes` made in it, in this order. Nothing is computed yet.

    Frames keep their times unless the speed is changed, and what lies outside of the regions is as it was, to the bit.
    For regions that are tracked and keys that are carried the video is gone through once more each time that its frames
    are asked for. Raises `UsageError` for regions that are empty, a speed that is not the last change and loops, and
    `BadInput` for masks and pictures.
    """
    means = Means()
    in_order(changes)
    if any(isinstance(change.put, Loop) for change in changes):
        raise UsageError("loop", "where it begins is looked for in files alone", "use run(Edit(input=..., output=...))")
    whole = chain(video.info, [step_of(change, means) for change in changes])
    streams = None if video.streams is None else replace(video.streams, pace=video.streams.pace * whole.pace)

    def frames() -> Iterator[Frame]:
        with tempfile.TemporaryDirectory() as folder:
            places = {n: Path(folder) / f"{n}{end}" for n, each in enumerate(changes) if (end := suffix(each))}
            times = [frame.time for frame in video.frames()] if places else []
            for n, path in places.items():
                prepare(changes[n], path, video.info, times, video.frames(), means)
            steps = [step_of(change, means, places.get(n)) for n, change in enumerate(changes)]
            yield from chain(video.info, steps).stream(video.frames(), None)

    return replace(video, info=whole.info, frames=frames, streams=streams)


def _until(stop: threading.Event, frames: Iterable[Frame], output: Path) -> Iterator[Frame]:
    for frame in frames:
        if stop.is_set():
            raise Interrupted(output, "stopped while looking where things go", "run the same command to start")
        yield frame
