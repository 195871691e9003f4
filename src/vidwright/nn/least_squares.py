"""Least squares by classes of places, from sums that can be added up picture by picture.

Shapes: M places, L classes, K taps.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

#: How far solutions keep to small numbers where places do not tell, as a part of the taps' mean square.
RIDGE = 1e-4
#: What is added to that mean, so that taps which are 0 everywhere have a solution, 0.
FLOOR = 1e-9


@dataclass(frozen=True, slots=True)
class Sums:
    """Of each class: what is missing, squared (L,); its products with the taps (L, K), and theirs (L, K, K); fp64."""

    missing: Tensor
    shared: Tensor
    added: Tensor

    def __add__(self, other: Sums) -> Sums:
        return Sums(self.missing + other.missing, self.shared + other.shared, self.added + other.added)

    def scaled(self, by: float) -> Sums:
        """All of them by a factor: how much these places count."""
        return Sums(self.missing * by, self.shared * by, self.added * by)

    def pooled(self, share: float) -> Sums:
        """Each class with a share of all of them: they tell what too few places do not."""
        every = Sums(*(each.sum(dim=0, keepdim=True) for each in (self.missing, self.shared, self.added)))
        return self + every.scaled(share)

    def first(self) -> Sums:
        """Those of the first tap alone."""
        return Sums(self.missing, self.shared[:, :1], self.added[:, :1, :1])

    def solved(self) -> Tensor:
        """The coefficients (L, K) that leave least."""
        size_L = self.added.diagonal(dim1=-2, dim2=-1).mean(dim=-1) * RIDGE + FLOOR
        eye_KK = torch.eye(self.added.shape[-1], dtype=self.added.dtype)
        return _solved(self.added + size_L[:, None, None] * eye_KK, self.shared)

    def left(self, coefficients_LK: Tensor) -> float:
        """The squared error that these coefficients leave."""
        c_LK = coefficients_LK.double()
        change_L = torch.einsum("lkm,lk,lm->l", self.added, c_LK, c_LK) - 2 * (self.shared * c_LK).sum(dim=-1)
        return max(float((self.missing + change_L).sum()), 0.0)


def sums(taps_KM: Tensor, missing_M: Tensor, class_M: Tensor, count: int) -> Sums:
    """The sums of places that are each of one of `count` classes."""
    order_M = class_M.argsort()
    sizes = torch.bincount(class_M, minlength=count).tolist()
    rows = [
        (part_m.square().sum(dtype=torch.float64), (part_Km @ part_m).double(), (part_Km @ part_Km.T).double())
        for part_Km, part_m in zip(
            taps_KM[:, order_M].split(sizes, dim=1), missing_M[order_M].split(sizes), strict=True
        )
    ]
    missing_L, shared_LK, added_LKK = (torch.stack(column) for column in zip(*rows, strict=True))
    return Sums(missing_L, shared_LK, added_LKK)


def _solved(a_LKK: Any, b_LK: Tensor) -> Tensor:
    return torch.linalg.solve(a_LKK, b_LK)  # pyright: ignore
