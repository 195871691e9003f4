"""From a folder of clips to a data set: find the shots, drop what teaches nothing, keep some sources for validation."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import torch
from torch import Tensor

from vidwright.core.errors import BadInput, UsageError
from vidwright.core.files import make_folder, sha256, write_atomic
from vidwright.data.examine import MOMENTS, Look, Thinned, examine
from vidwright.data.index import VALID, Dropped, FilePrint, Index, Shot, split_shots
from vidwright.data.sheet import MOST_CELLS, SHEET, Cell, contact_sheet
from vidwright.data.sources import find_clips, source_of

#: Frames of the shortest shot that is kept.
SHORTEST = 16

#: Luma code values of 255: what no part of a black shot exceeds, what no part of a static one moves by, and how far
#: copies of one shot lie apart (root mean square, in the print that differs most). Among 98 real clips the least motion
#: was 9 and the closest two, of one studio, were 8.3 apart; a copy at CRF 40 was at 2.5 and one of half the size at 1.
BLACK = 40.0
STATIC = 4.0
ALIKE = 4.5
#: Copies last equally long, give or take this part.
SAME_LENGTH = 0.05

Progress = Callable[[int, int], None]


def prepare(
    folder: Path,
    output: Path,
    *,
    seed: int = 0,
    valid: float = VALID,
    shortest: int = SHORTEST,
    progress: Progress | None = None,
) -> Index:
    """Index the clips in `folder` and below it as the data set `output`: index.json and sheet.png.

    Clips are cut into shots, and long shots into pieces that fit in memory. Dropped, with the reason in the index,
    are files that cannot be read or are damaged, and pieces that are black, static, shorter than `shortest` frames or
    copies of another. About `valid` of the frames are kept for validation, whole sources at a time. `progress` is
    told after each file how many are done and how many there are. The same folder gives the same index. Raises
    `BadInput` when there is no clip or nothing is left, `UsageError` for numbers out of range, `JobFailed` when
    the output cannot be written.
    """
    if not 0 <= valid < 1:
        raise UsageError(f"valid {valid}", "it is the part kept for validation", "give a number from 0 to below 1")
    if shortest < 1:
        raise UsageError(f"shortest {shortest}", "it is a number of frames", "give a number from 1")
    clips = find_clips(folder)
    survey = _Survey(folder, shortest)
    for number, clip in enumerate(clips, start=1):
        survey.add(clip)
        if progress is not None:
            progress(number, len(clips))
    if not survey.shots:
        worst = survey.dropped[0]
        cause = f"no clip in it is of use: {len(survey.dropped)} were dropped, {worst.file} because {worst.reason}"
        raise BadInput(folder, cause, "give clips with motion, or allow shorter ones with --shortest")
    make_folder(output)
    shots = tuple(split_shots(survey.shots, valid, seed))
    used = {shot.file.as_posix() for shot in shots}
    files = {name: known for name, known in survey.files.items() if name in used}
    index = Index(folder, seed, valid, files, shots, tuple(survey.dropped))
    write_atomic(output / SHEET, contact_sheet(survey.cells(shots)))
    index.save(output)
    return index


class _Survey:
    """What has been found so far."""

    def __init__(self, folder: Path, shortest: int) -> None:
        self.shots: list[Shot] = []
        self.dropped: list[Dropped] = []
        self.files: dict[str, FilePrint] = {}
        self._folder, self._shortest = folder, shortest
        self._copies: dict[str, Path] = {}
        self._prints = Prints()
        self._thumbnails: Thinned[tuple[Tensor, int | None, str]] = Thinned(MOST_CELLS)  # picture, shot, reason

    def add(self, clip: Path) -> None:
        """Judge one file and all that is in it."""
        name = clip.relative_to(self._folder)
        try:
            known = FilePrint(clip.stat().st_size, sha256(clip))
            if (same := self._copies.setdefault(known.sha256, name)) != name:
                return self._drop(name, 0, 0, f"copy: the same file as {same}")
            looks, damage = examine(clip, shortest=self._shortest)
        except BadInput as error:
            return self._drop(name, 0, 0, f"unreadable: {error.cause}")
        except OSError as error:
            return self._drop(name, 0, 0, f"unreadable: {error.strerror or error}")
        self.files[name.as_posix()] = known
        for look in looks:
            reason = f"damaged: {damage}" if damage else self._fault(look)
            if reason is not None:
                self._drop(name, look.first, look.frames, reason, look.thumbnail)
                continue
            self._prints.add(look, f"{name} from frame {look.first}")
            self._thumbnails.add((look.thumbnail, len(self.shots), ""))
            source = source_of(clip, self._folder)
            shape = (look.first, look.frames, look.width, look.height)
            self.shots.append(Shot(name, *shape, source, "train", look.stamp))

    def _drop(self, name: Path, first: int, frames: int, reason: str, thumbnail: Tensor | None = None) -> None:
        self.dropped.append(Dropped(name, first, frames, reason))
        picture = torch.zeros(3, 1, 1, dtype=torch.uint8) if thumbnail is None else thumbnail
        self._thumbnails.add((picture, None, reason.partition(":")[0]))

    def _fault(self, look: Look) -> str | None:
        """Why `look` is of no use, or None."""
        if look.frames < self._shortest:
            return f"short: {look.frames} frames of {self._shortest}"
        if look.brightest < BLACK:
            return f"black: nothing is brighter than {look.brightest:.0f} of 255"
        if look.motion < STATIC:
            return f"static: nothing changes by more than {look.motion:.1f} of 255"
        same = self._prints.find(look)
        return None if same is None else f"copy: it shows the same as {same}"

    def cells(self, shots: tuple[Shot, ...]) -> Iterator[Cell]:
        """What the contact sheet shows: all pieces in the order of the files, or evenly chosen ones of very many."""
        for picture, number, reason in self._thumbnails.kept:
            if number is None:
                yield Cell(picture, "dropped", reason)
            else:
                yield Cell(picture, shots[number].split, str(number))


class Prints:
    """The prints of the pieces that are kept, to know a copy by: re-encoded, resized or renamed."""

    def __init__(self) -> None:
        self._names: list[str] = []
        self._prints: list[Tensor] = []
        self._keys = torch.empty(64, 1 + MOMENTS)  # seconds, and the mean of each moment's print

    def add(self, look: Look, name: str) -> None:
        """Remember `look` by `name`."""
        count = len(self._names)
        if count == len(self._keys):
            self._keys = torch.cat([self._keys, torch.empty_like(self._keys)])
        self._keys[count] = _key(look)
        self._names.append(name)
        self._prints.append(look.prints)

    def find(self, look: Look) -> str | None:
        """The name of the first that shows the same, or None."""
        key, keys = _key(look), self._keys[: len(self._names)]
        # Means differ by no more than that, so this leaves out nothing that would be found.
        close = ((keys[:, 1:] - key[1:]).abs() <= ALIKE).all(-1)
        close &= (keys[:, 0] - key[0]).abs() <= SAME_LENGTH * key[0]
        for number in close.nonzero()[:, 0].tolist():
            apart = (self._prints[number].float() - look.prints.float()).square().mean((-1, -2)).sqrt()
            if float(apart.max()) <= ALIKE:
                return self._names[number]
        return None


def _key(look: Look) -> Tensor:
    return torch.cat([torch.tensor([float(look.seconds)]), look.prints.float().mean((-1, -2))])
