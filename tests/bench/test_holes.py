"""Holes are where and as large as they are said to be, and what is seen of them elsewhere follows the camera."""

from __future__ import annotations

import math

import pytest
import torch

import scenes
from pans import known, pan
from vidwright.bench.holes import KINDS, REACH, moving, moving_shape, revealed, static
from vidwright.bench.natural import camera_path, measured, natural_clips, way

SIZE = (96, 128)


@pytest.fixture(scope="module")
def clips():
    return [known(pan(seed, 12, SIZE, pace=3), 3, f"clip{seed}") for seed in (1, 2, 3)]


@pytest.mark.parametrize("kind", KINDS)
def test_holes_are_of_their_seed(kind, clips):
    first, again, other = (KINDS[kind](clips[0], clips[1], seed) for seed in (1, 1, 2))
    assert first.shape == (12, *SIZE) and first.dtype == torch.bool
    assert torch.equal(first, again)
    assert torch.equal(first, other) == (kind == "static")


@pytest.mark.parametrize("seed", range(6))
def test_the_disc_is_whole_and_crosses_the_picture(seed, clips):
    masks = moving(clips[0], clips[1], seed)
    radius = SIZE[0] / 7
    area = masks.flatten(1).sum(1)
    assert (area / (math.pi * radius**2) - 1).abs().max() < 0.05
    middles = [mask.nonzero().double().mean(0)[1].item() for mask in masks]
    ends = sorted((middles[0], middles[-1]))
    assert ends[0] == pytest.approx(radius, abs=1) and ends[1] == pytest.approx(SIZE[1] - 1 - radius, abs=1)


def test_the_box_is_a_quarter_of_each_side_in_the_middle(clips):
    (mask,) = static(clips[0], clips[1], 0).unique(dim=0)
    rows, columns = mask.any(1).nonzero().flatten(), mask.any(0).nonzero().flatten()
    assert (rows[0], rows[-1], columns[0], columns[-1]) == (36, 59, 48, 79)
    assert mask.sum() == 24 * 32


def test_the_object_has_its_area_and_the_shape_of_another_clip_s_motion(clips):
    masks = moving_shape(clips[0], clips[1], 0)
    assert (masks.flatten(1).sum(1) == SIZE[0] * SIZE[1] // 16).all()
    still = known(clips[1].frames[:1].expand(12, 3, *SIZE), 0)
    disc = moving_shape(clips[0], still, 0)[0]
    row, column = (int(each) for each in disc.nonzero().double().mean(0))
    walker = still.frames.clone()
    walker[::2, :, row : row + 6, column - 15 : column + 15] = 255  # something flickers in the lower half of the hole
    shaped = moving_shape(clips[0], known(walker, 0), 0)[0]
    lower = torch.arange(SIZE[0])[:, None].expand(SIZE) >= row
    assert abs(float(disc[lower].sum() / disc.sum()) - 0.5) < 0.1
    assert float(shaped[lower].sum() / shaped.sum()) > 0.6


def test_what_a_pan_uncovers_is_revealed_and_nothing_else():
    pace, count = 2, 10
    clip = known(pan(1, count, SIZE, pace), pace)
    masks = static(clip, clip, 0)
    found = revealed(masks, clip.cameras)
    columns = masks[0].any(0)
    for n in range(count):
        wanted = torch.zeros(SIZE[1], dtype=torch.bool)
        for column in columns.nonzero().flatten().tolist():
            there = [column - pace * (other - n) for other in range(count)]
            wanted[column] = any(0 <= place < SIZE[1] and not columns[place] for place in there)
        assert torch.equal(found[n], masks[n] & wanted)
    assert 0 < found.sum() < masks.sum()


def test_under_a_camera_that_stands_a_box_stays_hidden_and_a_disc_does_not():
    clip = known(pan(1, 12, SIZE, 0), 0)
    box, disc = static(clip, clip, 0), moving(clip, clip, 0)
    assert not revealed(box, clip.cameras).any()
    assert torch.equal(revealed(disc, clip.cameras), disc)


def test_places_that_are_seen_too_late_do_not_count():
    clip = known(pan(1, 2, SIZE, 0)[:1].expand(REACH + 3, 3, *SIZE), 0)
    masks = torch.zeros(len(clip.frames), *SIZE, dtype=torch.bool)
    masks[:-1, 10:20, 10:20] = True  # shown in the last frame alone
    found = revealed(masks, clip.cameras)
    assert [bool(each.any()) for each in found] == [False, False, *[True] * REACH, False]
    assert torch.equal(found[2], masks[2])


def test_a_pan_is_measured_as_one():
    moves = measured("moves", pan(4, 6, (240, 320), 4))
    assert moves.speed == pytest.approx(4, abs=0.1) and moves.motion == "panning"
    assert way(moves.cameras, 1, 4)[0, 2] == pytest.approx(-12, abs=0.3)
    stands = measured("stands_screen", pan(4, 6, (240, 320), 0))
    assert stands.speed < 0.05 and stands.motion == "near-static"
    assert moves.counts and not stands.counts


def test_speed_is_told_for_pictures_of_240_lines():
    assert measured("small", pan(4, 6, (120, 160), 2)).speed == pytest.approx(4, abs=0.2)


def test_the_camera_is_measured_beside_what_is_hidden():
    frames, hidden = pan(5, 4, (120, 160), 3), torch.zeros(4, 120, 160, dtype=torch.bool)
    hidden[:, 20:110, 20:140] = True
    still = pan(6, 4, (120, 160), 0)
    frames = torch.where(hidden[:, None], still, frames)
    assert way(camera_path(frames, hidden), 0, 3)[0, 2] == pytest.approx(-9, abs=0.5)


def test_clips_are_read_from_their_beginning_and_shrunk(tmp_path):
    scenes.write(tmp_path / "wide.mkv", scenes.scene(0, 20, (640, 360)))
    scenes.write(tmp_path / "small.mkv", scenes.scene(1, 60, (128, 96)))
    small, wide = natural_clips(tmp_path)
    assert small.frames.shape == (48, 3, 96, 128) and wide.frames.shape == (20, 3, 270, 480)
    assert (small.frames[0].float() / 255 - scenes.scene(1, 60, (128, 96))[0]).abs().mean() < 0.05
    assert [clip.frames.shape[0] for clip in natural_clips(tmp_path, quick=True)] == [8, 8]
