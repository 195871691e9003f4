"""Space-time shuffling moves values and loses none."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from vidwright.nn.shuffle import shuffle, unshuffle

SIDES = st.integers(1, 3)


def numbered(*shape: int) -> torch.Tensor:
    return torch.arange(torch.Size(shape).numel()).view(shape)


@given(t=SIDES, s=SIDES, frames=SIDES, channels=SIDES, height=SIDES, width=SIDES)
@settings(max_examples=40, deadline=None)
def test_shuffling_undoes_unshuffling(t, s, frames, channels, height, width):
    x = numbered(2, t * frames, channels, s * height, s * width)
    small = unshuffle(x, time=t, space=s)
    assert small.shape == (2, frames, channels * t * s * s, height, width)
    assert torch.equal(shuffle(small, time=t, space=s), x)


def test_in_space_alone_it_is_torchs_of_every_frame():
    x = numbered(2, 3, 4, 6, 8)
    assert torch.equal(unshuffle(x, time=1, space=2).flatten(0, 1), F.pixel_unshuffle(x.flatten(0, 1), 2))
    small = numbered(2, 3, 12, 2, 5)
    assert torch.equal(shuffle(small, time=1, space=2).flatten(0, 1), F.pixel_shuffle(small.flatten(0, 1), 2))


def test_channels_are_ordered_by_input_channel_frame_row_column():
    x = numbered(1, 2, 2, 2, 2)
    expected = [x[0, t, c, y, z] for c in range(2) for t in range(2) for y in range(2) for z in range(2)]
    assert unshuffle(x, time=2, space=2).flatten().tolist() == [int(value) for value in expected]


def test_what_does_not_divide_is_refused():
    with pytest.raises(ValueError, match="3 frames of 4x4 do not divide"):
        unshuffle(torch.zeros(1, 3, 1, 4, 4), time=2, space=2)
    with pytest.raises(ValueError, match="6 channels do not make blocks"):
        shuffle(torch.zeros(1, 3, 6, 4, 4), time=2, space=2)
