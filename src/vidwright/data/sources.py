"""Where clips come from, and which sources are kept out of training."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from pathlib import Path

from vidwright.core.errors import BadInput
from vidwright.io.container import SUFFIXES


def find_clips(folder: Path) -> list[Path]:
    """The video files in `folder` and below it, sorted; hidden ones are left out. Raises `BadInput` without any."""
    if not folder.is_dir():
        raise BadInput(folder, "there is no such folder", "name a folder of clips")
    found = sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES and path.is_file())
    visible = [path for path in found if not any(part.startswith(".") for part in path.relative_to(folder).parts)]
    if not visible:
        kinds = ", ".join(sorted(SUFFIXES))
        raise BadInput(folder, "there is no clip in this folder or below it", f"clips are files ending in {kinds}")
    return visible


def source_of(clip: Path, folder: Path) -> str:
    """What `clip` was cut from: the first sub-folder of `folder`, else its name without the number at its end.

    "film/b.mp4" comes from "film", "walk_03.mp4" from "walk", and "2024.mp4" from "2024".
    """
    parts = clip.relative_to(folder).parts
    if len(parts) > 1:
        return parts[0]
    return re.sub(r"[\s._-]*\d+$", "", clip.stem) or clip.stem


def held_out(frames: Mapping[str, int], share: float, seed: int) -> frozenset[str]:
    """The sources kept for validation, given the frames of each: about `share` of all frames, never more than asked.

    At least one source is kept out, and at least one is not, where there are two and `share` is above 0. Sources come
    in the order of a hash of their name, so that a new source moves as few of the others as can be.
    """
    if share <= 0 or len(frames) < 2:
        return frozenset()
    order = sorted(frames, key=lambda source: hashlib.sha256(f"{seed},{source}".encode()).digest())
    room = share * sum(frames.values())
    chosen: set[str] = set()
    for source in order:
        if frames[source] <= room and len(chosen) < len(frames) - 1:
            chosen.add(source)
            room -= frames[source]
    return frozenset(chosen or {min(order, key=frames.__getitem__)})
