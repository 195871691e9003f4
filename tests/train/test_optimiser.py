"""Muon's update is orthogonal and of AdamW's size."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from vidwright.train.optimiser import Muon, Optimiser, orthogonal


@given(rows=st.integers(1, 20), columns=st.integers(1, 20), seed=st.integers(0, 99))
def test_singular_values_come_near_one(rows, columns, seed):
    matrix = torch.randn(rows, columns, generator=torch.Generator().manual_seed(seed))
    before, after = torch.linalg.svdvals(matrix), torch.linalg.svdvals(orthogonal(matrix))
    solid = before > 0.05 * before.norm()  # five steps bring up to about 1 what is not nearly 0
    assert after.max() < 1.3 and (after[solid] > 0.4).all()


def test_singular_vectors_stay():
    matrix = torch.randn(6, 4, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    left, _, right = torch.linalg.svd(matrix, full_matrices=False)
    turned = left.T @ orthogonal(matrix).double() @ right.T
    assert (turned - torch.diag(turned.diagonal())).abs().max() < 1e-3


def test_kernels_go_to_muon_and_the_rest_to_adamw():
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Linear(4, 2))
    muon, adamw = Optimiser(kind="muon").build(net)
    assert isinstance(muon, Muon) and [p.ndim for p in muon.param_groups[0]["params"]] == [4, 2]
    assert [p.ndim for p in adamw.param_groups[0]["params"]] == [1, 1]


@pytest.mark.parametrize("shape", [(64, 32), (16, 8, 3, 3)])
def test_the_update_has_the_size_of_adams(shape):
    """Root mean square 0.2 of the learning rate: Liu et al. 2025, section 2.2."""
    p = nn.Parameter(torch.zeros(shape))
    p.grad = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    Muon([p], lr=1.0).step()
    assert 0.1 < float(p.detach().square().mean().sqrt()) < 0.3


def test_parameters_of_one_shape_move_as_each_would_alone():
    shapes = [(8, 4, 3, 3), (8, 36), (6, 5), (8, 4, 3, 3)]
    gradients = [torch.randn(shape, generator=torch.Generator().manual_seed(n)) for n, shape in enumerate(shapes)]

    def moved(parts: list[list[int]]) -> list[torch.Tensor]:
        parameters = [nn.Parameter(torch.zeros(shape)) for shape in shapes]
        for p, gradient in zip(parameters, gradients, strict=True):
            p.grad = gradient
        for part in parts:
            Muon([parameters[n] for n in part], lr=0.1).step()
        return [p.detach() for p in parameters]

    for together, alone in zip(moved([[0, 1, 2, 3]]), moved([[0], [1], [2], [3]]), strict=True):
        torch.testing.assert_close(together, alone)
