"""The worst frames as pictures: A, B and their difference.

Shape suffixes: C channels, H rows, W columns.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice

from torch import Tensor
from torch.nn import functional as F

from vidwright.bench.compare import Comparison
from vidwright.io.reader import Reader
from vidwright.io.stills import encode_still

_WIDEST = 640


@dataclass(frozen=True, slots=True)
class Strip:
    """One frame's three JPEG pictures of `width` x `height`; the difference is `gain` times amplified."""

    frame: int
    width: int
    height: int
    a: bytes
    b: bytes
    difference: bytes
    gain: int


def strips(comparison: Comparison) -> list[Strip]:
    """The worst frames of a comparison, worst first, at most 640 pixels wide; one gain serves them all.

    Reads both files again, up to the last of those frames. Raises `BadInput` when one can not be read.
    """
    wanted = set(comparison.worst)
    pairs: dict[int, tuple[Tensor, Tensor]] = {}
    with Reader(comparison.a.path, cuts=False) as left, Reader(comparison.b.path, cuts=False) as right:
        both = zip(left, right, strict=False)
        for number, (first, second) in enumerate(islice(both, max(wanted) + 1)):
            if number in wanted:
                pairs[number] = _same_size(first.frame().data[:3], second.frame().data[:3])
    gain = _gain([_difference(*pair) for pair in pairs.values()])
    return [_strip(number, *pairs[number], gain) for number in comparison.worst if number in pairs]


def _same_size(a_CHW: Tensor, b_CHW: Tensor) -> tuple[Tensor, Tensor]:
    height, width = max(a_CHW.shape[1], b_CHW.shape[1]), max(a_CHW.shape[2], b_CHW.shape[2])
    scale = min(_WIDEST / width, 1)
    size = max(round(height * scale), 1), max(round(width * scale), 1)
    return _resize(a_CHW, size), _resize(b_CHW, size)


def _resize(x_CHW: Tensor, size: tuple[int, int]) -> Tensor:
    if x_CHW.shape[1:] == size:
        return x_CHW.float().clamp(0, 1)
    return F.interpolate(x_CHW.float()[None], size=size, mode="lanczos", antialias=True)[0].clamp_(0, 1)


def _difference(a_CHW: Tensor, b_CHW: Tensor) -> Tensor:
    return (a_CHW - b_CHW).abs()


def _gain(differences: list[Tensor]) -> int:
    """The power of two, 1 to 32, that makes the differences fill the range with at most 0.5 % clipped."""
    top = max(float(d.flatten().kthvalue(max(int(d.numel() * 0.995), 1)).values) for d in differences)
    return next((gain for gain in (32, 16, 8, 4, 2) if top * gain <= 1), 1)


def _strip(number: int, a_CHW: Tensor, b_CHW: Tensor, gain: int) -> Strip:
    difference = _difference(a_CHW, b_CHW) * gain
    height, width = a_CHW.shape[1:]
    return Strip(number, width, height, encode_still(a_CHW), encode_still(b_CHW), encode_still(difference), gain)
