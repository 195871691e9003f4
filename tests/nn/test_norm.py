"""Normalisations are their formulas."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from vidwright.nn.norm import GDN, ChannelLayerNorm, ChannelRMSNorm, at_least


def picture(channels: int = 6, scale: float = 3.0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    return scale * torch.randn(2, channels, 5, 7, generator=generator) + 1


def test_rms_norm_divides_each_position_by_its_root_mean_square():
    norm, x = ChannelRMSNorm(6), picture()
    nn.init.uniform_(norm.weight)
    expected = x / x.square().mean(1, keepdim=True).sqrt() * norm.weight[:, None, None]
    torch.testing.assert_close(norm(x), expected)


def test_layer_norm_is_a_group_norm_of_one_group_where_there_is_one_position():
    norm, reference = ChannelLayerNorm(6), nn.GroupNorm(1, 6, eps=1e-6)
    for parameter in norm.parameters():
        nn.init.uniform_(parameter)
    reference.load_state_dict(norm.state_dict())
    x = picture()
    positions = x.movedim(1, -1).reshape(-1, 6, 1, 1)
    expected = reference(positions).reshape(2, 5, 7, 6).movedim(-1, 1)
    torch.testing.assert_close(norm(x), expected)


@pytest.mark.parametrize("norm", [ChannelRMSNorm(6), ChannelLayerNorm(6)], ids=lambda norm: type(norm).__name__)
def test_the_layout_is_kept(norm):
    x = picture().to(memory_format=torch.channels_last)
    assert norm(x).is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("norm", [ChannelRMSNorm(6), ChannelLayerNorm(6)], ids=lambda norm: type(norm).__name__)
def test_bf16_goes_in_and_out_under_autocast(norm):
    x = picture()
    with torch.autocast("cpu", torch.bfloat16):
        near = norm(x.bfloat16())
    assert near.dtype is torch.bfloat16
    torch.testing.assert_close(near.float(), norm(x), rtol=0.02, atol=0.02)


def learned_gdn(inverse: bool) -> GDN:
    gdn = GDN(6, inverse=inverse)
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        gdn.beta_root.copy_(torch.rand(6, generator=generator) + 0.2)
        gdn.gamma_root.copy_(torch.rand(6, 6, generator=generator))
    return gdn


@pytest.mark.parametrize("inverse", [False, True])
def test_gdn_is_the_formula(inverse):
    gdn, x = learned_gdn(inverse), picture()
    beta, gamma = gdn.beta_root.double().square(), gdn.gamma_root.double().square()
    expected = torch.empty_like(x, dtype=torch.float64)
    for i in range(6):
        root = (beta[i] + sum(gamma[i, j] * x[:, j].double().square() for j in range(6))).sqrt()
        expected[:, i] = x[:, i] * root if inverse else x[:, i] / root
    torch.testing.assert_close(gdn(x).double(), expected, rtol=1e-5, atol=1e-6)


def test_gdn_starts_at_beta_one_and_gamma_a_tenth_of_the_identity():
    gdn = GDN(4)
    torch.testing.assert_close(gdn.beta, torch.ones(4))
    torch.testing.assert_close(gdn.gamma, 0.1 * torch.eye(4))


def test_gdn_stays_positive_and_finite_wherever_the_optimiser_goes():
    gdn = GDN(6)
    with torch.no_grad():
        gdn.beta_root.fill_(-3)
        gdn.gamma_root.fill_(-3)
    torch.testing.assert_close(gdn.beta, torch.full((6,), 1e-6), rtol=1e-4, atol=0)
    assert torch.equal(gdn.gamma, torch.zeros(6, 6))
    assert gdn(torch.zeros(1, 6, 2, 2)).eq(0).all()
    # A loss that grows as beta shrinks lifts beta again.
    gdn(picture()).square().sum().backward()
    assert gdn.beta_root.grad is not None and gdn.beta_root.grad.lt(0).all()


def test_gdn_computes_in_fp32_and_answers_in_the_input_dtype():
    gdn, x = learned_gdn(False), picture().bfloat16()
    assert gdn(x).dtype is torch.bfloat16
    assert torch.equal(gdn(x), gdn(x.float()).bfloat16())
    alone = gdn(x.float())
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(gdn(x.float()), alone)


def test_at_least_is_a_clamp_with_a_way_back():
    x = torch.tensor([-1.0, 0.5, 2.0], requires_grad=True)
    y = at_least(x, 1.0)
    assert torch.equal(y, torch.tensor([1.0, 1.0, 2.0]))
    y.backward(torch.tensor([-1.0, 1.0, 1.0]))
    assert x.grad is not None
    assert torch.equal(x.grad, torch.tensor([-1.0, 0.0, 1.0]))
