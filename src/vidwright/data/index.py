"""The index of a prepared data set: which shots there are, which were dropped and why, what is kept for validation."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

from vidwright.core.errors import BadInput
from vidwright.core.files import write_atomic
from vidwright.data.samples import Split
from vidwright.data.sources import find_clips, held_out, source_of
from vidwright.io import probe
from vidwright.io.scan import scan

SCHEMA = 1
NAME = "index.json"

#: Of the frames of a folder's clips, unless told otherwise: kept for validation.
VALID = 0.1

#: Bytes of the longest piece of a shot as 8-bit R'G'B', and its most frames: longer shots are cut into such pieces.
PIECE_BYTES = 2**27
PIECE_FRAMES = 240


@dataclass(frozen=True, slots=True)
class Shot:
    """A piece of one shot: frames `first` to `first` + `frames` - 1 of `file`, upright `width` x `height`.

    `stamp` is the file's time stamp of the first one where it can be sought by it.
    """

    file: Path
    first: int
    frames: int
    width: int
    height: int
    source: str
    split: Literal["train", "valid"]
    stamp: int | None = None


@dataclass(frozen=True, slots=True)
class Dropped:
    """A piece of a file that is not used, or with 0 `frames` the whole file, and why."""

    file: Path
    first: int
    frames: int
    reason: str


@dataclass(frozen=True, slots=True)
class FilePrint:
    """By what a file is known again."""

    bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Index:
    """A prepared data set; files are relative to `folder`.

    `files` are the fingerprints of all files that shots are of; `seed` and `valid` are what the split was made from.
    """

    folder: Path
    seed: int
    valid: float
    files: Mapping[str, FilePrint]
    shots: tuple[Shot, ...]
    dropped: tuple[Dropped, ...]

    def sources(self, split: Literal["train", "valid"]) -> tuple[str, ...]:
        """The names of the sources of one part, sorted."""
        return tuple(sorted({shot.source for shot in self.shots if shot.split == split}))

    def reasons(self) -> dict[str, int]:
        """How many were dropped for each kind of reason (the words before the colon), the most frequent first."""
        return dict(Counter(each.reason.partition(":")[0] for each in self.dropped).most_common())

    def as_json(self) -> dict[str, Any]:
        """Plain data."""
        content = {"schema": SCHEMA, **asdict(self), "folder": self.folder.as_posix()}
        for each in (*content["shots"], *content["dropped"]):
            each["file"] = each["file"].as_posix()
        return content

    def save(self, dataset: Path) -> None:
        """Write `dataset`/index.json as a whole or not at all. Raises `JobFailed` where it cannot be written.

        When the clips lie in `dataset`, or it among the clips, both may be moved together.
        """
        here, clips = dataset.resolve(), self.folder.resolve()
        together = here.is_relative_to(clips) or clips.is_relative_to(here)
        folder = Path(os.path.relpath(clips, here)) if together else clips
        write_atomic(dataset / NAME, json.dumps(replace(self, folder=folder).as_json(), indent=1) + "\n")

    @staticmethod
    def load(dataset: Path) -> Index:
        """The index in `dataset`. Raises `BadInput` when it is damaged or of another version."""
        path = dataset / NAME
        again = "run `vidwright data prepare` again"
        try:
            content = json.loads(path.read_bytes())
            if content["schema"] != SCHEMA:
                raise BadInput(path, f"it has the schema {content['schema']}, not {SCHEMA}", again)
            return Index(
                dataset / content["folder"],
                int(content["seed"]),
                float(content["valid"]),
                {name: FilePrint(**each) for name, each in content["files"].items()},
                tuple(Shot(**{**each, "file": Path(each["file"])}) for each in content["shots"]),
                tuple(Dropped(**{**each, "file": Path(each["file"])}) for each in content["dropped"]),
            )
        except OSError as error:
            raise BadInput(path, f"it cannot be read ({error.strerror or error})", again) from error
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise BadInput(path, f"the index is damaged ({type(error).__name__}: {error})", again) from error


def open_shots(folder: Path, split: Split) -> list[Shot]:
    """The shots of one part of `folder`, with files that can be opened: a prepared data set, or a folder of clips.

    In a bare folder each clip is taken for one shot (a long one is cut into pieces), and sources are split as
    `prepare` does unless told otherwise. Raises `BadInput` when there is nothing in that part, and when files
    have gone or changed since they were prepared.
    """
    shots = _prepared(folder) if (folder / NAME).exists() else _bare(folder)
    chosen = [shot for shot in shots if split in ("all", "test", shot.split)]
    if not chosen:
        count = len({shot.source for shot in shots})
        cause = f"nothing is left for {split}: all clips are of {count} source"
        raise BadInput(folder, cause, "put clips of different sources in sub-folders of their own")
    return chosen


def large_shots(folder: Path, split: Split, *, frames: int, side: int) -> list[Shot]:
    """Those of `open_shots` with at least so many frames, rows and columns. Raises `BadInput` when there is none."""
    found = open_shots(folder, split)
    shots = [shot for shot in found if shot.frames >= frames and min(shot.height, shot.width) >= side]
    if not shots:
        cause = f"none of its {len(found)} shots has {frames} frames of {side} x {side} pixels"
        raise BadInput(folder, cause, "ask for shorter or smaller samples, or give longer or larger clips")
    return shots


def piece_frames(width: int, height: int, shortest: int = 1) -> int:
    """The most frames of a piece of that size, but not fewer than `shortest`."""
    return max(shortest, min(PIECE_FRAMES, PIECE_BYTES // (3 * width * height)), 1)


def _prepared(dataset: Path) -> list[Shot]:
    index = Index.load(dataset)
    for name, known in index.files.items():
        path = index.folder / name
        if not path.is_file() or path.stat().st_size != known.bytes:
            cause = "the file has changed since" if path.is_file() else "the file is gone that"
            raise BadInput(path, f"{cause} {dataset} was prepared", "run `vidwright data prepare` again")
    return [replace(shot, file=index.folder / shot.file) for shot in index.shots]


def _bare(folder: Path) -> list[Shot]:
    shots: list[Shot] = []
    for clip in find_clips(folder):
        info = probe(clip).info
        total = info.length or len(scan(clip).times)
        most = piece_frames(info.width, info.height)
        for first in range(0, total, most):
            size = (min(most, total - first), info.width, info.height)
            shots.append(Shot(clip, first, *size, source_of(clip, folder), "train"))
    return split_shots(shots, VALID, seed=0)


def split_shots(shots: list[Shot], valid: float, seed: int) -> list[Shot]:
    """The same shots with about `valid` of their frames set apart, whole sources at a time."""
    frames = Counter[str]()
    for shot in shots:
        frames[shot.source] += shot.frames
    kept = held_out(frames, valid, seed)
    return [replace(shot, split="valid" if shot.source in kept else "train") for shot in shots]
