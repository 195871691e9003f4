"""What can be had without weights: the rows that a model must beat to be worth its weights.

Each is a function from the uint8 frames (T, 3, h, w) of a task's input to those of its output.

Shapes: T frames, C channels, H height, W width.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator

import torch
from torch import Tensor
from torch.nn import functional as F

from vidwright.core import Frame
from vidwright.data.degrade import to_bytes
from vidwright.io.filters import filtered
from vidwright.nn.resample import lanczos
from vidwright.train.excerpts import RATE, as_bytes, as_frames
from vidwright.train.interpolation import Way

#: One way of doing a task.
Restore = Callable[[Tensor], Tensor]

#: FFmpeg's filters against white noise of a standard deviation of 25 and of 10 code values: told how strong it is, with
#: strengths that were chosen on three clips for each of the two. The second number of each pair is for the weaker one.
DENOISERS: dict[str, dict[int, str]] = {
    "nlmeans": {25: "nlmeans=s=11:p=7:r=9", 10: "nlmeans=s=5:p=7:r=9"},
    "fftdnoiz": {
        25: "fftdnoiz=sigma=100:overlap=0.8:prev=1:next=1",
        10: "fftdnoiz=sigma=12:overlap=0.8:prev=1:next=1",
    },
    "hqdn3d": {25: "hqdn3d=50:50:15:15", 10: "hqdn3d=16:16:8:8"},
}

#: Settings of FFmpeg's `minterpolate`: the thorough and the quick one.
MINTERPOLATE: dict[str, str] = {
    "minterpolate": "mi_mode=mci:mc_mode=aobmc:me_mode=bidir:vsbmc=1",
    "minterpolate fast": "mi_mode=mci:mc_mode=obmc:me_mode=bilat:me=epzs",
}


def unchanged(x_TCHW: Tensor) -> Tensor:
    """The input itself: what doing nothing gives."""
    return x_TCHW


def bicubic_enlarged(low_TCHW: Tensor, scale: int) -> Tensor:
    """Enlarged by Keys' cubic kernel, a = -0.5 ("Cubic convolution interpolation", 1981), as papers have it."""
    size = (low_TCHW.shape[-2] * scale, low_TCHW.shape[-1] * scale)
    return torch.cat(
        [to_bytes(F.interpolate(low, size=size, mode="bicubic", antialias=True)) for low in _wide(low_TCHW)]
    )


def lanczos_enlarged(low_TCHW: Tensor, scale: int) -> Tensor:
    """Enlarged by the three-lobed Lanczos kernel: what players and editors do at their best."""
    return torch.cat([to_bytes(lanczos(low, scale)) for low in _wide(low_TCHW)])


def by_filter(x_TCHW: Tensor, graph: str) -> Tensor:
    """Through a chain of FFmpeg's filters, in 4:4:4. Raises `UsageError` where FFmpeg lacks one of them."""
    return as_bytes(filtered(as_frames(x_TCHW), graph, rate=RATE))


def by_minterpolate(kept_TCHW: Tensor, settings: str) -> Tensor:
    """The frames half way between T frames by FFmpeg's `minterpolate`: T - 1 of them.

    The filter keeps its last pairs back, so it is shown the clip with its ends reflected. Raises `ValueError` for fewer
    than three frames, and `UsageError` where FFmpeg lacks the filter.
    """
    count = len(kept_TCHW)
    if count < 3:
        raise ValueError(f"reflection needs three frames or more, not {count}")
    reflected = torch.cat([kept_TCHW[1:3].flip(0), kept_TCHW, kept_TCHW[-3:-1].flip(0)])
    graph = f"minterpolate=fps={RATE}:{settings}"
    made = filtered(as_frames(reflected, rate=RATE / 2), graph, rate=RATE / 2)
    places = [2 * (2 + number) + 1 for number in range(count - 1)]  # two reflected frames come first
    wanted = {place / RATE for place in places}
    return as_bytes(frame for frame in made if frame.time in wanted)


def bob(woven_TCHW: Tensor) -> Tensor:
    """Two frames for each interlaced one, top field first: its own rows, and between them the mean of those around."""
    made: list[Tensor] = []
    for woven_CHW, own in itertools.product(woven_TCHW, (0, 1)):
        rows_CHW = F.pad(woven_CHW[None].float(), (0, 0, 1, 1), mode="reflect")[0]
        between_CHW = (rows_CHW[:, :-2] + rows_CHW[:, 2:]) / 2
        between_CHW[:, own::2] = woven_CHW[:, own::2]
        made.append(to_bytes(between_CHW))
    return torch.stack(made)


def by_fields(way: Callable[[Iterable[Frame]], Iterable[Frame]], woven_TCHW: Tensor) -> Tensor:
    """What a deinterlacer makes of interlaced frames, top field first."""
    return as_bytes(way(as_frames(woven_TCHW, order="top")))


def between(way: Way, kept_TCHW: Tensor) -> Tensor:
    """What an interpolator makes half way between each two of T frames, from those two alone: T - 1 frames."""
    pairs = itertools.pairwise(as_frames(kept_TCHW, rate=RATE / 2))
    return as_bytes(way(first, second, [first.time + 1 / RATE])[0] for first, second in pairs)


def _wide(x_TCHW: Tensor) -> Iterator[Tensor]:
    """One frame at a time in fp32, to keep memory flat."""
    return (frame.float() for frame in x_TCHW.split(1))
