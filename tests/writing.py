"""What the tests of writing share: videos of numbered frames, and how PyAV alone sees the files made of them."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import torch

import media
from vidwright.core import Colour, Frame, Streams, Video, VideoInfo

UNTAGGED = Colour()


def numbered(
    count: int = 8,
    size: tuple[int, int] = (64, 48),
    rate: Fraction = Fraction(25),
    *,
    times: Sequence[Fraction] | None = None,
    streams: Streams | None = None,
    colour: Colour = UNTAGGED,
    **info: object,
) -> Video:
    """A video of `count` barcode frames that no file stands behind."""
    moments = [number / rate for number in range(count)] if times is None else list(times)
    ends = [*moments[1:], *(last + 1 / rate for last in moments[-1:])]

    def frames():
        for number, (moment, end) in enumerate(zip(moments, ends, strict=True)):
            image = media.picture(number, size, alpha=bool(info.get("alpha"))).transpose(2, 0, 1)
            yield Frame(torch.from_numpy(image.copy()).float() / 255, moment, end - moment, colour)

    described = {"time_base": 1 / rate, "colour": colour} | info
    return Video(VideoInfo(size[0], size[1], rate, **described), frames, streams)  # type: ignore[arg-type]


def numbers(path: Path) -> list[int]:
    """The barcodes of a file, in the order in which it is shown."""
    return [media.read_barcode(image) for image in media.decoded(path)]


def times(path: Path) -> list[Fraction]:
    """When each frame is shown, in seconds of the file's own clock."""
    with av.open(str(path)) as source:
        return [frame.pts * frame.time_base for frame in source.decode(video=0)]


def furthest(path: Path, ideal: Sequence[Fraction]) -> Fraction:
    """The largest error of a frame's time, both counted from the first frame."""
    found = times(path)
    return max(abs((a - found[0]) - (b - ideal[0])) for a, b in zip(found, ideal, strict=True))


def packets(path: Path, kind: str, index: int = 0) -> list[tuple[Fraction, str]]:
    """Presentation time and digest of each packet of the `index`-th stream of its kind."""
    with av.open(str(path)) as source:
        stream = [each for each in source.streams if each.type == kind][index]
        return [
            (packet.pts * packet.time_base, hashlib.md5(bytes(packet)).hexdigest())
            for packet in source.demux(stream)
            if packet.size and packet.pts is not None
        ]
