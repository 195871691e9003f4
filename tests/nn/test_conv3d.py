"""Causal convolutions: torch's own after padding in front, blind to the future, the same whole or in pieces."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional as F

from vidwright.nn.conv3d import CausalConv3d, FactorisedConv3d


def clip(frames: int = 6, channels: int = 3, height: int = 7, width: int = 5) -> torch.Tensor:
    return torch.randn(2, frames, channels, height, width, generator=torch.Generator().manual_seed(0))


def layers() -> list[CausalConv3d | FactorisedConv3d]:
    torch.manual_seed(0)
    return [
        CausalConv3d(3, 4),
        CausalConv3d(3, 4, (5, 3, 3), stride=2),
        CausalConv3d(3, 4, (1, 3, 3)),
        FactorisedConv3d(3, 4),
        FactorisedConv3d(3, 4, middle=7, between="silu", stride=2),
    ]


def each(test):
    return pytest.mark.parametrize("layer", layers(), ids=lambda layer: type(layer).__name__)(test)


@pytest.mark.parametrize(("kernel", "stride"), [((3, 3, 3), 1), ((2, 5, 3), 2), ((1, 1, 1), 1), ((3, 1, 1), 1)])
def test_it_is_torchs_convolution_with_frame_0_repeated_in_front(kernel, stride):
    conv, x = CausalConv3d(3, 4, kernel, stride=stride), clip()
    padded = torch.cat([x[:, :1]] * (kernel[0] - 1) + [x], dim=1)
    same = (0, kernel[1] // 2, kernel[2] // 2)
    expected = F.conv3d(padded.movedim(2, 1), conv.conv.weight, conv.conv.bias, (1, stride, stride), same).movedim(1, 2)
    torch.testing.assert_close(conv(x), expected)


def test_factorised_is_space_then_time():
    conv, x = FactorisedConv3d(3, 4, between="relu"), clip()
    space = nn.Conv3d(3, conv.space.out_channels, (1, 3, 3), padding=(0, 1, 1))
    space.load_state_dict({"weight": conv.space.weight[:, :, None], "bias": conv.space.bias})
    middle = F.relu(space(x.movedim(2, 1)))
    middle = torch.cat([middle[:, :, :1]] * 2 + [middle], dim=2)
    expected = F.conv3d(middle, conv.time.conv.weight, conv.time.conv.bias).movedim(1, 2)
    torch.testing.assert_close(conv(x), expected)


def test_factorised_without_activation_is_a_full_convolution_of_a_separable_kernel():
    conv, x = FactorisedConv3d(2, 3, middle=4, between="none"), clip(channels=2)
    assert conv.space.bias is not None and conv.time.conv.bias is not None
    nn.init.zeros_(conv.space.bias)
    full = CausalConv3d(2, 3)
    with torch.no_grad():
        full.conv.weight.copy_(torch.einsum("omt,mihw->oithw", conv.time.conv.weight[..., 0, 0], conv.space.weight))
        full.conv.bias.copy_(conv.time.conv.bias)
    torch.testing.assert_close(conv(x), full(x), rtol=1e-5, atol=1e-5)


def test_factorised_has_the_parameters_of_the_full_convolution():
    full = sum(p.numel() for p in nn.Conv3d(48, 64, 3, bias=False).parameters())
    conv = FactorisedConv3d(48, 64)
    factorised = conv.space.weight.numel() + conv.time.conv.weight.numel()
    assert 0.99 * full < factorised <= full


@each
def test_no_frame_sees_a_later_one(layer):
    x = clip()
    y = layer(x)
    for t in range(6):
        changed = x.clone()
        changed[:, t:] += 1
        z = layer(changed)
        torch.testing.assert_close(z[:, :t], y[:, :t], rtol=0, atol=1e-6)
        assert (z[:, t] - y[:, t]).abs().amax() > 1e-3


@each
def test_a_picture_is_a_video_that_has_not_moved(layer):
    x = clip(frames=1)
    still = layer(x.expand(-1, 4, -1, -1, -1))
    torch.testing.assert_close(still, layer(x).expand_as(still), rtol=0, atol=1e-6)


@given(lengths=st.lists(st.integers(1, 3), min_size=1, max_size=5), number=st.integers(0, 4))
@settings(max_examples=30, deadline=None)
def test_pieces_give_what_the_whole_gives(lengths, number):
    layer = layers()[number]
    x = clip(frames=sum(lengths))
    past, pieces = None, []
    for piece in x.split(lengths, dim=1):
        y, past = layer.stream(piece, past)
        pieces.append(y)
    torch.testing.assert_close(torch.cat(pieces, dim=1), layer(x), rtol=0, atol=1e-6)


def test_the_layout_of_frames_is_kept():
    conv = CausalConv3d(4, 8).to(memory_format=torch.channels_last_3d)
    x = clip(channels=4).flatten(0, 1).contiguous(memory_format=torch.channels_last).unflatten(0, (2, 6))
    assert conv(x).flatten(0, 1).is_contiguous(memory_format=torch.channels_last)
