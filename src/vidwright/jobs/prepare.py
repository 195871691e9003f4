"""What an edit has to know of the whole video before its first frame: where a region went, where painted things are.

It is found in one pass for each change and kept in files, which every worker and every later run reads.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

from torch import Tensor

from vidwright.core import Frame, Video, VideoInfo
from vidwright.core.errors import BadInput, UsageError
from vidwright.io.writer import save_video
from vidwright.jobs.changes import Change, Keys, Loop
from vidwright.jobs.looping import lead
from vidwright.jobs.masks import Masks, check, words
from vidwright.jobs.propagate import find
from vidwright.jobs.puts import Means, still
from vidwright.jobs.region import Region
from vidwright.jobs.segments import shown_at
from vidwright.jobs.tracking import track


def suffix(change: Change) -> str | None:
    """What the file of a change ends in; None for one that nothing has to be found for."""
    if isinstance(change.put, Loop):
        return ".mkv"
    return ".ways" if isinstance(change.put, Keys) else ".mkv" if change.region.tracked else None


def prepare(
    change: Change, path: Path, info: VideoInfo, times: Sequence[Fraction], frames: Iterable[Frame], means: Means
) -> None:
    """Write what has to be found for a change to `path`, of the `frames` of a video like `info`, shown at `times`.

    Raises `UsageError` for a key that the video does not show, or an empty region, and `BadInput` for what is given.
    """
    if isinstance(change.put, Loop):
        assert change.put.seam is not None  # as `Edit.decided` has it
        lead(frames, change.put.seam, path, info)
        return
    if isinstance(change.put, Keys):
        keys = {_number(key.at, times): still(key.path, means.max_pixels) for key in change.put.keys}
        for n, picture_CHW in keys.items():
            if picture_CHW.shape[1:] != (info.height, info.width):
                size = f"{picture_CHW.shape[2]}x{picture_CHW.shape[1]}"
                key = next(key for key in change.put.keys if _number(key.at, times) == n)
                raise BadInput(
                    key.path, f"it is {size}, the video {info.width}x{info.height}", "paint on a frame itself"
                )
        find(frames, keys, path)
        return
    check(change.region, info, max_pixels=means.max_pixels)
    drawn = key_masks(change.region, info, times, means)
    for n, mask_HW in drawn.items():
        if not bool(mask_HW.any()):
            raise UsageError(words(change.region), f"it is empty at {float(times[n]):.2f} s", "check its numbers")
    masks = _masks(track(frames, drawn, shadows=change.region.shadows), times, info)
    size = {"width": info.width, "height": info.height, "alpha": False, "hdr": None, "rotation": 0}
    save_video(Video(replace(info, **size), lambda: masks), path, codec="ffv1", carry=False)


def key_masks(region: Region, info: VideoInfo, times: Sequence[Fraction], means: Means) -> Mapping[int, Tensor]:
    """The masks of a region's keys as they were drawn, by the number of the frame."""
    found: dict[int, Tensor] = {}
    for shape in region.shapes:
        assert shape.at is not None
        alone = Region(shapes=(shape,))
        found[_number(shape.at, times)] = Masks(alone, info, max_pixels=means.max_pixels).at(Fraction(str(shape.at)))
    return found


def _number(at: float, times: Sequence[Fraction]) -> int:
    """The frame that is shown at a second. Raises `UsageError` where there is none."""
    second = Fraction(str(at))
    if not times or second > times[-1] + 1:
        raise UsageError(
            f"@{at:g}", f"the video ends at {float(times[-1]) if times else 0:.2f} s", "give an earlier second"
        )
    return shown_at(times, second)


def _masks(masks: Iterator[Tensor], times: Sequence[Fraction], info: VideoInfo) -> Iterator[Frame]:
    for time, mask_HW in zip(times, masks, strict=True):
        yield Frame(mask_HW.float().expand(3, -1, -1), time, colour=info.colour)
