"""Fréchet distance between two sets of features taken for Gaussians, "GANs trained by a two time-scale update rule
converge to a local Nash equilibrium", NeurIPS 2017.

Shape suffixes: N features of clips, D numbers per feature.
"""

from __future__ import annotations

import torch
from torch import Tensor

from vidwright.metrics.features import FeatureDistance, FeatureNet


def frechet_distance(mean_D: Tensor, covariance_DD: Tensor, mean2_D: Tensor, covariance2_DD: Tensor) -> float:
    """|m - m2|^2 + Tr(C + C2 - 2 (C C2)^(1/2)) of two Gaussians, computed in fp64.

    C C2 has the eigenvalues of R C2 R with R the root of C, which is symmetric: no root of a matrix that is not, and
    none that comes out complex. What rounding makes negative counts as 0.
    """
    mean_D, covariance_DD, mean2_D, covariance2_DD = (
        statistic.to(torch.float64) for statistic in (mean_D, covariance_DD, mean2_D, covariance2_DD)
    )
    root_DD = _root(covariance_DD)
    shared = torch.linalg.eigvalsh(root_DD @ covariance2_DD @ root_DD).clamp(min=0).sqrt().sum()
    spread = covariance_DD.trace() + covariance2_DD.trace() - 2 * shared
    return max(float((mean_D - mean2_D).square().sum() + spread), 0.0)


def _root(covariance_DD: Tensor) -> Tensor:
    values_D, vectors_DD = torch.linalg.eigh(covariance_DD)
    return vectors_DD * values_D.clamp(min=0).sqrt() @ vectors_DD.T


class FrechetDistance(FeatureDistance):
    """Fréchet distance between the features of the outputs and of the targets; its size depends on their number."""

    def __init__(self, features: FeatureNet, *, name: str = "") -> None:
        super().__init__(features, name=name or f"frechet_{features.name}")

    def _distance(self, output_ND: Tensor, target_ND: Tensor) -> float:
        return frechet_distance(*_moments(output_ND), *_moments(target_ND))


def _moments(features_ND: Tensor) -> tuple[Tensor, Tensor]:
    return features_ND.mean(dim=0), torch.atleast_2d(torch.cov(features_ND.T))
