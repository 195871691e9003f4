"""`vidwright edit`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter
from pydantic import TypeAdapter, ValidationError

from vidwright.cli.batch import RunOptions, outputs_of, run_all, sampled
from vidwright.cli.files import inputs
from vidwright.core.errors import BadInput, UsageError
from vidwright.io.probe import probe
from vidwright.jobs.changes import Border, Change, Colours, Crop, Fill, Key, Keys, Mask, Picture, Put, Steady
from vidwright.jobs.edit import Edit, EditOptions
from vidwright.jobs.region import Region

#: Rows of a picture over the pixels by which what is removed is enlarged if nobody says how much: a mask that misses a
#: rim of what is to go leaves a ghost of it.
GROWTH = 60


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


def edit(
    files: Annotated[list[str], Parameter(name="IN", negative=())],
    /,
    *,
    out: Annotated[str | None, Parameter(name=["--output", "-o"])] = None,
    remove: Annotated[list[str] | None, Parameter(negative=())] = None,
    key: Annotated[list[str] | None, Parameter(negative=())] = None,
    recolour: Annotated[list[str] | None, Parameter(negative=())] = None,
    colours_of: Path | None = None,
    put: Path | None = None,
    match: float = 0,
    outpaint: str | None = None,
    expand: str | None = None,
    reframe: str | None = None,
    consistent_with: Path | None = None,
    edits: Path | None = None,
    save_mask: Path | None = None,
    model: str = "auto",
    sample: str | None = None,
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
    remove
        A region to remove: what is behind it is copied from where it is seen, or made up. As --region; several times.
    key
        A frame as you painted it, and its second: painted.png@1.2; carried to all frames of its shot. Several times.
    recolour
        The same, of which only the colours count; also for black and white.
    colours_of
        A picture whose colours the region is given.
    put
        A picture or a video that is put into the region.
    match
        With --put: how far its colours are drawn to those of the frame, up to 1.
    outpaint
        A wider or higher shape, such as 21:9, whose border is filled.
    expand
        The same in pixels: left,top,right,bottom.
    reframe
        Another shape, such as 9:16, cut out around the region, which is followed.
    consistent_with
        The original of a video that was edited frame by frame: takes the flicker out of it.
    edits
        A JSON file of changes, as `vidwright.jobs.changes.Change` has them.
    save_mask
        Write the region itself as a video, white on black: what `edit` would change.
    model
        What makes up what no frame shows: weights of edit/completion, or none for inpainting.
    sample
        Only this much of each file, from --start on: 5s.
    """
    options = sampled(options, sample)
    sources = inputs(files)
    outputs = outputs_of(sources, out, "{stem}.edited.{ext}", options.codec)
    puts: list[Put] = [Fill(model=model)] * bool(remove)
    puts += [Keys(keys=_keys(key))] if key else []
    puts += [Keys(keys=_keys(recolour), colour=True)] if recolour else []
    puts += [Colours(path=colours_of)] if colours_of else []
    puts += [Picture(path=put, match=match)] if put else []
    puts += [Steady(path=consistent_with)] if consistent_with else []
    puts += [Border(aspect=outpaint, model=model)] if outpaint else []
    puts += [Border(sides=_four(expand), model=model)] if expand else []
    puts += [Crop(aspect=reframe)] if reframe else []
    given = () if edits is None else _read(edits)
    jobs: list[Edit] = []
    for source, path in zip(sources, outputs, strict=True):
        region = _region(remove or where.region, where, source, options.max_pixels, grown=bool(remove))
        changes = tuple(
            Change(region=region, put=each, strength=where.strength, feather=where.feather) for each in puts
        )
        if save_mask is not None:
            shown = (Change(region=region, put=Mask()),)
            jobs.append(Edit(input=source, output=save_mask, changes=shown, **options.model_dump()))
        if changes or given or save_mask is None:
            jobs.append(Edit(input=source, output=path, changes=(*given, *changes), **options.model_dump()))
    return run_all(jobs, how)


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
