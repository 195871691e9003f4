"""Clips as they come from the net: coded, by one codec or another, well or badly.

Shapes: T frames, H height, W width.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import torch
from torch import Tensor

from vidwright.io.roundtrip import CODINGS, roundtrip

#: Qualities of each codec that footage is met in, best and worst: from hardly seen to ugly.
QUALITIES: Mapping[str, tuple[int, int]] = MappingProxyType(
    {"h264": (18, 36), "hevc": (20, 38), "av1": (25, 55), "mpeg4": (2, 12), "mpeg2": (2, 12)}
)


def random_coding(size: tuple[int, int], random: torch.Generator) -> tuple[str, int]:
    """A codec that takes frames of `size` (height, width), and a quality for it, all alike likely."""
    height, width = size
    able = [name for name in QUALITIES if width >= CODINGS[name].smallest[0] and height >= CODINGS[name].smallest[1]]
    codec = able[int(torch.randint(len(able), (), generator=random))]
    best, worst = QUALITIES[codec]
    return codec, int(torch.randint(best, worst + 1, (), generator=random))


def coded(frames_TCHW: Tensor, random: torch.Generator) -> Tensor:
    """uint8 (T, 3, H, W) after a random codec at a random quality; H and W even.

    Raises `ValueError` for odd sizes.
    """
    codec, quality = random_coding((frames_TCHW.shape[-2], frames_TCHW.shape[-1]), random)
    return roundtrip(frames_TCHW, codec, quality)
