"""Wide convolutions and the narrow ones that they fold to are the same function."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from vidwright.nn.conv import RepConv2d, fold


def trained(inputs: int, outputs: int, expand: int = 5) -> RepConv2d:
    torch.manual_seed(0)
    conv = RepConv2d(inputs, outputs, expand=expand)
    for parameter in conv.parameters():
        nn.init.normal_(parameter, std=0.3)
    return conv


@pytest.mark.parametrize(("inputs", "outputs"), [(9, 6), (6, 6), (1, 1)])
def test_folding_is_exact(inputs, outputs):
    conv, x = trained(inputs, outputs), torch.rand(2, inputs, 7, 5)
    folded = conv.folded()
    assert type(folded) is nn.Conv2d
    assert torch.equal(conv(x), folded(x))


@pytest.mark.parametrize(("inputs", "outputs"), [(4, 3), (4, 4)])
def test_the_kernel_is_the_sum_of_its_branches(inputs, outputs):
    conv, x = trained(inputs, outputs).double(), torch.rand(1, inputs, 9, 8, dtype=torch.float64)
    branches = F.conv2d(x, conv.direct, conv.bias, padding=1)
    branches = branches + F.conv2d(F.conv2d(x, conv.widen[:, :, None, None]), conv.narrow, padding=1)
    if inputs == outputs:
        branches = branches + x
    torch.testing.assert_close(conv(x), branches, rtol=0, atol=1e-12)


def test_fold_reaches_every_depth_and_keeps_the_rest():
    net = nn.Sequential(trained(3, 4), nn.ReLU(), nn.ModuleList([nn.Sequential(trained(4, 4))]))
    fold(net)
    assert not any(isinstance(module, RepConv2d) for module in net.modules())
    assert sum(type(module) is nn.Conv2d for module in net.modules()) == 2
    assert isinstance(net[1], nn.ReLU)


def test_every_branch_learns():
    conv = trained(4, 4)
    conv(torch.rand(1, 4, 6, 6)).square().mean().backward()
    assert all(p.grad is not None and p.grad.abs().max() > 0 for p in conv.parameters())
