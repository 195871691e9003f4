"""`vidwright edit`."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from cyclopts import Parameter
from pydantic import TypeAdapter, ValidationError

from vidwright.bench.sheet import drawn
from vidwright.cli.batch import RunOptions, outputs_of, run_all, sampled
from vidwright.cli.files import inputs
from vidwright.cli.terminal import say
from vidwright.core import Report
from vidwright.core.errors import BadInput, UsageError
from vidwright.core.files import write_atomic
from vidwright.io.probe import probe
from vidwright.jobs.changes import (
    Border,
    Change,
    Colours,
    Crop,
    Fill,
    Key,
    Keys,
    Loop,
    Mask,
    Picture,
    Put,
    Speed,
    Stabilise,
    Steady,
)
from vidwright.jobs.edit import Edit, EditOptions
from vidwright.jobs.framing import FILLED
from vidwright.jobs.preview import preview as previewed
from vidwright.jobs.region import Region

#: Rows of a picture over the pixels by which what is removed is enlarged if nobody says how much: a mask that misses a
#: rim of what is to go leaves a ghost of it.
GROWTH = 60
#: Rows of the pictures of a preview.
SHOWN = 270


@Parameter(name="*")
@dataclass(frozen=True)
class RegionOptions:
    """Where changes take place that are given on the command line, and how they end."""

    region: Annotated[list[str] | None, Parameter(negative=())] = None
    "Where: box:120,80,260,300, ellipse:x,y,rx,ry, polygon:x,y,.., brush:width,x,y,.., mask.png, mask.mkv; @SECONDS."
    track: Annotated[bool, Parameter(negative=())] = False
    "Follow what lies in the region, both ways from its @SECONDS; further regions correct it."
    shadows: Annotated[bool, Parameter(negative=())] = False
    "With --track: what it darkens beside it belongs to it."
    grow: float | None = None
    "Pixels by which the region is made larger; a sixtieth of the height for --remove if not given."
    form: Literal["as drawn", "hull", "box"] = "as drawn"
    "Make the region simpler, so that its shape tells less of what was there."
    invert: Annotated[bool, Parameter(negative=())] = False
    "Everything but the region."
    between: str | None = None
    "Only from this second to that: 1.5-4."
    feather: float = 0
    "Pixels around the region over which a change fades out."
    strength: float = 1
    "How much of a change is made, up to 1."


@Parameter(name="*")
@dataclass(frozen=True)
class PutOptions:
    """What is done; several of these are done one after the other, in this order."""

    remove: Annotated[list[str] | None, Parameter(negative=())] = None
    "A region to remove: what is behind it is copied from frames that show it, or made up. As --region; several times."
    key: Annotated[list[str] | None, Parameter(negative=())] = None
    "A frame as you painted it, and its second: painted.png@1.2; carried through its shot. Several times."
    recolour: Annotated[list[str] | None, Parameter(negative=())] = None
    "The same, of which only the colours count; also for black and white."
    colours_of: Path | None = None
    "A picture whose colours the region is given."
    put: Path | None = None
    "A picture or a video that is put into the region."
    match: float = 0
    "With --put: how far its colours are drawn to those of the frame, up to 1."
    consistent_with: Path | None = None
    "The original of a video that was edited frame by frame: takes the flicker out of it."
    stabilise: float | None = None
    "How much of the camera's shake is taken out, up to 1; the new border is filled."
    outpaint: str | None = None
    "A wider or higher shape, such as 21:9, whose border is filled."
    expand: str | None = None
    "The same in pixels: left,top,right,bottom."
    reframe: str | None = None
    "Another shape, such as 9:16, cut out around the region, which is followed."
    loop: float | None = None
    "Make it go on from its last frame to its first, by so many seconds that turn from one into the other; comes first."
    speed: float | None = None
    "So many times as fast, with its sound: 0.5 is slow motion, of frames that are made; from an eighth to 8."
    model: str = "auto"
    "What makes up what no frame shows: weights of edit/completion, or none for inpainting."
    edits: Path | None = None
    "A JSON file of changes, as `vidwright.jobs.changes.Change` has them; they come first."

    def puts(self) -> list[Put]:
        """What was asked for, in its order. Raises `UsageError`."""
        puts: list[Put] = [_put("--loop", Loop, seconds=self.loop)] if self.loop is not None else []
        puts += [Fill(model=self.model)] * bool(self.remove)
        puts += [Keys(keys=_keys(self.key))] if self.key else []
        puts += [Keys(keys=_keys(self.recolour), colour=True)] if self.recolour else []
        puts += [Colours(path=self.colours_of)] if self.colours_of else []
        puts += [Picture(path=self.put, match=self.match)] if self.put else []
        puts += [Steady(path=self.consistent_with)] if self.consistent_with else []
        if self.stabilise is not None:
            puts.append(_put("--stabilise", Stabilise, share=self.stabilise, model=self.model))
        puts += [Border(aspect=self.outpaint, model=self.model)] if self.outpaint else []
        puts += [Border(sides=_four(self.expand), model=self.model)] if self.expand else []
        puts += [Crop(aspect=self.reframe)] if self.reframe else []
        puts += [Speed(speed=self.speed)] if self.speed is not None else []
        return puts

    def changes(self, source: Path, where: RegionOptions, max_pixels: int) -> tuple[Change, ...]:
        """The changes of one file. Raises `UsageError`, and `BadInput` for a file of edits."""
        region = _region(self.remove or where.region, where, source, max_pixels, grown=bool(self.remove))
        own = [Change(region=region, put=put, strength=where.strength, feather=where.feather) for put in self.puts()]
        return (*(() if self.edits is None else _read(self.edits)), *own)


def _put(option: str, kind: type[Loop | Stabilise], **fields: Any) -> Put:
    """What an option asks for whose field has another name. Raises `UsageError` that names the option."""
    try:
        return kind(**fields)
    except ValidationError as error:
        first = error.errors()[0]
        raise UsageError(f"{option} {first['input']}", first["msg"], "see `vidwright edit --help`") from error


def edit(
    files: Annotated[list[str], Parameter(name="IN", negative=())],
    /,
    *,
    out: Annotated[str | None, Parameter(name=["--output", "-o"])] = None,
    save_mask: Path | None = None,
    preview: Path | None = None,
    report: Path | None = None,
    sample: str | None = None,
    what: PutOptions = PutOptions(),
    where: RegionOptions = RegionOptions(),
    options: Annotated[EditOptions, Parameter(name="*")] = EditOptions(),  # noqa: B008 (frozen)
    how: RunOptions = RunOptions(),  # noqa: B008 (frozen)
) -> int:
    """Edit videos: remove, replace, recolour, extend, and touch nothing else; sound and all other streams are kept.

    Run the same command again to go on with an interrupted job.

    Parameters
    ----------
    files
        Files, folders, quoted globs, @list.txt, or - for a list on stdin.
    out
        A file, a folder, or a template such as 'out/{stem}.{ext}'.
    save_mask
        Write the region itself as a video, white on black, and nothing else.
    preview
        Make single frames only and show them in this PNG, before and after: those of the keys, or five evenly spaced.
    report
        Write how each frame was filled, its hidden and copied parts by time, to this JSON file.
    sample
        Only this much of each file, from --start on: 5s.
    """
    options = sampled(options, sample)
    sources = inputs(files)
    if save_mask is not None:
        region = _region(what.remove or where.region, where, sources[0], options.max_pixels, grown=bool(what.remove))
        shown = (Change(region=region, put=Mask()),)
        return run_all([Edit(input=sources[0], output=save_mask, changes=shown, **options.model_dump())], how)
    outputs = outputs_of(sources, out, "{stem}.edited.{ext}", options.codec)
    jobs = [
        Edit(
            input=source,
            output=path,
            changes=what.changes(source, where, options.max_pixels),
            **options.model_dump(),
        )
        for source, path in zip(sources, outputs, strict=True)
    ]
    if preview is not None:
        pairs = previewed(jobs[0], tell=say)
        write_atomic(preview, drawn([[frame.data[:3] for frame in pair] for pair in pairs], side=SHOWN))
        say(f"preview: {preview}, before and after")
        return 0
    return run_all(jobs, how, noted=_reporting(report))


def _reporting(path: Path | None) -> Callable[[Report], None]:
    """Writes what is noted of filled frames to a file, if that is wanted."""

    def note(result: Report) -> None:
        if path is not None:
            rows = [dict(zip(("time", "hidden", "copied"), row, strict=True)) for row in result.details.get(FILLED, [])]
            write_atomic(path, json.dumps({"schema": 1, "file": str(result.output), "frames": rows}).encode())

    return note


def _region(words: list[str] | None, where: RegionOptions, source: Path, max_pixels: int, *, grown: bool) -> Region:
    """The region of these words in a file."""
    if not words:
        return Region.everything()
    start, stop = _span(where.between)
    growth = where.grow
    if growth is None:
        growth = probe(source, max_pixels=max_pixels).info.height / GROWTH if grown else 0
    fields = {
        "tracked": where.track,
        "shadows": where.shadows,
        "growth": growth,
        "form": where.form,
        "inverted": where.invert,
    }
    return Region.parse(";".join(words), **fields, start=start, stop=stop)


def _span(text: str | None) -> tuple[float, float | None]:
    if text is None:
        return 0, None
    first, _, last = text.partition("-")
    try:
        start, stop = float(first or 0), float(last) if last else None
    except ValueError:
        start, stop = 0.0, 0.0
    if stop is not None and stop <= start:
        raise UsageError(f"--between {text}", "this is no span of time", "write seconds, as 1.5-4, 1.5- or -4")
    return start, stop


def _keys(words: list[str]) -> tuple[Key, ...]:
    """Painted frames of words such as painted.png@1.2."""
    found: list[Key] = []
    for word in words:
        path, _, at = word.rpartition("@")
        try:
            found.append(Key(path=Path(path), at=float(at)))
        except ValueError as error:
            cause = "it does not say which frame was painted"
            raise UsageError(word, cause, "give it as painted.png@1.2, in seconds") from error
    return tuple(found)


def _four(text: str) -> tuple[int, int, int, int]:
    try:
        left, top, right, bottom = (int(number) for number in text.split(","))
    except ValueError as error:
        raise UsageError(f"--expand {text}", "it takes four whole numbers", "write left,top,right,bottom") from error
    return left, top, right, bottom


def _read(path: Path) -> tuple[Change, ...]:
    """The changes of a JSON file."""
    try:
        return TypeAdapter(tuple[Change, ...]).validate_json(path.read_bytes())
    except OSError as error:
        raise BadInput(path, f"it cannot be read ({error.strerror})", "check the path") from error
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"])) or "the file"
        raise BadInput(path, f"{place}: {first['msg']}", "see docs/edit.md for what changes are made of") from error
