"""What is hidden in one frame and shown in others, in pans over a texture whose truth is known."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache
from itertools import pairwise

import pytest
import torch
from torch import Tensor

import scenes
from vidwright.vision.revealed import NEAREST, Found, Motion, Part, Shown, beside, by_camera, by_flow, motion

SIZE, FRAMES, AT = (160, 120), 13, 6
WHOLE = Part(0, 0, 120, 160)


def shown(truth_TCHW: Tensor, hidden_THW: Tensor) -> tuple[list[Shown], list[Motion]]:
    """Frames whose hidden pixels show something that has nothing to do with what is behind."""
    cover_CHW = scenes.textured(99, SIZE)
    seen = [
        Shown(torch.where(hidden_HW, cover_CHW, truth_CHW), hidden_HW)
        for truth_CHW, hidden_HW in zip(truth_TCHW, hidden_THW, strict=True)
    ]
    return seen, [motion(one, other) for one, other in pairwise(seen)]


@cache
def panned() -> tuple[Tensor, Tensor, list[Shown], list[Motion]]:
    """A pan to the right, and a disc that goes the other way."""
    truth_TCHW = scenes.pan(1, FRAMES, SIZE, (3, 1))
    hidden_THW = scenes.disc(FRAMES, SIZE, (112, 60), (-4, 0), 14)
    return truth_TCHW, hidden_THW, *shown(truth_TCHW, hidden_THW)


@cache
def still() -> tuple[Tensor, Tensor, list[Motion]]:
    """A camera that stands, known exactly, and a box that goes two pixels a frame and is twenty wide."""
    truth_TCHW = scenes.pan(2, 1, SIZE).expand(FRAMES, -1, -1, -1)
    hidden_THW = torch.zeros(FRAMES, 120, 160, dtype=torch.bool)
    for n in range(FRAMES):
        hidden_THW[n, 40:70, 40 + 2 * n : 60 + 2 * n] = True
    return truth_TCHW, hidden_THW, stands(FRAMES)


def stands(frames: int) -> list[Motion]:
    return [Motion(torch.eye(3, dtype=torch.float64), *torch.zeros(2, 2, 120, 160)) for _ in range(frames - 1)]


def looks(truth_TCHW: Tensor, hidden_THW: Tensor) -> list[Shown]:
    return [Shown(*pair) for pair in zip(truth_TCHW, hidden_THW, strict=True)]


def psnr(found: Found, truth_Chw: Tensor, where_hw: Tensor) -> float:
    error = (found.colour - truth_Chw)[:, where_hw].square().mean()
    return -10 * math.log10(float(error))


def test_the_camera_finds_what_is_behind_a_hole_that_moves() -> None:
    truth_TCHW, hidden_THW, window, motions = panned()
    found, _ = by_camera(window, motions, AT, WHOLE)
    assert (found.there & hidden_THW[AT]).sum() == hidden_THW[AT].sum()
    assert psnr(found, truth_TCHW[AT], hidden_THW[AT]) > 32
    assert found.spread[hidden_THW[AT]].mean() < 0.02


def test_the_flow_finds_what_is_behind_a_hole_that_moves() -> None:
    truth_TCHW, hidden_THW, window, motions = panned()
    _, least = by_camera(window, motions, AT, WHOLE)
    found = by_flow(window, motions, AT, WHOLE, least)
    there_HW = found.there & hidden_THW[AT]
    assert there_HW.sum() > 0.9 * hidden_THW[AT].sum()
    assert psnr(found, truth_TCHW[AT], there_HW) > 30


@pytest.mark.parametrize("at", [0, FRAMES - 1])
def test_at_the_ends_of_a_shot_it_is_found_on_the_one_side_that_there_is(at: int) -> None:
    truth_TCHW, hidden_THW, window, motions = panned()
    camera, least = by_camera(window, motions, at, WHOLE)
    flow = by_flow(window, motions, at, WHOLE, least)
    for found in (camera, flow):
        there_HW = found.there & hidden_THW[at]
        assert there_HW.sum() > 0.8 * hidden_THW[at].sum() and psnr(found, truth_TCHW[at], there_HW) > 28
    assert not flow.spread.any()  # of one source only there is nothing to compare


def test_a_part_is_that_part_of_the_whole() -> None:
    _, _, window, motions = panned()
    part = Part(40, 60, 41, 47)
    (whole, least), (piece, same) = (by_camera(window, motions, AT, each) for each in (WHOLE, part))
    assert least == same
    for large, small in ((whole, piece), *((by_flow(window, motions, AT, p, least) for p in (WHOLE, part)),)):
        assert torch.equal(large.there[part.slices], small.there)
        both = torch.stack([large.colour[:, *part.slices], small.colour])[:, :, small.there]
        assert torch.allclose(both[0], both[1], atol=1e-4)


def test_what_nothing_shows_is_not_there() -> None:
    truth_TCHW, hidden_THW = scenes.pan(3, 9, SIZE, (0, 0)), torch.zeros(9, 120, 160, dtype=torch.bool)
    hidden_THW[:, 50:70, 60:90] = True
    hidden_THW[6:, 50:60] = False  # the upper half is shown at the end
    window, motions = shown(truth_TCHW, hidden_THW)
    inner = (slice(62, 68), slice(64, 86))
    camera, least = by_camera(window, motions, 2, WHOLE)
    for found in (camera, by_flow(window, motions, 2, WHOLE, least)):
        assert not found.there[inner].any()
        assert found.there[52:58, 64:86].float().mean() > 0.9


def test_alone_a_frame_shows_nothing() -> None:
    truth_TCHW, hidden_THW, *_ = panned()
    window, motions = shown(truth_TCHW[:1], hidden_THW[:1])
    found, least = by_camera(window, motions, 0, WHOLE)
    assert not found.there.any() and least == (1, 1)
    assert not by_flow(window, motions, 0, WHOLE, least).there.any()


def test_the_rim_is_asked_at_the_distance_that_the_hole_needs() -> None:
    """In six frames it goes twelve pixels, of which half are seen after three."""
    truth_TCHW, hidden_THW, motions = still()
    window = looks(truth_TCHW, hidden_THW)
    assert by_camera(window, motions, AT, Part(30, 40, 50, 60))[1] == (3, 3)
    assert by_camera(window[AT - 2 :], motions[AT - 2 :], 2, Part(30, 40, 50, 60))[1] == (1, 3)
    assert by_camera(window, motions, AT, Part(0, 0, 20, 20))[1] == (1, 1)  # where nothing is hidden


def test_nearer_frames_that_show_the_rim_do_not_count() -> None:
    truth_TCHW, hidden_THW, motions = still()
    wrong_TCHW = truth_TCHW.clone()
    for n in (AT - 2, AT - 1, AT + 1, AT + 2):
        wrong_TCHW[n] = 1 - truth_TCHW[n]
    window = looks(wrong_TCHW, hidden_THW)
    rim = Part(34, 50, 5, 20)  # above the box: seen in all frames
    found, least = by_camera(window, motions, AT, WHOLE)
    assert (found.colour - truth_TCHW[AT])[:, *rim.slices].abs().max() < 0.01
    near = by_flow(window, motions, AT, rim, (1, 1))
    far = by_flow(window, motions, AT, rim, least)
    assert (near.colour - truth_TCHW[AT][:, *rim.slices]).abs().mean() > 0.1
    assert (far.colour - truth_TCHW[AT][:, *rim.slices]).abs().mean() < 0.01


def test_of_frames_that_show_a_place_the_nearest_count_and_of_those_the_median() -> None:
    levels = torch.linspace(0.1, 0.9, FRAMES)
    truth_TCHW = scenes.pan(2, 1, SIZE).expand(FRAMES, -1, -1, -1) * 0.2 + 0.8 * levels[:, None, None, None]
    clear_THW = torch.zeros(FRAMES, 120, 160, dtype=torch.bool)
    clear_THW[[AT - 4, AT], 50:60, 70:80] = True  # of the two frames that are four away one shows it
    found, _ = by_camera(looks(truth_TCHW, clear_THW), stands(FRAMES), AT, Part(52, 72, 6, 6))
    order = [-3, -2, -1, 1, 2, 3, 4]
    assert len(order) == NEAREST
    middle = AT + order[NEAREST // 2]
    assert torch.allclose(found.colour, truth_TCHW[middle][:, 52:58, 72:78], atol=1e-3)
    off = torch.stack([truth_TCHW[AT + s] - truth_TCHW[middle] for s in order]).abs().mean((0, 1))
    assert torch.allclose(found.spread, off[52:58, 72:78], atol=1e-3)


def test_flow_that_does_not_come_back_to_its_beginning_is_not_followed() -> None:
    truth_TCHW, hidden_THW, _ = still()
    window, zero = looks(truth_TCHW, hidden_THW), torch.zeros(2, 120, 160)
    for missed, there in ((1, True), (2, False)):  # pixels
        lost = [Motion(torch.eye(3, dtype=torch.float64), zero + missed, zero)] * (FRAMES - 1)
        found = by_flow(window, lost, AT, Part(45, 60, 20, 8), (1, 1))
        assert bool(found.there.any()) is there


def test_values_outside_of_the_nominal_range_are_kept() -> None:
    truth_TCHW = scenes.pan(4, 3, SIZE, (0, 0)) * 1.6 - 0.3
    hidden_THW = torch.zeros(3, 120, 160, dtype=torch.bool)
    hidden_THW[1, 50:60, 70:80] = True
    found, _ = by_camera(looks(truth_TCHW, hidden_THW), stands(3), 1, Part(50, 70, 10, 10))
    assert torch.allclose(found.colour, truth_TCHW[1][:, 50:60, 70:80], atol=1e-4)
    assert found.colour.min() < -0.05 or found.colour.max() > 1.05


@pytest.mark.parametrize("at", [0, AT, FRAMES - 1])
def test_beside_it_lie_the_frames_so_far_away_or_as_far_as_there_are_any(at: int) -> None:
    truth_TCHW, hidden_THW, window, motions = panned()
    part = Part(30, 50, 60, 50)
    for (picture_Chw, seen_hw), s in zip(beside(window, motions, at, part, 6), (-6, 6), strict=True):
        n = min(max(at + s, 0), FRAMES - 1)
        moved_HW = _moved(hidden_THW[n], (n - at) * 3, n - at)[part.slices]
        inner = (slice(None), slice(2, -2), slice(2, -2))
        assert (seen_hw ^ ~moved_HW)[inner[1:]].float().mean() < 0.1
        error = (picture_Chw - truth_TCHW[at][:, *part.slices])[inner][:, seen_hw[inner[1:]]]
        assert error.square().mean().sqrt() < 0.04


def _moved(hidden_HW: Tensor, dx: int, dy: int) -> Tensor:
    """A mask as it lies when what it hides is moved back by (dx, dy)."""
    return hidden_HW.roll((-dy, -dx), (0, 1))


def test_flow_and_the_camera_are_right_where_something_is_hidden() -> None:
    _, hidden_THW, _, motions = panned()
    truth_33 = torch.tensor([[1, 0, 3], [0, 1, 1], [0, 0, 1]], dtype=torch.float64)
    for n, each in enumerate(motions[3:6], start=3):
        assert torch.allclose(each.camera, truth_33, atol=0.15)
        for flow_2HW, sign, hidden_HW in ((each.forth, 1, hidden_THW[n]), (each.back, -1, hidden_THW[n + 1])):
            error_2 = flow_2HW[:, hidden_HW].mean(1) - sign * torch.tensor([3.0, 1])
            assert error_2.abs().max() < 0.3


def test_large_pictures_are_followed_in_small_and_copied_in_large() -> None:
    size = (512, 384)
    truth_TCHW = scenes.pan(5, 5, size, (10, 4))
    hidden_THW = scenes.disc(5, size, (250, 200), (-24, 0), 30)
    seen = looks(torch.where(hidden_THW[:, None], 0.5, truth_TCHW), hidden_THW)
    motions: Sequence[Motion] = [motion(one, other) for one, other in pairwise(seen)]
    part = Part(150, 150, 100, 120)
    truth_Chw, hidden_hw = truth_TCHW[2][:, *part.slices], hidden_THW[2][part.slices]
    camera, least = by_camera(seen, motions, 2, part)
    for found in (camera, by_flow(seen, motions, 2, part, least)):
        there_hw = found.there & hidden_hw
        assert there_hw.sum() > 0.7 * hidden_hw.sum() and psnr(found, truth_Chw, there_hw) > 30
