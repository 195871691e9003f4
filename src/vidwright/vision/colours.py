"""The colours of one picture given to another: "The linear Monge-Kantorovitch linear colour mapping for example-based
colour transfer", Pitie and Kokaram 2007.

Of all linear maps that give a picture the mean and the covariance of another one's R'G'B' it is the one that changes
colours least.

Shapes: C = 3 channels R'G'B', H rows, W columns.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

#: Added to each channel's variance, in units of the peak: a flat picture has no spread to divide by.
_STEADY = 1e-5


@dataclass(frozen=True, slots=True)
class Palette:
    """How the colours of a picture are spread: `mean` (3,) and `covariance` (3, 3), float64."""

    mean: Tensor
    covariance: Tensor

    @staticmethod
    def of(picture_CHW: Tensor, mask_HW: Tensor | None = None) -> Palette:
        """That of a picture, or of a part of it that is not empty."""
        x_CN = picture_CHW.double().flatten(1) if mask_HW is None else picture_CHW.double()[:, mask_HW]
        mean_C = x_CN.mean(1)
        off_CN = x_CN - mean_C[:, None]
        return Palette(mean_C, off_CN @ off_CN.mT / off_CN.shape[1] + _STEADY * torch.eye(3, dtype=torch.float64))

    @staticmethod
    def mean_of(palettes: list[Palette]) -> Palette:
        """The mean of several, of pictures that show about the same."""
        means, covariances = ([getattr(each, name) for each in palettes] for name in ("mean", "covariance"))
        return Palette(torch.stack(means).mean(0), torch.stack(covariances).mean(0))


def recoloured(picture_CHW: Tensor, own: Palette, wanted: Palette) -> Tensor:
    """A picture of the palette `own` with the `wanted` one, fp32; colours may leave [0, 1]."""
    root = _power(own.covariance, 0.5)
    inverse = _power(own.covariance, -0.5)
    map_33 = inverse @ _power(root @ wanted.covariance @ root, 0.5) @ inverse
    offset_C = wanted.mean - map_33 @ own.mean
    return torch.einsum("dc,chw->dhw", map_33.float(), picture_CHW.float()) + offset_C.float()[:, None, None]


def _power(symmetric_33: Tensor, power: float) -> Tensor:
    values, vectors = torch.linalg.eigh(symmetric_33)
    return vectors @ torch.diag(values.clamp(min=1e-12) ** power) @ vectors.mT
