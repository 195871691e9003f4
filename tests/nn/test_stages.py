"""Residual stages are what they say, and keep their size without normalisation."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from vidwright.nn.norm import ChannelLayerNorm
from vidwright.nn.stages import ResidualBlock, ResidualStage


def picture(channels: int = 8, size: int = 9) -> torch.Tensor:
    return torch.randn(2, channels, size, size, generator=torch.Generator().manual_seed(0))


def test_a_block_is_its_formula():
    torch.manual_seed(0)
    block, x, c = (
        ResidualBlock(8, gain=0.5, act="silu", norm=ChannelLayerNorm, condition=3),
        picture(),
        torch.ones(2, 3),
    )
    assert block.modulation is not None
    nn.init.normal_(block.modulation.weight)
    y = F.layer_norm(x.movedim(1, -1), (8,), eps=1e-6).movedim(-1, 1)
    y = F.conv2d(F.silu(y), block.first.weight, block.first.bias, padding=1)
    scale, shift = F.linear(c, block.modulation.weight, block.modulation.bias).view(2, 2, 8, 1, 1).unbind(1)
    y = F.conv2d(F.silu(y * (1 + scale) + shift), block.second.weight, block.second.bias, padding=1)
    torch.testing.assert_close(block(x, c), x + 0.5 * y)


@pytest.mark.parametrize("depth", [1, 4, 32])
def test_the_variance_stays_below_e_times_the_inputs_without_any_norm(depth):
    torch.manual_seed(depth)
    x = torch.randn(1, 64, 16, 16)
    with torch.no_grad():
        growth = ResidualStage(64, depth)(x).var() / x.var()
    assert 1.2 < growth < 2.9
    unscaled = nn.Sequential(*(ResidualBlock(64, gain=1.0) for _ in range(depth)))
    with torch.no_grad():
        assert unscaled(x).var() / x.var() > 1.5 ** (depth - 1)


def test_a_stage_is_its_blocks_in_turn():
    stage, x = ResidualStage(8, 3), picture()
    expected = x
    for block in stage.blocks:
        expected = block(expected)
    assert len(stage.blocks) == 3
    assert torch.equal(stage(x), expected)


def test_the_condition_acts_on_its_own_sample_and_everything_learns():
    stage, x = ResidualStage(8, 2, condition=3), picture()
    c = torch.zeros(2, 3)
    y = stage(x, c)
    c[1] = 1
    z = stage(x, c)
    torch.testing.assert_close(z[0], y[0])
    assert (z[1] - y[1]).abs().max() > 1e-3
    z.square().mean().backward()
    assert all(p.grad is not None and p.grad.abs().max() > 0 for p in stage.parameters())


@pytest.mark.parametrize("act", ["leaky", "silu"])
@pytest.mark.parametrize("gradients", [True, False])
def test_a_sample_alone_is_what_it_is_in_a_batch(act, gradients):
    """Alone its condition goes into the kernel."""
    torch.manual_seed(0)
    block, x, c = ResidualBlock(8, gain=0.5, act=act, condition=3), picture(), torch.randn(2, 3)
    assert block.modulation is not None
    nn.init.normal_(block.modulation.weight)
    with torch.set_grad_enabled(gradients):
        both = block(x, c)
        alone = torch.cat([block(x[n : n + 1], c[n : n + 1]) for n in range(2)])
    torch.testing.assert_close(alone, both, rtol=1e-5, atol=1e-5)
    assert (both - block(x, c.flip(0))).abs().max() > 0.1


def test_a_condition_belongs_to_a_block_that_was_built_with_one():
    with pytest.raises(ValueError, match="condition"):
        ResidualBlock(8, gain=1.0)(picture(), torch.zeros(2, 3))
    with pytest.raises(ValueError, match="condition"):
        ResidualBlock(8, gain=1.0, condition=3)(picture())
