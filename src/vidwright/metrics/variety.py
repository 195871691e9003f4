"""Whether samples differ from one another, and from what was learned.

Shapes: N and M clips, flattened to P pixels.
"""

from __future__ import annotations

from torch import Tensor


def nearest(clip_N: Tensor, known_M: Tensor) -> Tensor:
    """Mean squared error per pixel of each clip from the nearest of those that are known, (N,)."""
    return _errors(clip_N, known_M).min(dim=1).values


def pairwise(clip_N: Tensor) -> float:
    """Mean squared error per pixel of a clip from another, over all pairs; 0 if all are one. Raises `ValueError`."""
    if len(clip_N) < 2:
        raise ValueError("it takes two clips to differ")
    count = len(clip_N)
    return float(_errors(clip_N, clip_N).sum() / (count * (count - 1)))


def best_of(clips_NB: Tensor, truth_B: Tensor) -> Tensor:
    """Mean squared error per pixel of the best of N tries for each of B clips, (B,); tries are (N, B, ...)."""
    return (clips_NB - truth_B).double().square().flatten(2).mean(dim=2).min(dim=0).values


def _errors(clip_N: Tensor, known_M: Tensor) -> Tensor:
    a_NP, b_MP = clip_N.flatten(1).double(), known_M.flatten(1).double()
    # |a - b|^2 from the products, which takes no memory for the differences; rounding can make it less than 0.
    products_NM = a_NP @ b_MP.T
    squares_NM = a_NP.square().sum(dim=1)[:, None] + b_MP.square().sum(dim=1) - 2 * products_NM
    return squares_NM.clamp_min(0) / a_NP.shape[1]
