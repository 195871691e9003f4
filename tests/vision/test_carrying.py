"""Places carried from frame to frame, over motions that were made."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch
from torch import Tensor

import scenes
from vidwright.vision.carrying import carried, further, looked_up, missed, sampled, step, still
from vidwright.vision.flow import small_grey
from vidwright.vision.masks import grown

SIZE, FRAMES, PACE = (160, 120), 9, (3, -2)
INNER = (slice(24, -24), slice(30, -30))


@pytest.fixture(scope="module")
def greys() -> list[Tensor]:
    return [small_grey(picture_CHW, SIZE[::-1]) for picture_CHW in scenes.pan(1, FRAMES, SIZE, PACE)]


def off(way_3HW: Tensor, frames: int) -> Tensor:
    """How far a way is from that of the pan over so many frames."""
    truth_211 = frames * torch.tensor(PACE).float()[:, None, None]
    return (way_3HW[:2] - truth_211).square().sum(0).sqrt()


def test_one_step_is_the_motion_and_comes_back_to_its_beginning(greys: list[Tensor]) -> None:
    for here, there, sign in ((2, 3, 1), (3, 2, -1)):
        way_3HW = step(greys[here], greys[there])
        assert off(way_3HW, sign)[INNER].mean() < 0.15
        assert way_3HW[2].min() >= 0 and way_3HW[2][INNER].mean() < 0.3


@pytest.mark.parametrize("order", [range(FRAMES), range(FRAMES - 1, -1, -1)], ids=["on", "back"])
def test_the_way_to_a_key_is_right_over_many_frames(greys: list[Tensor], order: range) -> None:
    """Where a pixel was in the key: behind it for what moved on."""
    way_3HW = still(SIZE[::-1])
    for before, here in pairwise(order):
        way_3HW = carried(way_3HW, greys[before], greys[here])
    frames = order[0] - order[-1]
    inner = (slice(40, -40), slice(50, -50))
    assert off(way_3HW, frames)[inner].mean() < 0.5 and off(way_3HW, frames)[inner].max() < 1
    assert way_3HW[2][inner].mean() < 1.5


def test_what_moves_by_itself_is_carried_as_a_whole() -> None:
    """Its rim too, beside which everything goes another way: it is looked up where it was, not where it is."""
    x_TCHW, inside_THW = scenes.thing(4, SIZE, start=(60, 60), pace=(5, 0), radius=24, camera=(0, 0))
    greys = [small_grey(picture_CHW, SIZE[::-1]) for picture_CHW in x_TCHW]
    way_3HW, inner_HW = still(SIZE[::-1]), grown(inside_THW[3], -5)
    for before, here in pairwise(greys):
        way_3HW = carried(way_3HW, before, here)
    off_HW = (way_3HW[:2] - torch.tensor([-15.0, 0])[:, None, None]).square().sum(0).sqrt()
    assert (off_HW[inner_HW] > 1.5).float().mean() < 0.03 and (way_3HW[2][inner_HW] > 3).float().mean() < 0.03


def test_the_way_back_is_looked_up_where_the_way_there_leads() -> None:
    x_TCHW, inside_THW = scenes.thing(2, SIZE, start=(60, 60), pace=(9, 0), radius=30, camera=(0, 0))
    way_3HW = step(*(small_grey(picture_CHW, SIZE[::-1]) for picture_CHW in x_TCHW))
    rear_HW = grown(inside_THW[0], -4) & ~inside_THW[1]  # what is there in the second picture stands still
    assert rear_HW.sum() > 100 and way_3HW[2][rear_HW].median() < 1


def test_a_way_goes_on_from_a_key_to_further_frames(greys: list[Tensor]) -> None:
    way_3HW = still(SIZE[::-1])
    for last, following in pairwise(greys):
        way_3HW = further(way_3HW, last, following)
    inner = (slice(40, -40), slice(50, -50))
    assert off(way_3HW, FRAMES - 1)[inner].mean() < 0.5


def test_what_is_missed_adds_up_and_is_large_where_something_was_not_seen(greys: list[Tensor]) -> None:
    other = [greys[0].clone(), greys[1].clone()]
    noise = small_grey(scenes.textured(77, SIZE), SIZE[::-1])
    other[1][40:80, 60:100] = noise[40:80, 60:100]  # appears there, and was nowhere before
    way_3HW = carried(still(SIZE[::-1]), other[0], other[1])
    assert way_3HW[2][50:70, 70:90].mean() > 10 * way_3HW[2][90:110, 10:40].mean()
    once_3HW = carried(way_3HW, greys[1], greys[2])
    assert once_3HW[2][50:70, 75:90].mean() > 0.8 * way_3HW[2][50:70, 75:90].mean()


def test_a_frame_is_where_it_is() -> None:
    assert torch.equal(still((3, 5)), torch.zeros(3, 3, 5))


def test_sampled_reads_pixels_at_whole_places_and_mixes_between_them() -> None:
    picture_CHW = torch.rand(5, 6, 7, generator=torch.Generator().manual_seed(1))
    y_hw, x_hw = torch.meshgrid(torch.arange(2.0, 5), torch.arange(1.0, 6), indexing="ij")
    where_2hw = torch.stack([x_hw, y_hw])
    for fine in (False, True):
        assert torch.allclose(sampled(picture_CHW, where_2hw, fine=fine), picture_CHW[:, 2:5, 1:6], atol=1e-6)
    half = sampled(picture_CHW, where_2hw + torch.tensor([0.5, 0])[:, None, None])
    assert torch.allclose(half, (picture_CHW[:, 2:5, 1:6] + picture_CHW[:, 2:5, 2:7]) / 2, atol=1e-6)
    outside = sampled(picture_CHW, torch.tensor([-9.0, 40.0]).reshape(2, 1, 1))
    assert torch.allclose(outside[:, 0, 0], picture_CHW[:, -1, 0])


def test_a_way_that_was_found_in_small_is_followed_in_large() -> None:
    picture_CHW = scenes.textured(3, SIZE)
    way_3hw = torch.zeros(3, 60, 40)  # half as high, a quarter as wide
    way_3hw[0], way_3hw[1] = 2, -3
    found_CHW = looked_up(picture_CHW, way_3hw)
    assert torch.allclose(found_CHW[:, 10:, :-10], picture_CHW[:, 4:-6, 8:-2], atol=1e-4)


def test_missing_is_stretched_but_not_scaled() -> None:
    way_3hw = torch.zeros(3, 4, 6)
    way_3hw[2] = 5
    assert torch.allclose(missed(way_3hw, (12, 12)), torch.full((12, 12), 5.0))
