"""Screens stand still, or scroll by whole rows."""

from __future__ import annotations

import torch

from vidwright.data.screens import screen
from vidwright.data.seeding import generator

HEIGHT, WIDTH, FRAMES = 60, 90, 4


def shift(clip: torch.Tensor) -> int | None:
    """By how many rows the second frame is the first one moved; None if it is not."""
    for rows in range(-20, 21):
        first, second = clip[0].float(), clip[1].float()
        a, b = (first[:, rows:], second[:, : HEIGHT - rows]) if rows >= 0 else (first[:, :rows], second[:, -rows:])
        if torch.equal(a, b):
            return rows
    return None


def test_screens_stand_still_or_scroll_either_way():
    clips = [screen(FRAMES, (HEIGHT, WIDTH), generator(0, n)) for n in range(24)]
    assert {clip.shape for clip in clips} == {(FRAMES, 3, HEIGHT, WIDTH)}
    shifts = [shift(clip) for clip in clips]
    assert None not in shifts
    assert min(shifts) < 0 < max(shifts) and 2 < sum(rows == 0 for rows in shifts) < 16


def test_a_screen_is_a_function_of_its_generator():
    one, other = (screen(FRAMES, (HEIGHT, WIDTH), generator(0, 1)) for _ in range(2))
    assert torch.equal(one, other)
