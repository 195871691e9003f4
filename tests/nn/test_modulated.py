"""Blocks that a condition scales, shifts and gates."""

from __future__ import annotations

import torch

from tiny import randomise
from vidwright.nn.modulated import ConvBlock, TokenBlock


def test_before_training_a_convolution_block_is_nearly_its_input():
    torch.manual_seed(0)
    block, x = ConvBlock(6, 5), torch.randn(2, 6, 8, 8)
    assert (block(x, torch.randn(2, 5)) - x).abs().max() < 0.05


def test_each_picture_has_its_own_condition():
    block, x = randomise(ConvBlock(6, 5)), torch.randn(1, 6, 8, 8, generator=torch.Generator().manual_seed(0))
    told = torch.randn(2, 5, generator=torch.Generator().manual_seed(1))
    both = block(x.expand(2, -1, -1, -1), told)
    assert not torch.allclose(both[0], both[1])
    torch.testing.assert_close(both[1], block(x, told[1:])[0], rtol=1e-4, atol=1e-4)


def test_a_token_block_without_gates_does_nothing_and_with_them_something():
    random = torch.Generator().manual_seed(0)
    block, x = TokenBlock(16, 2), torch.randn(2, 3, 2, 2, 16, generator=random)
    told = torch.randn(2, 3, 6, 16, generator=random)
    closed = told.clone()
    closed[:, :, [2, 5]] = 0  # the gates of attention and of the perceptron
    assert torch.equal(block(x, closed), x)
    assert not torch.allclose(block(x, told), x)


def test_the_constant_of_a_block_adds_to_what_all_are_told():
    block, x = randomise(TokenBlock(16, 2)), torch.ones(1, 1, 2, 2, 16)
    told = block.constant.detach().clone()[None, None]
    with torch.no_grad():
        wanted = block(x, told)
        block.constant.zero_()
        torch.testing.assert_close(block(x, 2 * told), wanted)
