"""Where the components of each pixel format lie in memory."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

import av
import numpy as np
from av.video.format import VideoFormat

Array = np.ndarray[Any, np.dtype[Any]]


@dataclass(frozen=True, slots=True)
class Layout:
    """The memory layout of a pixel format.

    `model` says what the components mean: Y'CbCr, R'G'B' or Y' alone. `places` gives for each of Y, U, V or R, G, B
    or Y, and for alpha if there is any, its plane and its position among the `steps[plane]` components that share
    that plane. `halved` tells whether chroma has half the columns, half the rows. Codes lie `shift` bits above the
    bottom of their word.
    """

    model: Literal["yuv", "rgb", "gray"]
    bits: int
    places: tuple[tuple[int, int], ...]
    steps: tuple[int, ...]
    halved: tuple[bool, bool] = (False, False)
    alpha: bool = False
    shift: int = 0
    full_range: bool = False  # by its name, whatever the tags say

    @property
    def dtype(self) -> type[np.unsignedinteger[Any]]:
        return np.uint8 if self.bits == 8 else np.uint16


def _planar(count: int) -> tuple[tuple[tuple[int, int], ...], tuple[int, ...]]:
    return tuple((plane, 0) for plane in range(count)), (1,) * count


def _suffix(bits: int) -> str:
    return "" if bits == 8 else f"{bits}le"


def _table() -> dict[str, Layout]:
    table: dict[str, Layout] = {}
    subsampling = {"420": (True, True), "422": (True, False), "440": (False, True), "444": (False, False)}
    for name, halved in subsampling.items():
        for bits in (8, 9, 10, 12, 14, 16):
            table[f"yuv{name}p{_suffix(bits)}"] = Layout("yuv", bits, *_planar(3), halved)
            table[f"yuva{name}p{_suffix(bits)}"] = Layout("yuv", bits, *_planar(4), halved, alpha=True)
        table[f"yuvj{name}p"] = Layout("yuv", 8, *_planar(3), halved, full_range=True)
    for bits in (8, 9, 10, 12, 14, 16):
        table[f"gray{_suffix(bits)}"] = Layout("gray", bits, *_planar(1))
        table[f"gbrp{_suffix(bits)}"] = Layout("rgb", bits, ((2, 0), (0, 0), (1, 0)), (1,) * 3)
        table[f"gbrap{_suffix(bits)}"] = Layout("rgb", bits, ((2, 0), (0, 0), (1, 0), (3, 0)), (1,) * 4, alpha=True)
    table["nv12"] = Layout("yuv", 8, ((0, 0), (1, 0), (1, 1)), (1, 2), (True, True))
    table["p010le"] = Layout("yuv", 10, ((0, 0), (1, 0), (1, 1)), (1, 2), (True, True), shift=6)
    for name, order in (("rgb24", "RGB"), ("bgr24", "BGR"), ("rgb48le", "RGB"), ("rgb0", "RGB0"), ("bgr0", "BGR0")):
        places = tuple((0, order.index(component)) for component in "RGB")
        table[name] = Layout("rgb", 16 if "48" in name else 8, places, (len(order),))
    for name, order in (("rgba", "RGBA"), ("bgra", "BGRA"), ("argb", "ARGB"), ("abgr", "ABGR"), ("rgba64le", "RGBA")):
        places = tuple((0, order.index(component)) for component in "RGBA")
        table[name] = Layout("rgb", 16 if "64" in name else 8, places, (4,), alpha=True)
    table["ya8"] = Layout("gray", 8, ((0, 0), (0, 1)), (2,), alpha=True)
    return {name: layout for name, layout in table.items() if _known(name)}


def _known(name: str) -> bool:
    try:
        return bool(VideoFormat(name).name)
    except ValueError:
        return False


@cache
def layouts() -> dict[str, Layout]:
    """The layout of each pixel format that is read and written without swscale, by FFmpeg's name."""
    return _table()


@cache
def neighbour(name: str) -> str:
    """The pixel format with a known layout that holds all that format `name` holds, and as precisely."""
    if name in layouts():
        return name
    described = VideoFormat(name)
    bits = max((component.bits for component in described.components), default=8)
    alpha = described.has_palette or any(component.is_alpha for component in described.components)
    deep = bits > 8
    if described.has_palette or described.is_rgb:
        return ("rgba64le" if deep else "rgba") if alpha else ("rgb48le" if deep else "rgb24")
    if len(described.components) - alpha == 1:
        return "rgba64le" if deep and alpha else "gray16le" if deep else "ya8" if alpha else "gray"
    if "xyz" in name:
        return "rgb48le"
    wide, tall = described.chroma_width(16) > 8, described.chroma_height(16) > 8
    return f"yuv{'a' * alpha}{'444' if wide else '422' if tall else '420'}p{'16le' if deep else ''}"


def is_rgb(name: str) -> bool:
    """Whether pictures of format `name` are R'G'B', whatever else is stored of them."""
    return layouts()[neighbour(name)].model == "rgb"


def components(frame: av.VideoFrame, layout: Layout) -> list[Array]:
    """Views, without a copy, of the frame's components in the order Y U V (A), R G B (A) or Y (A).

    Each is (H, W) in the component's own size, uint8 or uint16; writing to it writes to the frame.
    """
    views: list[Array] = []
    for index, (plane, offset) in enumerate(layout.places):
        chroma = layout.model == "yuv" and index in (1, 2)
        width = -(-frame.width // 2) if chroma and layout.halved[0] else frame.width
        height = -(-frame.height // 2) if chroma and layout.halved[1] else frame.height
        memory: Any = frame.planes[plane]  # has the buffer protocol, which its stub does not tell
        codes: Array = np.frombuffer(memory, layout.dtype)
        pitch = memory.line_size // codes.itemsize
        views.append(_strided(codes, height, width, pitch, layout.steps[plane], offset))
    return views


def _strided(buffer: Array, height: int, width: int, pitch: int, step: int, offset: int) -> Array:
    """The (height, width) window of a padded plane; the last line need not be padded in full."""
    item = buffer.itemsize
    needed = (height - 1) * pitch + (width - 1) * step + offset + 1
    if pitch <= 0 or buffer.size < needed:
        raise ValueError(f"a plane of {buffer.size} values cannot hold {width}x{height} at {pitch} a line")
    return np.ndarray((height, width), buffer.dtype, buffer, offset * item, (pitch * item, step * item))
