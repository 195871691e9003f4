"""Dynamic convolutions use the kernel that their gates choose, wide ones are dilated; activations come in one pass."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from vidwright.nn.conv import DynamicConv2d, conv_leaky, wide_depthwise


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


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("size", [(1, 1), (7, 12)])
def test_an_activation_in_the_same_pass_is_the_one_after_it(dtype, size):
    torch.manual_seed(0)
    x, kernel, bias = torch.randn(2, 5, *size), torch.randn(6, 5, 3, 3), torch.randn(6)
    x, kernel, bias = (part.to(dtype) for part in (x, kernel, bias))
    expected = F.leaky_relu(F.conv2d(x, kernel, bias, padding=1), 0.1)
    with torch.no_grad():
        found = conv_leaky(x, kernel, bias)
    assert found.dtype == dtype and (expected < 0).any()
    torch.testing.assert_close(found, expected, rtol=0.01 if dtype is torch.bfloat16 else 1e-5, atol=1e-5)
    torch.testing.assert_close(conv_leaky(x, kernel, bias), expected)


def test_gradients_go_through_it():
    x = torch.randn(1, 2, 5, 5, dtype=torch.float64, requires_grad=True)
    kernel = torch.randn(3, 2, 3, 3, dtype=torch.float64, requires_grad=True)
    bias = torch.randn(3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(conv_leaky, (x, kernel, bias))


def test_a_dynamic_convolution_with_the_activation_is_the_one_before_it():
    conv, gates, x = dynamic(4, 6), torch.rand(3), torch.randn(1, 4, 8, 8)
    with torch.no_grad():
        torch.testing.assert_close(conv(x, gates, leaky=True), F.leaky_relu(conv(x, gates), 0.1))


@pytest.mark.parametrize(("size", "dilation"), [((16, 16), 3), ((7, 13), 3), ((2, 5), 4), ((60, 57), 3), ((9, 8), 1)])
def test_a_wide_convolution_is_the_dilated_one(size, dilation):
    """Forward and backward, for sizes that are no multiple of the dilation, for small phases and for large ones."""
    torch.manual_seed(0)
    x, kernel, bias = torch.randn(2, 3, *size), torch.randn(3, 1, 7, 7), torch.randn(3)
    given = [part.double().requires_grad_() for part in (x, kernel, bias)]
    found = wide_depthwise(*given, dilation)
    wanted = F.conv2d(*given, padding=3 * dilation, dilation=dilation, groups=3)
    torch.testing.assert_close(found, wanted)
    weight = torch.randn_like(wanted)
    pairs = (torch.autograd.grad((out * weight).sum(), given) for out in (found, wanted))
    for a, b in zip(*pairs, strict=True):
        torch.testing.assert_close(a, b)
