"""The recurrent layers are torch's cells at every position, and run over a clip as they run frame by frame."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from vidwright.nn.recurrent import ConvGRU, ConvLSTM, PositionLSTM

#: Small sizes, all different, so that no two axes can be mistaken for each other.
B, T, I, C, H, W = 2, 4, 3, 5, 6, 7  # noqa: E741


def clip(channels: int = I) -> Tensor:
    return torch.randn(B, T, channels, H, W, generator=torch.Generator().manual_seed(0))


def seeded(layer: nn.Module) -> nn.Module:
    random = torch.Generator().manual_seed(1)
    for parameter in layer.parameters():
        nn.init.normal_(parameter, std=0.4, generator=random)
    return layer


def positions(x_BCHW: Tensor) -> Tensor:
    return x_BCHW.permute(0, 2, 3, 1).flatten(0, 2)


def at_positions(layer: ConvLSTM | ConvGRU, cell: nn.LSTMCell | nn.GRUCell) -> None:
    """Give torch's cell the weights of a layer whose kernels are 1x1."""
    with torch.no_grad():
        cell.weight_ih.copy_(layer.input.weight[..., 0, 0])
        cell.weight_hh.copy_(layer.state.weight[..., 0, 0])
        cell.bias_ih.copy_(layer.input.bias)  # type: ignore[arg-type]
        cell.bias_hh.copy_(torch.zeros_like(cell.bias_hh) if layer.state.bias is None else layer.state.bias)


def test_a_conv_lstm_of_one_pixel_is_torchs_lstm_cell_everywhere():
    layer, cell, x = seeded(ConvLSTM(I, C, kernel=1)), nn.LSTMCell(I, C), clip()
    at_positions(layer, cell)
    shown, (last, kept) = layer(x)
    state = None
    for t in range(T):
        state = cell(positions(x[:, t]), state)
        torch.testing.assert_close(positions(shown[:, t]), state[0])
    torch.testing.assert_close(positions(last), state[0])
    torch.testing.assert_close(positions(kept), state[1])


def test_a_conv_gru_of_one_pixel_is_torchs_gru_cell_everywhere():
    layer, cell, x = seeded(ConvGRU(I, C, kernel=1)), nn.GRUCell(I, C), clip()
    at_positions(layer, cell)
    shown, last = layer(x)
    state = None
    for t in range(T):
        state = cell(positions(x[:, t]), state)
        torch.testing.assert_close(positions(shown[:, t]), state)
    assert torch.equal(last, shown[:, -1])


def test_the_position_lstm_is_torchs_lstm_on_the_sequence_of_each_position():
    layer, x = seeded(PositionLSTM(I, C)), clip()
    shown = layer(x)
    assert shown.shape == (B, T, C, H, W)
    for b, row, column in [(0, 0, 0), (1, 5, 2), (0, 3, 6)]:
        torch.testing.assert_close(shown[b, :, :, row, column], layer.lstm(x[b, :, :, row, column])[0])


def test_the_gates_convolve_their_neighbourhood():
    """By the formula of the paper, with the kernels cut apart into gates and the convolutions written as sums."""
    layer, x = seeded(ConvLSTM(I, C, kernel=5)).double(), clip().double()
    padded, gates = torch.nn.functional.pad(x[:, 0], (1, 1, 1, 1)), []
    for kernel, bias in zip(layer.input.weight.chunk(4), layer.input.bias.chunk(4), strict=True):
        total = bias[None, :, None, None].expand(B, C, H, W).clone()
        for dy in range(3):
            for dx in range(3):
                window = padded[..., dy : dy + H, dx : dx + W]
                total += torch.einsum("bihw,oi->bohw", window, kernel[..., dy, dx])
        gates.append(total)
    kept = gates[0].sigmoid() * gates[2].tanh()
    torch.testing.assert_close(layer(x[:, :1])[1], (gates[3].sigmoid() * kept.tanh(), kept))


@pytest.mark.parametrize("layer", [ConvLSTM(I, C), ConvLSTM(I, C, kernel=5), ConvGRU(I, C), ConvGRU(I, C, kernel=5)])
@settings(max_examples=4, deadline=None)
@given(cut=st.integers(1, T - 1))
def test_a_clip_in_two_parts_is_the_clip(layer, cut):
    x = clip()
    whole, _ = seeded(layer)(x)
    first, state = layer(x[:, :cut])
    second, _ = layer(x[:, cut:], state)
    torch.testing.assert_close(torch.cat([first, second], dim=1), whole)


@pytest.mark.parametrize(("kernel", "reach"), [(3, 1), (5, 2)])
def test_a_state_reaches_as_far_as_its_kernel(kernel, reach):
    layer, x, other = seeded(ConvLSTM(I, C, kernel=kernel)), clip()[:, :2], clip()[:, :2]
    other[:, 0, :, 3, 3] += 1
    differs = (layer(x)[0] - layer(other)[0])[:, 1].abs().amax(dim=(0, 1)) > 0
    rows, columns = torch.nonzero(differs, as_tuple=True)
    far = reach + 1  # one more for the first frame's own 3x3 convolution
    assert max((rows - 3).abs().max(), (columns - 3).abs().max()) == min(far, 3)


def test_memory_lasts_from_the_start():
    """The forget gate is open before anything is learned; the other gates are not pushed."""
    layer = ConvLSTM(I, C)
    enter, keep, candidate, show = layer.input.bias.detach().chunk(4)
    assert torch.equal(keep, torch.ones(C))
    assert max(float(gate.abs().max()) for gate in (enter, candidate, show)) < 1


@pytest.mark.parametrize("layer", [ConvLSTM(I, C), ConvGRU(I, C), PositionLSTM(I, C)])
def test_every_parameter_learns(layer):
    out = layer(clip())
    (out if isinstance(out, Tensor) else out[0]).square().mean().backward()
    assert all(p.grad is not None and p.grad.abs().max() > 0 for p in layer.parameters())
