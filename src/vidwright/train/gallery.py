"""The pictures of a run's validations as HTML: the latest large, earlier ones small."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from html import escape
from pathlib import Path

from vidwright.core.page import data_uri
from vidwright.train.log import PICTURES, Row

#: Bytes of pictures in a page, as text.
MOST_BYTES = 4_000_000

#: Validations that are shown besides the latest.
_EARLIER = 11

#: Pictures narrower than this are magnified, up to so many times and to so many pixels, with their pixels showing.
_TINY, _TIMES, _MAGNIFIED = 160, 4, 512


@dataclass(frozen=True, slots=True)
class _Picture:
    step: int
    name: str
    path: Path

    @property
    def bytes(self) -> int:
        return self.path.stat().st_size * 4 // 3


def gallery(run: Path, valids: list[Row], *, most: int = MOST_BYTES) -> str:
    """Pictures of the latest validation, and smaller ones of the first and others evenly between.

    As many validations as fit into `most` bytes, and of the latest as many pictures; "" when there is none.
    Pictures that have gone, or lie outside the run's own folder, are left out.
    """
    shown = [pictures for pictures in (list(_pictures(run, row)) for row in valids) if pictures]
    if not shown:
        return ""
    latest = list(_fitting(shown[-1], most))
    left = most - sum(picture.bytes for picture in latest)
    earlier = _spread(shown[:-1], left)
    step = shown[-1][0].step
    missing = len(shown[-1]) - len(latest)
    lead = f"After step {step:,}" + (f"; {missing} more did not fit into this page." if missing else ".")
    large = "".join(_figure(picture, escape(picture.name), large=True) for picture in latest)
    rows = "".join(_progress(name, earlier) for name in dict.fromkeys(p.name for each in earlier for p in each))
    rest = f'<div class="earlier pictures figures">{rows}</div>' if rows else ""
    return f'<p class="lead">{lead}</p><div class="latest pictures">{large}</div>{rest}'


def _progress(name: str, validations: list[list[_Picture]]) -> str:
    """One picture as it was at each of the validations, oldest first."""
    same = [picture for pictures in validations for picture in pictures if picture.name == name]
    row = "".join(_figure(picture, f"step {picture.step:,}", large=False) for picture in same)
    return f"<h3>{escape(name)}, before</h3><div>{row}</div>"


def _pictures(run: Path, row: Row) -> Iterator[_Picture]:
    home = (run / PICTURES).resolve()
    for name, place in (row.get("pictures") or {}).items():
        path = (run / str(place)).resolve()
        if path.is_relative_to(home) and path.is_file() and _size(path) is not None:
            yield _Picture(row["step"], str(name), path)


def _fitting(pictures: list[_Picture], most: int) -> Iterator[_Picture]:
    for picture in pictures:
        most -= picture.bytes
        if most < 0:
            return
        yield picture


def _spread(validations: list[list[_Picture]], most: int) -> list[list[_Picture]]:
    """As many validations as fit, the first among them and the others evenly spread."""
    last = len(validations) - 1
    for count in range(min(len(validations), _EARLIER), 0, -1):
        numbers = sorted({round(n * last / max(count - 1, 1)) for n in range(count)})
        chosen = [validations[n] for n in numbers]
        if sum(picture.bytes for pictures in chosen for picture in pictures) <= most:
            return chosen
    return []


def _size(path: Path) -> tuple[int, int] | None:
    """Width and height of a PNG file, from its first chunk; None when it is not one."""
    with path.open("rb") as file:
        head = file.read(24)
    if len(head) < 24 or not head.startswith(b"\x89PNG\r\n\x1a\n"):
        return None
    width, height = struct.unpack(">II", head[16:24])
    return width, height


def _figure(picture: _Picture, caption: str, *, large: bool) -> str:
    width, height = _size(picture.path) or (1, 1)
    times = max(1, min(_TIMES, _MAGNIFIED // width)) if large and width < _TINY else 1
    look = ' class="tiny"' if width < _TINY else ""
    source = data_uri("image/png", picture.path.read_bytes())
    image = f'<img{look} src="{source}" alt="{escape(picture.name)}" width="{width * times}" height="{height * times}">'
    return f"<figure>{image}<figcaption>{caption}</figcaption></figure>"
