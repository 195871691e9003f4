"""Convolutions whose kernel is made of several are one convolution with the sum."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from vidwright.nn.conv import DynamicConv2d, RepConv2d, fold


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


def dynamic(inputs: int, outputs: int) -> DynamicConv2d:
    torch.manual_seed(0)
    conv = DynamicConv2d(inputs, outputs, parts=3)
    for parameter in conv.parameters():
        nn.init.normal_(parameter, std=0.3)
    return conv


def test_a_dynamic_kernel_is_the_shared_one_and_its_parts_by_their_gates():
    conv, x, gates = dynamic(4, 2).double(), torch.rand(1, 4, 6, 5, dtype=torch.float64), torch.tensor([0.5, -1.0, 2.0])
    alone = F.conv2d(x, conv.shared, conv.bias, padding=1)
    for part, gate in enumerate(gates.tolist()):
        kernel = conv.parts[:, 4 * part : 4 * part + 4]
        alone = alone + gate * F.conv2d(x, kernel, conv.part_bias[:, part], padding=1)
    torch.testing.assert_close(conv(x, gates), alone, rtol=0, atol=1e-5)  # kernels are mixed in fp32


def test_a_dynamic_convolution_begins_as_the_identity_and_noise():
    torch.manual_seed(0)
    same, other = DynamicConv2d(16, 16, parts=2), DynamicConv2d(16, 8, parts=2)
    centre = same.shared.detach()[:, :, 1, 1]
    assert float(centre.diagonal().mean()) > 0.8 > 0.2 > float(centre.mean().abs())
    assert float(other.shared.detach()[:, :, 1, 1].diagonal().mean().abs()) < 0.3
    x = torch.rand(1, 16, 4, 4)
    assert torch.equal(same(x, torch.tensor([1.0, 0.0])), same(x, torch.tensor([0.0, -3.0])))  # parts begin at zero
