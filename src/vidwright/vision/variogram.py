"""How unlike a picture is to itself at a distance: what it costs to look a value up in the wrong place.

The mean square of the difference between places so far apart, which is twice the semivariance of geostatistics
(Matheron 1963).

Shapes: C channels, H rows, W columns, R distances.
"""

from __future__ import annotations

import torch
from torch import Tensor

#: Distances in pixels, each twice the one before.
DISTANCES = (1, 2, 4, 8, 16, 32, 64)


def variogram(picture_CHW: Tensor) -> Tensor:
    """The squared difference (R,) of places `DISTANCES` apart, summed over channels, in the mean over the picture.

    Farther apart than the half of a picture it stays what it is there.
    """
    found: list[Tensor] = []
    for distance in DISTANCES:
        pairs = [
            (picture_CHW[..., distance:, :], picture_CHW[..., :-distance, :]),
            (picture_CHW[..., distance:], picture_CHW[..., :-distance]),
        ]
        near = [one - other for one, other in pairs if 2 * distance <= max(picture_CHW.shape[-2:]) and one.numel()]
        unlike = [difference.square().sum(0).mean() for difference in near]
        found.append(torch.stack(unlike).mean() if unlike else found[-1] if found else torch.zeros(()))
    return torch.stack(found)


def unlike(variogram_R: Tensor, distance_HW: Tensor) -> Tensor:
    """What a variogram says of distances in pixels, (H, W).

    Linear in their logarithm, below the least with the square of the distance, beyond the largest as at it.
    """
    octave_HW = distance_HW.clamp(DISTANCES[0], DISTANCES[-1]).log2()
    below_HW = octave_HW.floor().clamp(max=len(DISTANCES) - 2)
    first_HW, second_HW = variogram_R[below_HW.long()], variogram_R[below_HW.long() + 1]
    return torch.lerp(first_HW, second_HW, octave_HW - below_HW) * distance_HW.clamp(max=1).square()
