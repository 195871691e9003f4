"""`vidwright data`: a folder of clips becomes a data set to train on."""

from __future__ import annotations

import json as jsonlib
import sys
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import App, Parameter

from vidwright.data.index import NAME, VALID, Index
from vidwright.data.prepare import SHORTEST, prepare
from vidwright.data.sheet import SHEET

data = App(name="data", help="Prepare a folder of clips to train on.")


@data.command(name="prepare")
def prepare_command(
    folder: Path,
    /,
    *,
    output: Annotated[Path, Parameter(name=["--output", "-o"])],
    seed: int = 0,
    valid: float = VALID,
    shortest: int = SHORTEST,
    json: Annotated[bool, Parameter(name="--json", negative=())] = False,
) -> None:
    """Cut clips into shots, drop what teaches nothing, keep some sources for validation; writes an index and a sheet.

    Parameters
    ----------
    folder
        The clips, in it and below it. The first sub-folder of a clip, or else its name without the number at its end,
        is its source.
    output
        Folder for the index and the contact sheet. The clips stay where they are.
    seed
        Another seed keeps other sources for validation.
    valid
        About this part of the frames is kept for validation, whole sources at a time.
    shortest
        Frames of the shortest shot that is kept.
    json
        Print the index as JSON.
    """
    index = prepare(folder, output, seed=seed, valid=valid, shortest=shortest, progress=_told)
    print(jsonlib.dumps(index.as_json()) if json else summary(index, output))


def summary(index: Index, output: Path) -> str:
    """What was found, what was dropped and why, and where to look."""
    lines = [f"training  : {_part(index, 'train')}", f"validation: {_part(index, 'valid')}"]
    if not index.sources("valid"):
        lines[-1] = "validation: nothing: all clips are of one source; put those of each source in a sub-folder"
        lines[-1] = lines[-1] if index.valid > 0 else "validation: nothing, as asked"
    lines += [f"dropped   : {count} {reason}" for reason, count in index.reasons().items()]
    lines += [f"            {each.file}: {each.reason}" for each in index.dropped if not each.frames]
    return "\n".join([*lines, f"index     : {output / NAME}", f"sheet     : {output / SHEET} (blue: validation)"])


def _part(index: Index, split: Literal["train", "valid"]) -> str:
    shots = [shot for shot in index.shots if shot.split == split]
    frames, sources = sum(shot.frames for shot in shots), len(index.sources(split))
    return ", ".join((_counted(len(shots), "shot"), _counted(frames, "frame"), _counted(sources, "source")))


def _counted(count: int, thing: str) -> str:
    return f"{count} {thing}{'s' * (count != 1)}"


def _told(done: int, total: int) -> None:
    """A line that counts the files, on a terminal only."""
    if sys.stderr.isatty():
        print(f"\r{done} of {total} files", end="\n" if done == total else "", file=sys.stderr, flush=True)
