"""Frames laid over the middle one, against motions that were made."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from vidwright.vision.align import aligned, cameras, seen_from


def pan(steps: tuple[int, ...], size: tuple[int, int] = (120, 160)) -> Tensor:
    """uint8 (T, 3, H, W): a texture that each frame sees from so many columns further right."""
    random = torch.Generator().manual_seed(0)
    layers = [
        F.interpolate(torch.rand(1, 3, size[0] // step, 240 // step, generator=random), (size[0], 240), mode="bicubic")
        for step in (4, 10, 30)
    ]
    wide = torch.stack(layers).mean(0)[0].clamp(0, 1).mul(255).round().to(torch.uint8)
    return torch.stack([wide[..., 40 + step : 40 + step + size[1]] for step in steps])


def test_frames_show_what_the_middle_one_does_wherever_they_show_it():
    frames = pan((-8, 0, 12))
    found, inside = aligned(frames, cameras(frames), (120, 160))
    assert torch.equal(found[1], frames[1]) and inside[1].all()
    for n, shown in ((0, slice(0, 152)), (2, slice(12, 160))):
        error = (found[n].float() - frames[1].float()).abs().mean(dim=0)
        assert error[:, 16:144].mean() < 3
        assert inside[n, 0].float().mean(0)[shown].mean() > 0.95
    assert not inside[0, 0, :, 154:].any() and not inside[2, 0, :, :10].any()


def test_a_part_is_cut_from_the_whole():
    frames = pan((-3, 0, 5))
    found = cameras(frames)
    whole, part = aligned(frames, found, (120, 160)), aligned(frames, found, (40, 56), (24, 72))
    for all_of_it, some in zip(whole, part, strict=True):
        assert torch.equal(some, all_of_it[..., 24:64, 72:128])


def test_what_is_unknown_in_the_middle_frame_is_not_followed():
    """Half of the picture is a thing that moves otherwise; without it the camera's motion is found."""
    frames, thing = pan((-6, 0, 6)), pan((9, 0, -9))
    frames[..., 16:104, 10:130] = thing[..., 16:104, 10:130]
    known = torch.ones(3, 1, 120, 160, dtype=torch.bool)
    known[..., 16:104, 10:130] = False
    assert abs(float(cameras(frames, known)[0, 0, 2]) - 6) < 0.5
    assert abs(float(cameras(frames)[0, 0, 2]) - 6) > 5


def test_a_camera_that_stands_still_shows_the_same():
    (frame,) = pan((0,))
    found, inside = seen_from(frame, torch.eye(3, dtype=torch.float64), (120, 160))
    assert torch.equal(found, frame) and inside.all() and inside.shape == (1, 120, 160)
