"""The two videos as a browser can play them: whole where it can, otherwise a short excerpt in H.264.

Shape suffixes: C channels, H rows, W columns.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import islice
from pathlib import Path

from torch import Tensor
from torch.nn import functional as F

from vidwright.bench.compare import Comparison, FileFacts
from vidwright.core import Frame
from vidwright.io.reader import open_video
from vidwright.io.writer import save_video

#: Bytes; in base64 it becomes 32 MB, the most that Firefox takes in one data: URI.
EMBED_LIMIT = 24_000_000
EXCERPT_SECONDS = Fraction(10)
#: Codecs, and the layouts of each, that current browsers decode.
_PLAYED = {"h264": ("yuv420p", "yuvj420p"), "av1": ("yuv420p", "yuv420p10le")}


@dataclass(frozen=True, slots=True)
class Media:
    """Both videos with their media types; they hold frames `first` to `last` of the comparison, both included.

    `stage` is the size in square pixels at which both are shown; `note` says why it is an excerpt, if it is one.
    """

    a: bytes
    b: bytes
    kind_a: str
    kind_b: str
    first: int
    last: int
    stage: tuple[int, int]
    note: str

    @property
    def whole(self) -> bool:
        return not self.note


def embed(comparison: Comparison) -> Media:
    """The videos of a comparison, small enough for a page.

    One that no browser plays, or above `EMBED_LIMIT` bytes, turns both into excerpts of the same frames: at most
    10 s around the worst frame, shorter while they are still too large. Raises `BadInput` or `JobFailed` as
    reading and writing do.
    """
    a, b = comparison.a, comparison.b
    stage = max((_shown(facts) for facts in (a, b)), key=lambda size: size[0] * size[1])
    kinds = media_type(a), media_type(b)
    if kinds[0] and kinds[1] and max(a.bytes, b.bytes) <= EMBED_LIMIT:
        content = a.path.read_bytes(), b.path.read_bytes()
        return Media(*content, kinds[0], kinds[1], 0, len(comparison.frames) - 1, stage, "")
    why = "Browsers do not play these files as they are" if not all(kinds) else "The files are large"
    seconds = EXCERPT_SECONDS
    while True:
        first, last = excerpt_range(comparison, seconds)
        content = _encode(a.path, first, last), _encode(b.path, first, last)
        if max(map(len, content)) <= EMBED_LIMIT or first == last:
            break
        seconds /= 2
    note = f"{why}: the player shows frames {first} to {last} around the worst one, coded again in H.264."
    return Media(*content, "video/mp4", "video/mp4", first, last, stage, note)


def media_type(facts: FileFacts) -> str:
    """The media type of a file that browsers play, read from its first bytes; empty for any other."""
    if facts.pixel_format not in _PLAYED.get(facts.codec, ()):
        return ""
    with facts.path.open("rb") as file:
        head = file.read(64)
    if head[4:8] == b"ftyp" and head[8:12] != b"qt  ":
        return "video/mp4"
    return "video/webm" if head[:4] == b"\x1aE\xdf\xa3" and b"webm" in head else ""


def excerpt_range(comparison: Comparison, seconds: Fraction) -> tuple[int, int]:
    """Numbers of the first and the last frame of a stretch of at most `seconds` with the worst frame amid it."""
    times = [frame.time for frame in comparison.frames]
    first = last = middle = comparison.worst[0]
    while True:
        earlier = first > 0 and times[last] - times[first - 1] < seconds
        later = last + 1 < len(times) and times[last + 1] - times[first] < seconds
        if not earlier and not later:
            return first, last
        if earlier and (not later or times[middle] - times[first] <= times[last] - times[middle]):
            first -= 1
        else:
            last += 1


def _shown(facts: FileFacts) -> tuple[int, int]:
    return max(round(facts.width * facts.sample_aspect), 1), facts.height


def _encode(path: Path, first: int, last: int) -> bytes:
    video = open_video(path)
    width, height = video.info.width + video.info.width % 2, video.info.height + video.info.height % 2

    def cut(frames: Iterable[Frame]) -> Iterator[Frame]:
        start: Fraction | None = None
        for frame in islice(frames, first, last + 1):
            start = frame.time if start is None else start
            yield replace(frame, data=_even(frame.data[:3]), time=frame.time - start)

    length = last + 1 - first
    clip = video.map(cut, width=width, height=height, length=length, duration=None, alpha=False, hdr=None)
    with tempfile.TemporaryDirectory(prefix="vidwright-") as folder:
        target = Path(folder) / "excerpt.mp4"
        save_video(clip, target, carry=False, codec="h264", preset="veryfast", pixel_format="yuv420p")
        return target.read_bytes()


def _even(x_CHW: Tensor) -> Tensor:
    """4:2:0 has no odd sizes: the last row and column are repeated where they must be."""
    padding = (0, x_CHW.shape[2] % 2, 0, x_CHW.shape[1] % 2)
    return F.pad(x_CHW[None], padding, mode="replicate")[0] if any(padding) else x_CHW
