"""Augmentations: what they may change, what they must not, and that they reach all they should."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from vidwright.data import augment
from vidwright.data.seeding import generator

CLIP = torch.arange(9 * 3 * 6 * 8, dtype=torch.int32).reshape(9, 3, 6, 8)


def each(count: int):
    return (generator(0, n) for n in range(count))


def test_a_crop_is_one_window_of_all_frames():
    places = set()
    for random in each(200):
        cut = augment.crop(CLIP, (4, 5), random)
        top, left = divmod(int(cut[0, 0, 0, 0]), 8)
        assert torch.equal(cut, CLIP[..., top : top + 4, left : left + 5])
        places.add((top, left))
    assert places == {(y, x) for y in range(3) for x in range(4)}
    with pytest.raises(ValueError, match="no window"):
        augment.crop(CLIP, (7, 5), generator(0))


def test_flips_and_transposition_make_all_eight_ways():
    square = CLIP[..., :6]
    ways = {turned for k in range(4) for turned in (k, k + 4)}
    seen = set()
    for random in each(200):
        turned = augment.transpose(augment.flip(square, random), random)
        seen |= {
            way for way in ways if torch.equal(turned, torch.rot90(square if way < 4 else square.mT, way % 4, (-2, -1)))
        }
    assert seen == ways


def test_mirrors_are_upright():
    mirrored = sum(torch.equal(augment.mirror(CLIP, random), CLIP.flip(-1)) for random in each(400))
    plain = sum(torch.equal(augment.mirror(CLIP, random), CLIP) for random in each(400))
    assert mirrored + plain == 400 and 150 < plain < 250


def test_time_runs_backwards_half_of_the_time():
    back = sum(torch.equal(augment.reverse(CLIP, random), CLIP.flip(0)) for random in each(400))
    assert 150 < back < 250


@given(st.integers(1, 9), st.integers(1, 5), st.integers(0, 100))
def test_an_excerpt_has_an_even_pace(frames, fastest, seed):
    numbers = augment.excerpt(torch.arange(9), frames, generator(seed), fastest=fastest)
    assert len(numbers) == frames
    steps = set(numbers.diff().tolist())
    assert len(steps) <= 1 and steps <= set(range(1, fastest + 1))


def test_excerpts_reach_every_place_and_pace():
    found = {tuple(augment.excerpt(torch.arange(9), 3, random, fastest=4).tolist()) for random in each(600)}
    assert found == {(f, f + s, f + 2 * s) for s in range(1, 5) for f in range(9 - 2 * s)}
    with pytest.raises(ValueError, match="no 10 frames"):
        augment.excerpt(CLIP, 10, generator(0))


def test_light_is_level_fading_or_flickering():
    for random in each(50):
        level = augment.light(12, random, stops=1, fade=0, flicker=0)
        assert (level == level[0]).all() and 0.5 <= level[0] <= 2
        fade = augment.light(12, random, stops=0, fade=1, flicker=0)
        assert fade.diff().sign().unique().numel() == 1 and 0 < fade.min() < 0.1 and 0.9 < fade.max() < 1
        flicker = augment.light(12, random, stops=0, fade=0, flicker=1)
        assert flicker.min() >= 0.8 and flicker.max() <= 1
    kinds = [augment.light(12, random, stops=0) for random in each(500)]
    assert 30 < sum(float(gains.min()) < 0.5 for gains in kinds) < 75  # a tenth fades


def test_exposure_is_a_gain_and_a_gamma():
    clip = torch.full((2, 3, 4, 4), 100, dtype=torch.uint8)
    lit = augment.expose(clip, torch.tensor([0.5, 3.0]), gamma=2.0)
    torch.testing.assert_close(lit[0], torch.full((3, 4, 4), 255 * (50 / 255) ** 2))
    assert (lit[1] == 255).all()
    assert torch.equal(augment.expose(clip, torch.ones(2)), clip.float())
    gammas = [augment.contrast(random) for random in each(200)]
    assert 0.8 <= min(gammas) < 0.82 and 1.22 < max(gammas) <= 1.25
