"""A filter after a decoder that knows codecs, but not the film: it gives back a little of what the encoder took.

    planes --> taps, classes of places (nn/adaptive.py) --> * coefficients of codec, rate and class --> what to add

All that it has learned are coefficients, in closed form, by `train/filtering.py`: those of the set `fidelity` leave the
least squared error, those of `perceptual` the most structure of luma. Taps and classes are relative to the RMS error of
the plane, which whoever encodes knows and tells; that is why what was learned of some films holds for others. A small
network on the same pictures did worse in the time there was: a U-Net of 147,000 parameters, whose neighbours were not
aligned, gained 0.01 dB of luma after 15 minutes on a core; these filters gain 0.05 (AV1) to 0.3 dB (H.264) after ten on
two.

Shapes: H rows and W columns of a plane, C codecs, R rates, L classes, K taps.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

import torch
from torch import Tensor, nn

from vidwright.core import Card
from vidwright.nn.adaptive import CHROMA_TAPS, LUMA_TAPS, classes, combined

#: Classes of places by activity and by unrest, in units of the RMS error, of luma and of chroma.
LUMA_ACTIVITY, LUMA_UNREST = (0.4, 0.82, 1.7, 3.5, 7.1, 14.6, 30.0), (0.3, 0.71, 1.7, 4.0)
CHROMA_ACTIVITY, CHROMA_UNREST = (1.0, 3.0, 8.0), (0.5, 1.5)
#: How many that are, of y, u and v.
CLASSES = (
    (len(LUMA_ACTIVITY) + 1) * (len(LUMA_UNREST) + 1),
    *[(len(CHROMA_ACTIVITY) + 1) * (len(CHROMA_UNREST) + 1)] * 2,
)
#: Rates are told apart by the RMS error of luma, in code values of 8 bits.
RATES = (1.5, 3.0)

#: What a set of weights is learned for, and its name: the least squared error, or of luma the most structure.
Goal = Literal["fidelity", "perceptual"]


@dataclass(frozen=True, slots=True)
class Config:
    """The `codecs` that it knows."""

    codecs: tuple[str, ...] = ("av1", "hevc", "h264")

    def __post_init__(self) -> None:
        if not 1 <= len(self.codecs) <= 16:  # a config may come with a stranger's file
            raise ValueError("codecs must be from 1 to 16 names")


class Surroundings(Protocol):
    """A picture between its neighbours, with the RMS errors of its planes (`data/neighbours.py`)."""

    errors: Sequence[float]

    def taps(self, plane: int) -> Callable[[slice], Iterator[Tensor]]: ...
    def activity(self, plane: int) -> Tensor: ...
    def unrest(self, plane: int) -> Tensor: ...


class Net(nn.Module):
    """Coefficients of y, u and v: (C, R, L, K)."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        outer, taps = (len(config.codecs), len(RATES) + 1), (LUMA_TAPS, CHROMA_TAPS, CHROMA_TAPS)
        zeros = (torch.zeros(*outer, *inner) for inner in zip(CLASSES, taps, strict=True))
        self.y, self.u, self.v = (nn.Parameter(plane_CRLK) for plane_CRLK in zeros)

    def coefficients(self, plane: int, codec: str, luma_error: float) -> Tensor:
        """Those of a plane (0 to 2: y, u, v) for a codec at the rate that the RMS error of its luma tells, (L, K)."""
        own_CRLK = (self.y, self.u, self.v)[plane]
        return own_CRLK[self.config.codecs.index(codec), rate_of(luma_error)].float()

    def forward(self, place: Surroundings, plane: int, codec: str) -> Tensor:
        """What is to be added to a plane, (H, W)."""
        own_LK = self.coefficients(plane, codec, place.errors[0])
        return combined(place.taps(plane), own_LK, classes_of(place, plane))


def rate_of(luma_error: float) -> int:
    """The place of a rate in the coefficients."""
    return sum(luma_error > limit for limit in RATES)


def classes_of(place: Surroundings, plane: int) -> Tensor:
    """The class of each place of a picture's plane, (H, W)."""
    return places(plane, place.activity(plane), place.unrest(plane), place.errors)


def places(plane: int, activity_HW: Tensor, unrest_HW: Tensor, errors: Sequence[float]) -> Tensor:
    """The class of each place of a plane, (H, W); activity is luma's, unrest the plane's own, `errors` those of all."""
    active, restless = (LUMA_ACTIVITY, LUMA_UNREST) if plane == 0 else (CHROMA_ACTIVITY, CHROMA_UNREST)
    by_activity = classes(activity_HW, [limit * errors[0] for limit in active])
    by_unrest = classes(unrest_HW, [limit * errors[plane] for limit in restless])
    return by_activity * (len(restless) + 1) + by_unrest


CARD = Card(
    task="compress",
    summary="what encoders of a kind take, given back after the decoder",
    build=Net,
    config=Config,
    weights=("fidelity", "perceptual"),
    paper="Tsai 2013 (adaptive loop filter), Taquet 2019 (its clipping), Misra 2019 (chroma from luma): H.266",
)
