"""What needs no weights fills holes as it says, and nothing but holes."""

from __future__ import annotations

import pytest
import torch

from pans import known, pan
from vidwright.bench.edit import GREY, decibels
from vidwright.bench.fillers import FILLERS, aligned_median, flow_propagation, telea, temporal_median
from vidwright.bench.holes import moving, static

SIZE = (96, 128)


def cut(frames, masks):
    return torch.where(masks[:, None], GREY, frames)


@pytest.mark.parametrize("name", FILLERS)
def test_only_holes_are_filled(name):
    frames = pan(1, 6, SIZE, 3)
    masks = moving(known(frames, 3), known(frames, 3), 0)
    masks[3] = False  # a frame without any
    made = FILLERS[name](cut(frames, masks), masks)
    outside = ~masks[:, None].expand_as(frames)
    assert made.dtype == torch.uint8 and torch.equal(made[outside], frames[outside])
    assert decibels(made, frames, masks) > decibels(cut(frames, masks), frames, masks)


def test_the_median_is_of_what_is_seen():
    frames = torch.zeros(5, 3, 32, 32, dtype=torch.uint8)
    frames += torch.tensor([10, 250, 30, 20, 200], dtype=torch.uint8)[:, None, None, None]
    masks = torch.zeros(5, 32, 32, dtype=torch.bool)
    masks[:2, 8:16, 8:16] = True
    made = temporal_median(cut(frames, masks), masks)
    assert (made[:2, :, 8:16, 8:16] == 30).all()


def test_a_pan_is_followed_by_the_camera_and_by_flow():
    frames = pan(2, 16, SIZE, 3)
    masks = moving(known(frames, 3), known(frames, 3), 0)
    found = {name: decibels(fill(cut(frames, masks), masks), frames, masks) for name, fill in FILLERS.items()}
    assert found["aligned median"] > found["Telea"] + 8
    assert found["DIS propagation"] > found["Telea"] + 5
    assert found["temporal median"] < found["aligned median"] - 8


def test_what_is_never_seen_is_telea_s():
    frames = pan(3, 5, SIZE, 0)
    masks = static(known(frames, 0), known(frames, 0), 0)
    source = cut(frames, masks)
    for fill in (temporal_median, aligned_median, flow_propagation):
        assert torch.equal(fill(source, masks), telea(source, masks))


def test_flow_carries_from_the_nearest_frame_of_both_directions():
    frames = pan(4, 7, SIZE, 0)
    frames[3:] = frames[3:] // 2  # the light goes out
    masks = torch.zeros(7, *SIZE, dtype=torch.bool)
    masks[1:6, 40:56, 50:66] = True
    made = flow_propagation(cut(frames, masks), masks)
    for n, source in ((1, 0), (2, 0), (4, 6), (5, 6)):
        assert (made[n].int() - frames[source].int())[:, masks[n]].abs().float().mean() < 8
