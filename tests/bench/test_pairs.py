"""Two digits of a clip are told from each other and read; where they lie over one another nothing is made up."""

from __future__ import annotations

import torch

from vidwright import models
from vidwright.bench.pairs import apart, both_read, pair
from vidwright.data.moving_mnist import resized


class Mass(torch.nn.Module):
    """Reads how much ink a picture has: a class for each ten pixels."""

    def forward(self, clip_NTCHW: torch.Tensor) -> torch.Tensor:
        ink_N1 = clip_NTCHW.sum(dim=(1, 2, 3, 4))[:, None]
        return -(ink_N1 / 10 - torch.arange(10)).square()


def frame(*squares: tuple[int, int, int]) -> torch.Tensor:
    """(1, 64, 64) with white squares at (top, left) of a side each."""
    made = torch.zeros(1, 64, 64)
    for top, left, side in squares:
        made[:, top : top + side, left : left + side] = 1
    return made


def test_both_are_read_where_they_lie_apart_in_any_order():
    """Of 8 and 16 pixels, shrunk by 16/28: an ink of 21 and of 84."""
    clip = torch.stack(
        [frame((4, 4, 8), (30, 40, 16)), frame((30, 10, 8), (4, 4, 16)), frame((20, 20, 8), (22, 22, 16))]
    )
    assert pair(Mass(), clip) == (2, 8)
    assert both_read(Mass(), torch.stack([clip, clip]), torch.tensor([[8, 2], [8, 3]])) == 0.5


def test_equal_digits_are_a_pair():
    assert pair(Mass(), frame((4, 4, 8), (40, 40, 8))[None]) == (2, 2)


def test_what_cannot_be_told_apart_is_not_read():
    over, large, three = frame((20, 20, 8), (22, 22, 16)), frame((4, 4, 8), (30, 10, 30)), ((2, 2, 8), (30, 30, 8))
    assert apart(over[0]) is None and apart(large[0]) is None and apart(frame(*three, (50, 50, 8))[0]) is None
    assert pair(Mass(), over[None]) is None
    assert both_read(Mass(), over[None, None], torch.tensor([[2, 8]])) == 0
    assert apart(frame(*three, (50, 50, 2))[0]) is not None  # a speck is no digit


def test_a_digit_is_shown_as_the_reader_learned_it():
    """In the middle of 32x32, of 16 pixels, by the same shrinking."""
    parts = apart(frame((0, 0, 20), (44, 44, 20))[0])
    assert parts is not None
    digit = torch.zeros(28, 28, dtype=torch.uint8)
    digit[4:24, 4:24] = 255
    small = torch.from_numpy(resized(digit.numpy()[None], 16)) / 255
    for part in parts:
        assert part.shape == (1, 32, 32) and torch.equal(part[:, 8:24, 8:24], small)
    assert models.load("generate/cnn_lstm", "still", kind=torch.nn.Module)(parts[:, None]).shape == (2, 10)
