"""XPSNR, Helmrich et al., "XPSNR: a low-complexity extension of the perceptually weighted PSNR", ICASSP 2020.

By FFmpeg's filter of that name, on luma. Shape suffixes: H rows, W columns.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from fractions import Fraction

from torch import Tensor

from vidwright.metrics.ffmpeg import LOG, filtered

_LINE = re.compile(r"^n: *\d+ +XPSNR y: ([\d.]+|inf)", re.MULTILINE)


def xpsnr(
    output: Iterable[Tensor], target: Iterable[Tensor], *, bits: int = 8, rate: Fraction = Fraction(25)
) -> tuple[float, ...]:
    """XPSNR of each picture's luma in dB, infinite for equal ones; it is weighted by what the eye masks.

    Both are streams of luma (H, W) in code values of `bits` bits: uint8, or uint16 for 10 bits. The weights of a
    picture depend on the ones before it, and on the frame `rate`. Raises as `filtered`.
    """
    log = filtered(output, target, f"xpsnr=stats_file={LOG}", what="XPSNR", bits=bits, rate=rate)
    return tuple(float(found) for found in _LINE.findall(log))
