"""Attention: torch's own values, positions that count as offsets only, and the same whole or frame by frame."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional as F

from vidwright.nn.attention import FUSED_FROM, SpaceTimeAttention, SpaceTimeBlock, angles, attend, rotate


def random(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def built(**options) -> SpaceTimeAttention:
    torch.manual_seed(0)
    attention = SpaceTimeAttention(24, 2, **options)
    nn.init.uniform_(attention.query_norm.weight, 0.5, 1.5)
    return attention


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("length", [5, FUSED_FROM - 1, FUSED_FROM])
def test_written_out_and_fused_agree_in_value_and_gradient(length, masked):
    parts = [random(2, 3, length, 8, seed=seed).requires_grad_() for seed in range(3)]
    mask = torch.ones(length, length).tril().bool() if masked else None
    ours = attend(*parts, mask)
    torchs = F.scaled_dot_product_attention(*parts, attn_mask=mask)
    torch.testing.assert_close(ours, torchs, rtol=1e-4, atol=1e-5)
    slope = random(*ours.shape, seed=3)
    for mine, reference in zip(
        torch.autograd.grad(ours, parts, slope), torch.autograd.grad(torchs, parts, slope), strict=True
    ):
        torch.testing.assert_close(mine, reference, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("over", ["space", "time", "space-time"])
def test_without_norm_and_positions_it_is_torchs_multi_head_attention(over):
    attention = built(over=over, base=None)
    attention.query_norm = attention.key_norm = nn.Identity()  # type: ignore[assignment]
    reference = nn.MultiheadAttention(24, 2, batch_first=True)
    with torch.no_grad():
        reference.in_proj_weight.copy_(attention.inputs.weight)
        reference.in_proj_bias.copy_(attention.inputs.bias)
    reference.out_proj.load_state_dict(attention.output.state_dict())
    x = random(2, 3, 2, 4, 24)
    axes = {"space": (0, 1, 2, 3), "time": (0, 2, 3, 1), "space-time": (0, 1, 2, 3)}[over]
    length = {"space": 8, "time": 3, "space-time": 24}[over]
    sequences = x.permute(*axes, 4).reshape(-1, length, 24)
    expected = reference(sequences, sequences, sequences, need_weights=False)[0]
    torch.testing.assert_close(attention(x).permute(*axes, 4).reshape_as(expected), expected, rtol=1e-4, atol=1e-5)


def test_queries_and_keys_are_normalised_so_their_size_does_not_matter():
    attention, x = built(over="space-time"), random(1, 2, 3, 3, 24)
    y = attention(x)
    with torch.no_grad():
        attention.inputs.weight[:48] *= 100
        attention.inputs.bias[:48] *= 100
    torch.testing.assert_close(attention(x), y, rtol=1e-4, atol=1e-5)


@given(shift=st.tuples(*[st.integers(-40, 40)] * 3), apart=st.tuples(*[st.integers(-9, 9)] * 3))
@settings(max_examples=40, deadline=None)
def test_rotated_products_depend_on_the_offset_in_t_y_and_x_alone(shift, apart):
    q, k = random(1, 1, 1, 32, seed=1).double(), random(1, 1, 1, 32, seed=2).double()

    def product(at: tuple[int, ...]) -> torch.Tensor:
        places = torch.tensor([at, [a + d for a, d in zip(at, apart, strict=True)]], dtype=torch.float64)
        turn = angles(places, 32, base=100.0)
        return (rotate(q, turn[:1]) * rotate(k, turn[1:])).sum()

    torch.testing.assert_close(product(shift), product((0, 0, 0)), rtol=0, atol=1e-9)


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_every_axis_turns_channels_of_its_own(axis):
    place = torch.zeros(1, 3)
    place[0, axis] = 1
    turned = angles(place, 20, base=100.0)[0].nonzero().flatten().tolist()
    assert turned == [[0, 1, 2, 3], [4, 5, 6], [7, 8, 9]][axis]
    assert torch.allclose(rotate(random(1, 1, 1, 20), angles(place, 20, base=100.0)).norm(), random(1, 1, 1, 20).norm())


def test_rotation_is_multiplication_by_a_complex_number():
    x, turn = random(1, 2, 5, 12), random(5, 6, seed=1)
    expected = torch.complex(x[..., :6], x[..., 6:]) * torch.polar(torch.ones(5, 6), turn)
    torch.testing.assert_close(rotate(x, turn), torch.cat([expected.real, expected.imag], dim=-1))


def test_tokens_that_are_equal_are_told_apart_by_place():
    x = random(1, 2, 3, 3, 24)
    x[0, 1, 2, 2] = x[0, 0, 0, 0]
    y, placeless = built(over="space-time")(x), built(over="space-time", base=None)(x)
    assert (y[0, 1, 2, 2] - y[0, 0, 0, 0]).abs().max() > 1e-4
    torch.testing.assert_close(placeless[0, 1, 2, 2], placeless[0, 0, 0, 0], rtol=0, atol=1e-6)


@pytest.mark.parametrize("over", ["time", "space-time"])
def test_causal_attention_is_blind_to_later_frames_and_sees_the_earlier_ones(over):
    attention, x = built(over=over, causal=True), random(2, 5, 2, 3, 24)
    y = attention(x)
    for t in range(5):
        changed = x.clone()
        changed[:, t] += 1
        moved = (attention(changed) - y).abs().amax((0, 2, 3, 4))
        assert moved[:t].lt(1e-6).all()
        assert moved[t:].gt(1e-5).all()


@given(lengths=st.lists(st.integers(1, 3), min_size=1, max_size=5), factorised=st.booleans())
@settings(max_examples=25, deadline=None)
def test_frame_by_frame_with_its_cache_gives_what_the_whole_gives(lengths, factorised):
    torch.manual_seed(0)
    block = SpaceTimeBlock(24, 2, factorised=factorised, causal=True)
    x = random(2, sum(lengths), 2, 3, 24)
    past, pieces = None, []
    for piece in x.split(lengths, dim=1):
        y, past = block.stream(piece, past)
        pieces.append(y)
    assert past is not None and past.frames == sum(lengths)
    torch.testing.assert_close(torch.cat(pieces, dim=1), block(x), rtol=0, atol=2e-6)


@pytest.mark.parametrize("factorised", [False, True])
def test_a_block_is_residual_and_mixes_space_and_time(factorised):
    torch.manual_seed(0)
    block = SpaceTimeBlock(24, 2, factorised=factorised)
    x = random(1, 4, 3, 3, 24).requires_grad_()
    block(x)[0, 3, 2, 2].sum().backward()
    assert x.grad is not None
    assert x.grad.abs().amax(-1).min() > 0, "every token reaches every other"
    assert all(parameter.grad is not None for parameter in block.parameters())
    for layer in (block.space, block.time):
        if layer is not None:
            nn.init.zeros_(layer.output.weight)
            nn.init.zeros_(layer.output.bias)
    nn.init.zeros_(block.perceptron[-1].weight)  # type: ignore[arg-type]
    nn.init.zeros_(block.perceptron[-1].bias)  # type: ignore[arg-type]
    assert torch.equal(block(x), x)


@pytest.mark.parametrize("autocast", [False, True])
def test_bf16_is_near_fp32(autocast):
    torch.manual_seed(0)
    block, x = SpaceTimeBlock(24, 2, factorised=True, causal=True), random(1, 3, 2, 2, 24)
    with torch.no_grad():
        exact = block(x)
        with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
            near = block(x) if autocast else block.bfloat16()(x.bfloat16())
    torch.testing.assert_close(near.float(), exact, rtol=0.05, atol=0.05)


def test_settings_that_make_no_sense_are_refused():
    with pytest.raises(ValueError, match="24 channels do not divide among 5 heads"):
        SpaceTimeAttention(24, 5, over="time")
    with pytest.raises(ValueError, match="no past"):
        SpaceTimeAttention(24, 2, over="space", causal=True)
    with pytest.raises(ValueError, match="only causal"):
        built(over="time").stream(random(1, 1, 1, 1, 24), None)
    with pytest.raises(ValueError, match="pairs of channels"):
        angles(torch.zeros(1, 3), 7, base=100.0)
