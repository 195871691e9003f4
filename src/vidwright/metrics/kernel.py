"""Kernel distance between two sets of features: squared maximum mean discrepancy, "Demystifying MMD GANs", ICLR 2018.

Shape suffixes: N, M features of clips, D numbers per feature.
"""

from __future__ import annotations

import torch
from torch import Tensor

from vidwright.metrics.features import FeatureDistance, FeatureNet


def kernel_distance(x_ND: Tensor, y_MD: Tensor) -> float:
    """Unbiased estimate of the squared MMD under the kernel (x.y / D + 1)^3, in fp64.

    Its expectation does not depend on the number of features, and is 0 for two sets of one distribution: it can
    come out negative. Takes N^2 + M^2 numbers of memory.
    """
    x_ND, y_MD = x_ND.to(torch.float64), y_MD.to(torch.float64)
    return _within(x_ND) + _within(y_MD) - 2 * float(_kernel(x_ND, y_MD).mean())


def _within(x_ND: Tensor) -> float:
    """Mean kernel over pairs of different features."""
    kernel_NN = _kernel(x_ND, x_ND)
    count = len(x_ND)
    return float(kernel_NN.sum() - kernel_NN.trace()) / (count * (count - 1))


def _kernel(x_ND: Tensor, y_MD: Tensor) -> Tensor:
    return (x_ND @ y_MD.T / x_ND.shape[1] + 1) ** 3


class KernelDistance(FeatureDistance):
    """Kernel distance between the features of the outputs and of the targets."""

    def __init__(self, features: FeatureNet, *, name: str = "") -> None:
        super().__init__(features, name=name or f"kernel_{features.name}")

    def _distance(self, output_ND: Tensor, target_ND: Tensor) -> float:
        return kernel_distance(output_ND, target_ND)
