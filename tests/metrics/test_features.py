"""Fréchet and kernel distances against closed forms, scipy and the formulae written out."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest
import scipy.linalg
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from vidwright.data.seeding import generator
from vidwright.metrics.features import FeatureDistance
from vidwright.metrics.frechet import FrechetDistance, frechet_distance
from vidwright.metrics.kernel import KernelDistance, kernel_distance
from vidwright.metrics.metric import Metric


class Colours:
    """Features that need no weights: the mean of each channel."""

    name = "colours"

    def __call__(self, clips_BTCHW: Tensor) -> Tensor:
        return clips_BTCHW.mean(dim=(1, 3, 4))


def _covariance(dimensions: int, seed: int, rank: int | None = None) -> Tensor:
    factor = torch.randn(dimensions, rank or 2 * dimensions, generator=generator(seed), dtype=torch.float64)
    return factor @ factor.T / factor.shape[1]


@pytest.mark.parametrize("rank", [3, 40])
def test_frechet_agrees_with_scipys_matrix_root(rank: int):
    first, second = _covariance(12, 1, rank), _covariance(12, 2)
    means = torch.randn(2, 12, generator=generator(3), dtype=torch.float64)
    root = np.real(scipy.linalg.sqrtm((first @ second).numpy()))
    expected = float((means[0] - means[1]).square().sum()) + np.trace(first.numpy() + second.numpy() - 2 * root)
    assert frechet_distance(means[0], first, means[1], second) == pytest.approx(expected, rel=1e-6)


@given(st.lists(st.tuples(*[st.floats(-5, 5)] * 2, *[st.floats(0, 4)] * 2), min_size=1, max_size=5))
def test_frechet_of_independent_gaussians_is_the_distance_of_means_and_deviations(axes: list[tuple[float, ...]]):
    mean, mean2, deviation, deviation2 = torch.tensor(axes, dtype=torch.float64).T
    expected = float((mean - mean2).square().sum() + (deviation - deviation2).square().sum())
    distance = frechet_distance(mean, deviation.square().diag(), mean2, deviation2.square().diag())
    assert distance == pytest.approx(expected, abs=1e-9)


def test_frechet_is_zero_for_equal_sets_and_blind_to_rotation():
    features = torch.randn(20, 6, generator=generator(4), dtype=torch.float64)
    others = torch.randn(30, 6, generator=generator(5), dtype=torch.float64) * 2 + 1
    rotation, _ = torch.linalg.qr(torch.randn(6, 6, generator=generator(6), dtype=torch.float64))
    same, plain, turned = (FrechetDistance(Colours()) for _ in range(3))
    same.add(features, features)
    plain.add(features, others)
    turned.add(features @ rotation, others @ rotation)
    assert same.result() == pytest.approx(0, abs=1e-9)
    assert turned.result() == pytest.approx(plain.result(), rel=1e-9)
    assert plain.result() > 6  # the means alone


def test_kernel_is_the_formula_written_out():
    x, y = torch.randn(4, 3, generator=generator(7)), torch.randn(5, 3, generator=generator(8))

    def k(a: Tensor, b: Tensor) -> float:
        return (sum(p * q for p, q in zip(a.tolist(), b.tolist(), strict=True)) / 3 + 1) ** 3

    within_x = sum(k(a, b) for i, a in enumerate(x) for j, b in enumerate(x) if i != j) / 12
    within_y = sum(k(a, b) for i, a in enumerate(y) for j, b in enumerate(y) if i != j) / 20
    between = sum(k(a, b) for a in x for b in y) / 20
    assert kernel_distance(x, y) == pytest.approx(within_x + within_y - 2 * between, rel=1e-6)


def test_kernel_has_no_bias_and_sees_a_shift():
    draws = torch.randn(200, 2, 8, 2, generator=generator(9))
    estimates = torch.tensor([kernel_distance(x, y) for x, y in draws])
    shifted = torch.tensor([kernel_distance(x, y + 1) for x, y in draws])
    error = float(estimates.std()) / 200**0.5
    assert abs(float(estimates.mean())) < 3 * error and bool((estimates < 0).any())
    assert float(shifted.mean()) > 10 * error


@pytest.mark.parametrize("make", [FrechetDistance, KernelDistance])
@given(cuts=st.lists(st.integers(0, 7), max_size=4).map(sorted))
def test_any_split_of_the_clips_merges_to_the_same_result(make: Callable[[Colours], FeatureDistance], cuts: list[int]):
    clips = torch.rand(2, 7, 4, 3, 6, 6, generator=generator(10))
    whole, merged = make(Colours()), make(Colours())
    for number in range(7):
        whole.update(clips[0, number], clips[1, number])
    for start, stop in pairwise([0, *cuts, 7]):
        part = make(Colours())
        for number in range(start, stop):
            part.update(clips[0, number], clips[1, number])
        merged.merge(part)
    assert merged.result() == whole.result()


def test_the_card_names_the_features_and_too_little_is_refused():
    metric = FrechetDistance(Colours())
    assert isinstance(metric, Metric)
    assert (metric.name, metric.unit, metric.better) == ("frechet_colours", "", "lower")
    assert KernelDistance(Colours()).name == "kernel_colours"
    metric.add(torch.zeros(1, 3), torch.zeros(9, 3))
    with pytest.raises(ValueError, match="two clips of each set and more, got 1"):
        metric.result()
    with pytest.raises(ValueError, match="one D"):
        metric.add(torch.zeros(1, 3), torch.zeros(1, 4))
