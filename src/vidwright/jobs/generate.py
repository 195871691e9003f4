"""`generate`: frames that nobody filmed, from a class, a picture, a clip, or nothing at all.

    options, files --> what the network is told --> sample --segment by segment--> files --join--> output
                                                      ^                 |
                                                      '--last frames <--'

A long generation is made in segments, each a continuation of the last frames of the one before; these are kept beside
the segment, so that an interrupted job goes on and gives the same frames. The job stands in the output's metadata.
"""

from __future__ import annotations

import inspect
import json
import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import torch
from pydantic import ConfigDict, Field, ValidationError

import vidwright
from vidwright import models
from vidwright.core import Colour, Frame, Report, Video, VideoInfo
from vidwright.core.errors import BadInput, Interrupted, JobFailed, ModelRefused, UsageError
from vidwright.core.files import sha256
from vidwright.data.seeding import generator
from vidwright.io.codecs import container_of
from vidwright.io.join import SegmentPart, join
from vidwright.io.probe import probe
from vidwright.io.reader import Reader
from vidwright.io.writer import check_destination, encode_segment, segment_suffix
from vidwright.jobs import given
from vidwright.jobs.folder import Done, JobFolder, Plan, digest, open_folder
from vidwright.jobs.job import SEGMENT_SECONDS, Event, Options, Watch
from vidwright.jobs.retime import target_rate
from vidwright.jobs.segments import Segment
from vidwright.metrics.copies import copied, thumbnails
from vidwright.nn.model import GenerativeModel
from vidwright.weights.store import read_tensors, save_weights

#: The model where none is named: one for clips that are to look like another, one for all else.
LIKE, ELSE = "patches", "flow"

#: What files can be given, by the option that names them, and what of it a network is told.
TOLD = {
    "label": "label",
    "image": "keys",
    "key": "keys",
    "clip": "clip",
    "like": "like",
    "content": "content",
    "loop": "loop",
    "steps": "steps",
    "guidance": "guidance",
    "variation": "variation",
}
#: Options whose name is a word of Python.
SPELLED = {"label": "class", "clip": "continue"}

#: The entry of a file's metadata that every container has.
TAG = "comment"

#: The most frames and pixels that can be asked for: an H.264 stream has no larger pictures.
MOST_LENGTH, MOST_SIDE = 10**6, 16384


class GenerateOptions(Options):
    """The options of `generate`; what is None is what the model usually does."""

    model_config = ConfigDict(populate_by_name=True)

    model: str = Field(default="auto", description="What generates: flow, patches, predictor, cnn_lstm, or weights.")
    label: list[int] = Field(default=[], alias="class", description="The class of what is to be seen; several times.")
    image: Path | None = Field(default=None, description="The first frame.")
    clip: Path | None = Field(default=None, alias="continue", description="A clip to go on from; only what is new.")
    key: list[str] = Field(default=[], description="A picture and its second in the result: a.png@1.5; several times.")
    like: Path | None = Field(default=None, description="A clip of one shot that the result is to look like.")
    content: Path | None = Field(default=None, description="With --like: a clip whose motion and layout are kept.")
    loop: bool = Field(default=False, description="The last frame leads back to the first.")
    seconds: float | None = Field(default=None, gt=0, description="How long the result is.")
    size: str | None = Field(default=None, pattern=r"^\d+x\d+$", description="Width and height of it: 64x64.")
    fps: str | None = Field(default=None, description="Frames per second of it: 10, 60000/1001.")
    steps: int | None = Field(default=None, ge=1, le=1000, description="How often each frame is refined.")
    guidance: float | None = Field(default=None, ge=0, description="How strictly the class is kept to; 1 as learned.")
    variation: float | None = Field(default=None, ge=0, description="With --like: how far from it; 0 is the clip.")


@dataclass(frozen=True, slots=True)
class Asked:
    """What a network is to make and what it is told for that; `keys` by their place among `length` frames."""

    length: int
    size: tuple[int, int]
    rate: Fraction
    colour: Colour
    keys: dict[int, Frame]
    clip: list[Frame]
    told: dict[str, Any]


class Generate(GenerateOptions):
    """Generate one file: `make(Generate(output=..., label=[3]))`. Every field decides the result."""

    output: Path

    @property
    def files(self) -> list[Path]:
        """The files that are given."""
        keys = [Path(word.rpartition("@")[0]) for word in self.key]
        return [path for path in (self.image, self.clip, *keys, self.like, self.content) if path is not None]

    def named(self) -> tuple[str, str | Path | None]:
        """The model and its weights, as `models.load` is given them. Raises `ModelRefused`."""
        return models.parse("generate", (LIKE if self.like else ELSE) if self.model == "auto" else self.model)

    def load(self) -> GenerativeModel:
        """The network. Raises `ModelRefused`."""
        name, weights = self.named()
        return models.load(name, weights, kind=GenerativeModel, device=self.device, dtype=self.dtype)

    def identity(self) -> dict[str, Any]:
        """What a segment is a function of: this job, what the files given hold, the weights, the package's version."""
        name, weights = self.named()
        path = models.weights_path(name, weights)
        return {
            "job": self.model_dump(mode="json", exclude={"output"}),
            "given": {str(path): digest(path) for path in self.files},
            "weights": [name, "" if path is None else sha256(path)],
            "version": vidwright.__version__,
        }

    def asked(self, network: GenerativeModel) -> Asked:
        """What `network` is asked for. Raises `UsageError` for what it cannot be asked, and `BadInput`."""
        self._understood(network)
        usual, most = network.usual, self.max_pixels
        like = given.shot(self.like, max_pixels=most) if self.like else []
        source = self.like or self.clip
        info = None if source is None else probe(source, max_pixels=most).info
        rate = usual.rate if info is None else info.rate
        rate = rate if self.fps is None else target_rate(self.fps, rate)
        length = usual.length or len(like) or 1
        length = length if self.seconds is None else max(round(Fraction(str(self.seconds)) * rate), 1)
        size = usual.size or ((info.height, info.width) if info else (64, 64))
        if self.size is not None:
            width, height = (int(side) for side in self.size.split("x"))
            size = height, width
        if length > MOST_LENGTH or not 1 <= min(size) <= max(size) <= MOST_SIDE:
            words = f"{length} frames of {size[1]}x{size[0]}"
            raise UsageError(words, "no file holds that", f"up to {MOST_LENGTH} frames of {MOST_SIDE}x{MOST_SIDE}")
        keys = given.keys(self.key, length, size, rate, max_pixels=most)
        if self.image is not None:
            keys[0] = given.picture(self.image, size, max_pixels=most)
        clip = given.last_frames(self.clip, usual.memory, size, max_pixels=most) if self.clip else []
        told: dict[str, Any] = {name: getattr(self, name) for name in ("steps", "guidance", "variation")}
        told |= {"label": self.label or None, "like": like or None, "loop": self.loop or None}
        told["content"] = given.shot(self.content, max_pixels=most) if self.content else None
        told = {name: value for name, value in told.items() if value is not None}
        return Asked(length, size, rate, info.colour if info else Colour(), keys, clip, told)

    def _understood(self, network: GenerativeModel) -> None:
        """Raises `UsageError` for what the network cannot be told, and where it needs what is not given."""
        can, model = inspect.signature(network.sample).parameters, self.named()[0]
        for option, name in TOLD.items():
            given = getattr(self, option) not in (None, [], False)
            if given and name not in can:
                known = ", ".join(_spelled(each) for each, told in TOLD.items() if told in can)
                raise UsageError(_spelled(option), f"{model} cannot be told that", f"it takes {known}")
            if not given and name in can and can[name].default is inspect.Parameter.empty:
                raise UsageError(model, "it has nothing to begin with", f"give it {_spelled(option)}")


def make(
    job: Generate,
    *,
    overwrite: bool = False,
    restart: bool = False,
    watch: Watch = lambda event: None,
    show: Callable[[Frame], None] = lambda frame: None,
    stop: threading.Event | None = None,
) -> Report:
    """Do `job`, going on from where an interrupted run of it stopped unless `restart`.

    `watch` is told of progress, `show` gets each frame as it is made. When `stop` gets set the segment under way is
    finished and `Interrupted` is raised; what is finished is used by the next run. Raises `UsageError`, `BadInput`,
    `ModelRefused`, `OutputExists` and `JobFailed`; on any of them `job.output` is as it was.
    """
    began = time.monotonic()
    container_of(job.output, job.settings.codec)
    for source in job.files or [None]:
        check_destination(job.output, source, overwrite=overwrite)
    network = job.load()
    asked = job.asked(network)
    key = job.identity()
    with open_folder(job.output, key, restart=restart) as folder:
        folder.keep_plan(Plan(tuple(_segments(asked, network))))
        resumed = _make(job, network, asked, folder, watch, show, stop or threading.Event())
        layout, done = folder.plan, folder.done
        assert layout is not None
        watch(Event("join", asked.length, asked.length))
        parts = [SegmentPart(folder.path / done[each.number].file, each.begin) for each in layout.segments]
        record = json.dumps({"vidwright": key}, sort_keys=True)
        report = join(
            parts, None, job.output, info=_info(asked), settings=job.settings, overwrite=overwrite, tags={TAG: record}
        )
        folder.remove()
    report = replace(report, warnings=(*report.warnings, *_copies(job, asked)))
    details = {"segments": len(parts), "resumed_segments": resumed, "job": job.model_dump(mode="json")}
    return replace(report, seconds=time.monotonic() - began, details=details)


def recorded(path: Path, output: Path) -> Generate:
    """The job that made `path`, to write `output`; it makes the same bytes.

    Raises `BadInput` for a file that does not say how it was made or whose given files have changed, `ModelRefused` if
    the weights have.
    """
    try:
        tags = {name.lower(): text for name, text in probe(path).streams.metadata.items()}  # Matroska shouts
        record = json.loads(tags[TAG])["vidwright"]
        job = Generate(output=output, **record["job"])
        before = record["given"], record["weights"], record["version"]
    except (ValueError, LookupError, TypeError, ValidationError) as error:
        raise BadInput(path, "it does not say how it was made", "give a file that vidwright generate wrote") from error
    key = job.identity()
    if changed := [name for name in key["given"] if key["given"][name] != before[0].get(name)]:
        raise BadInput(changed[0], "it is not what it was when the file was made", "give back the file of that day")
    if [key["weights"], key["version"]] != [before[1], before[2]]:
        model = f"{before[1][0]} of version {before[2]}"
        raise ModelRefused(path, f"it was made by other weights: {model}", "install that version")
    return job


def generate(
    model: GenerativeModel,
    *,
    length: int | None = None,
    size: tuple[int, int] | None = None,
    seed: int = 0,
    **told: Any,
) -> Video:
    """A video that `model` makes of what it is told; iterating it generates, and the same frames each time.

    `length` in frames and `size` (height, width) are the model's usual ones if not given, `told` is what its `sample`
    takes. Raises `UsageError` for a model that has no usual ones.
    """
    length, size, rate = length or model.usual.length, size or model.usual.size, model.usual.rate
    if length is None or size is None:
        raise UsageError("generate", "the model has no length and size of its own", "give length= and size=")
    asked = Asked(length, size, rate, Colour(), {}, [], {})

    def frames() -> Iterator[Frame]:
        with closing(model.sample(length=length, size=size, seed=seed, **told)) as made:
            yield from _timed(made, rate)

    return Video(_info(asked), frames)


def _make(
    job: Generate,
    network: GenerativeModel,
    asked: Asked,
    folder: JobFolder,
    watch: Watch,
    show: Callable[[Frame], None],
    stop: threading.Event,
) -> int:
    """Make the segments that are not there; returns how many were."""
    assert folder.plan is not None
    context, ready, done = asked.clip, 0, folder.done
    for segment in folder.plan.segments:
        place = folder.path / f"{segment.number:04d}.last.safetensors"
        kept = _kept(place) if segment.number in done else None
        if kept is not None:
            context, ready = kept, ready + 1
            continue
        if stop.is_set():
            cause = f"stopped with {len(folder.done)} of {len(folder.plan.segments)} segments done"
            raise Interrupted(job.output, cause, "run the same command to go on")
        path = folder.path / f"{segment.number:04d}{segment_suffix(job.settings)}"
        last: deque[Frame] = deque(context, maxlen=network.usual.memory)
        frames = _seen(_sampled(network, asked, segment, context, job.seed), last, segment.start, asked, watch, show)
        with closing(frames):
            made = encode_segment(frames, _info(asked), path, job.settings)
        if made.frames != segment.frames:
            raise JobFailed(job.output, f"the model made {made.frames} of {segment.frames} frames", "report this")
        context = list(last)
        save_weights(place, {f"{n:04d}": frame.data for n, frame in enumerate(context)}, {})
        folder.add(Done(segment.number, path.name, made.frames, sha256(path), made.warnings))
    return ready


def _copies(job: Generate, asked: Asked) -> Iterator[str]:
    """A warning where frames that were to be like those of a clip are them."""
    like: list[Frame] = asked.told.get("like", [])
    if not like or job.variation == 0 or job.content is not None:
        return
    clip_KCHW = thumbnails(frame.data[:3] for frame in like)
    size = (clip_KCHW.shape[-2], clip_KCHW.shape[-1])
    with Reader(job.output, cuts=False, max_pixels=job.max_pixels) as pictures:
        made_TCHW = thumbnails((each.frame().data[:3] for each in pictures), size)
    if found := copied(made_TCHW, clip_KCHW):
        yield f"{len(found)} of {len(made_TCHW)} frames are those of {job.like}: raise --variation"


def _segments(asked: Asked, network: GenerativeModel) -> Iterator[Segment]:
    """The parts of what is asked for: all in one where a part cannot be made from those before it."""
    chained = network.usual.memory > 0 and not asked.told.keys() & {"loop", "like"}
    longest = max(network.usual.length or 1, int(SEGMENT_SECONDS * asked.rate)) if chained else asked.length
    for number, start in enumerate(range(0, asked.length, longest)):
        stop = min(start + longest, asked.length)
        yield Segment(number, start, stop, start, stop, stop - start, start / asked.rate, stop / asked.rate)


def _sampled(
    network: GenerativeModel, asked: Asked, segment: Segment, context: list[Frame], seed: int
) -> Generator[Frame]:
    told = dict(asked.told)
    if context:
        told["clip"] = context
    keys = {n - segment.start: frame for n, frame in asked.keys.items() if segment.start <= n < segment.stop}
    if keys:
        told["keys"] = keys
    if segment.number:  # the first begins as a short generation would
        seed = int(torch.randint(2**62, (), generator=generator(seed, segment.number)))
    yield from _timed(network.sample(length=segment.frames, size=asked.size, seed=seed, **told), asked.rate)


def _seen(
    frames: Generator[Frame],
    last: deque[Frame],
    done: int,
    asked: Asked,
    watch: Watch,
    show: Callable[[Frame], None],
) -> Generator[Frame]:
    """`frames`, remembered in `last`, shown, and counted from `done` on."""
    with closing(frames):
        for frame in frames:
            last.append(frame)
            show(frame)
            yield frame
            done += 1
            watch(Event("generate", done, asked.length))


def _timed(frames: Generator[Frame], rate: Fraction) -> Generator[Frame]:
    with closing(frames):
        for n, frame in enumerate(frames):
            yield Frame(frame.data, n / rate, 1 / rate)


def _kept(path: Path) -> list[Frame] | None:
    """The last frames of a finished segment, None if they are lost."""
    try:
        return [Frame(data, Fraction(0)) for _, data in sorted(read_tensors(path).items())]
    except (ModelRefused, OSError):
        return None


def _info(asked: Asked) -> VideoInfo:
    height, width = asked.size
    return VideoInfo(width, height, asked.rate, 1 / asked.rate, length=asked.length, colour=asked.colour)


def _spelled(option: str) -> str:
    return f"--{SPELLED.get(option, option)}"
