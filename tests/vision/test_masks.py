"""Masks against values computed by hand, and against distances by brute force."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from vidwright.vision import masks

SIZE = (12, 16)
EMPTY, FULL = torch.zeros(SIZE, dtype=torch.bool), torch.ones(SIZE, dtype=torch.bool)


def mask(*rows: str) -> Tensor:
    return torch.tensor([[letter == "#" for letter in row] for row in rows])


def random_mask(seed: int, share: float = 0.3) -> Tensor:
    return torch.rand(9, 11, generator=torch.Generator().manual_seed(seed)) < share


def brute_distance(mask_HW: Tensor) -> Tensor:
    every = torch.ones_like(mask_HW).nonzero().double()
    return torch.cdist(every, mask_HW.nonzero().double()).amin(1).reshape(mask_HW.shape)


def extent(mask_HW: Tensor) -> tuple[int, int, int, int]:
    """Left, top, right, bottom; all pixels inside."""
    rows, columns = mask_HW.any(1).nonzero()[:, 0], mask_HW.any(0).nonzero()[:, 0]
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1


def test_a_box_has_the_pixels_whose_middle_is_in_it() -> None:
    found_HW = masks.box(SIZE, 3, 2.5, 6.5, 5)
    assert extent(found_HW) == (3, 2, 6, 5) and found_HW.sum() == 9  # a middle on the left rim is in, on the right out
    assert extent(masks.box(SIZE, -5, -5, 100, 100)) == (0, 0, 16, 12)
    assert not masks.box(SIZE, 20, 2, 30, 5).any()


def test_an_ellipse_has_the_pixels_whose_middle_is_in_it() -> None:
    found_HW = masks.ellipse((5, 9), 4.5, 2.5, 3, 1)
    assert torch.equal(found_HW, mask(".........", "....#....", ".#######.", "....#....", "........."))


def test_a_stroke_is_round_at_its_ends_and_a_single_point_is_a_disc() -> None:
    assert torch.equal(
        masks.stroke((5, 9), 2.6, [(2.5, 2.5), (5.5, 2.5)]),
        mask(".........", "..####...", ".######..", "..####...", "........."),
    )
    assert torch.equal(masks.stroke(SIZE, 6, [(8, 5)]), masks.ellipse(SIZE, 8, 5, 3, 3))


def test_a_stroke_covers_each_part_of_its_way_and_not_the_way_back() -> None:
    found_HW = masks.stroke(SIZE, 1.2, [(1.5, 1.5), (13.5, 1.5), (13.5, 9.5)])
    assert found_HW[1, 1:14].all() and found_HW[1:10, 13].all() and found_HW.sum() == 13 + 8


@given(st.integers(1, 7), st.integers(1, 5), st.integers(2, 7), st.integers(2, 5))
@settings(max_examples=25, deadline=None)
def test_an_upright_polygon_is_its_box_give_or_take_its_rim(left: int, top: int, width: int, height: int) -> None:
    right, bottom = left + width, top + height
    found_HW = masks.polygon(SIZE, [(left, top), (right, top), (right, bottom), (left, bottom)])
    assert (found_HW | ~masks.box(SIZE, left, top, right, bottom)).all()
    assert (masks.box(SIZE, left - 1, top - 1, right + 1, bottom + 1) | ~found_HW).all()


def test_a_triangle_has_its_area() -> None:
    found_HW = masks.polygon((120, 160), [(10, 10), (110, 10), (60, 90)])
    assert found_HW.sum() == pytest.approx(100 * 80 / 2, rel=0.04)
    assert found_HW[50, 60] and not found_HW[50, 20] and not found_HW[5, 60]


def test_a_polygon_may_leave_the_picture() -> None:
    assert masks.polygon(SIZE, [(-50, -50), (90, -50), (90, 90), (-50, 90)]).all()


@given(st.integers(0, 10**6), st.floats(0.5, 6))
@settings(max_examples=30, deadline=None)
def test_grown_is_all_that_is_so_near_and_shrunk_all_that_is_so_deep(seed: int, pixels: float) -> None:
    mask_HW = random_mask(seed, 0.1)
    mask_HW[seed % 9, seed % 11] = True
    away_HW, deep_HW = brute_distance(mask_HW), brute_distance(~mask_HW)
    sure_HW = (away_HW - pixels).abs() > 1e-4  # at that very distance either will do
    assert torch.equal(masks.grown(mask_HW, pixels)[sure_HW], (away_HW <= pixels)[sure_HW])
    sure_HW = (deep_HW - pixels).abs() > 1e-4
    assert torch.equal(masks.grown(mask_HW, -pixels)[sure_HW], (deep_HW > pixels)[sure_HW])


def test_grown_by_whole_pixels_gains_as_many_on_each_side_and_loses_as_many() -> None:
    box_HW = masks.box(SIZE, 5, 4, 11, 9)
    assert extent(masks.grown(box_HW, 2)) == (3, 2, 13, 11)
    assert torch.equal(masks.grown(box_HW, -2), masks.box(SIZE, 7, 6, 9, 7))
    assert not masks.grown(box_HW, -3).any()
    assert masks.grown(box_HW, 0) is box_HW


@given(st.integers(0, 10**6))
@settings(max_examples=20, deadline=None)
def test_distance_is_the_exact_one(seed: int) -> None:
    mask_HW = random_mask(seed)
    mask_HW[0, 0] = True
    found_HW = masks.distance(mask_HW)
    assert found_HW.dtype == torch.float32
    assert torch.allclose(found_HW.double(), brute_distance(mask_HW), atol=1e-4)


@given(st.integers(0, 10**6), st.integers(1, 5))
@settings(max_examples=20, deadline=None)
def test_feathered_is_full_inside_falls_with_distance_and_ends(seed: int, pixels: int) -> None:
    mask_HW = random_mask(seed, 0.05)
    mask_HW[4, 5] = True
    opacity_HW, away_HW = masks.feathered(mask_HW, pixels), brute_distance(mask_HW)
    assert torch.equal(opacity_HW == 1, mask_HW)
    assert not opacity_HW[away_HW >= pixels + 1].any() and (opacity_HW[away_HW <= pixels] > 0).all()
    falling = opacity_HW.flatten()[away_HW.flatten().argsort()]
    assert (falling.diff() <= 1e-6).all()


def test_a_feather_of_one_pixel_is_half_opaque_there() -> None:
    opacity_HW = masks.feathered(masks.box(SIZE, 0, 0, 8, 12), 1)
    assert opacity_HW[3, 6:11].tolist() == [1, 1, 0.5, 0, 0]
    assert torch.equal(masks.feathered(random_mask(1), 0), random_mask(1).float())


def test_a_hull_has_no_dents_and_nothing_beyond_its_corners() -> None:
    bent_HW = mask("#.......", "#.......", "#.......", "########")
    assert torch.equal(masks.hull(bent_HW)[:, 0], torch.ones(4, dtype=torch.bool)) and masks.hull(bent_HW)[3].all()
    assert masks.hull(bent_HW)[2, 2] and not masks.hull(bent_HW)[0, 3]
    disc_HW = masks.ellipse((40, 40), 20, 20, 12, 12)
    assert (masks.hull(disc_HW) | ~disc_HW).all() and masks.hull(disc_HW).sum() <= disc_HW.sum() * 1.05


@given(st.integers(0, 10**6))
@settings(max_examples=20, deadline=None)
def test_a_hull_is_all_that_lies_on_the_same_side_in_every_direction(seed: int) -> None:
    mask_HW = torch.zeros(20, 24, dtype=torch.bool)
    places = torch.randint(0, 20, (4, 2), generator=torch.Generator().manual_seed(seed))
    mask_HW[places[:, 0], places[:, 1]] = True
    angles = torch.linspace(0, 2 * math.pi, 90)
    ways_2A = torch.stack([angles.sin(), angles.cos()])
    every_HWA = torch.ones_like(mask_HW).nonzero().float().reshape(20, 24, 2) @ ways_2A
    beyond_HW = (every_HWA - (places.float() @ ways_2A).amax(0)).amax(-1)
    found_HW = masks.hull(mask_HW)
    assert found_HW[beyond_HW < -0.75].all() and not found_HW[beyond_HW > 0.75].any() and found_HW[mask_HW].all()


def test_bounds_are_the_smallest_rectangle() -> None:
    assert torch.equal(
        masks.bounds(mask("......", "..#...", "....#.", "......")), mask("......", "..###.", "..###.", "......")
    )


def test_between_is_either_one_at_its_end() -> None:
    first_HW, second_HW = masks.box((40, 50), 4, 4, 12, 14), masks.ellipse((40, 50), 30, 25, 9, 6)
    assert torch.equal(masks.between(first_HW, second_HW, 0), first_HW)
    assert torch.equal(masks.between(first_HW, second_HW, 1), second_HW)


def test_half_way_a_moved_box_is_half_way() -> None:
    first_HW, second_HW = masks.box((40, 60), 4, 4, 14, 12), masks.box((40, 60), 34, 24, 44, 32)
    assert extent(masks.between(first_HW, second_HW, 0.5)) == (19, 14, 29, 22)
    assert extent(masks.between(first_HW, second_HW, 0.25)) in [(x, 9, x + 10, 17) for x in (11, 12)]


@pytest.mark.parametrize("part", [0.25, 0.5, 0.75])
def test_a_disc_grows_evenly(part: float) -> None:
    found_HW = masks.between(masks.ellipse((60, 60), 30, 30, 8, 8), masks.ellipse((60, 60), 30, 30, 24, 24), part)
    assert math.sqrt(float(found_HW.sum()) / math.pi) == pytest.approx(8 + 16 * part, abs=0.5)


@pytest.mark.parametrize("part", [0, 0.3, 0.5, 1])
def test_between_all_of_a_picture_and_a_part_there_is_always_something(part: float) -> None:
    box_HW = masks.box((20, 20), 5, 5, 15, 15)
    full_HW = torch.ones_like(box_HW)
    assert masks.between(full_HW, full_HW, part).all()
    for found_HW in (masks.between(box_HW, full_HW, part), masks.between(full_HW, box_HW, 1 - part)):
        assert found_HW[5:15, 5:15].all()
        assert torch.equal(found_HW, box_HW) or part > 0
        assert found_HW.all() or part < 1


def test_between_nothing_and_something_it_is_the_nearer_one() -> None:
    box_HW = masks.box(SIZE, 2, 2, 5, 5)
    assert [bool(masks.between(EMPTY, box_HW, part).any()) for part in (0, 0.4, 0.6)] == [False, False, True]
    assert [bool(masks.between(box_HW, EMPTY, part).any()) for part in (0, 0.4, 0.6)] == [True, True, False]


@pytest.mark.parametrize("pixels", [2, 3, 4, 5])
def test_cleaning_takes_specks_away_and_moves_nothing(pixels: int) -> None:
    disc_HW = masks.ellipse((60, 60), 30, 30, 15, 15)
    speckled_HW = disc_HW.clone()
    speckled_HW[5, 5] = speckled_HW[50, 40] = True
    speckled_HW[30, 30] = False
    found_HW = masks.cleaned(speckled_HW, pixels)
    assert not found_HW[:14].any() and found_HW[30, 30]
    assert extent(found_HW) == extent(disc_HW)
    assert (found_HW ^ disc_HW).sum() <= 12  # corners at most


def test_solid_has_no_specks_gaps_or_holes_and_moves_nothing() -> None:
    thing_HW = masks.box((60, 60), 10, 10, 40, 50)
    torn_HW = thing_HW.clone()
    torn_HW[20:40, 20:30] = False  # a hole
    torn_HW[15:17, 10:20] = False  # a gap from the rim on
    torn_HW[3, 55] = True  # a speck
    found_HW = masks.solid(torn_HW, 3)
    assert extent(found_HW) == extent(thing_HW)
    assert (found_HW ^ thing_HW).sum() <= 8  # corners are rounded


def test_what_is_solid_stays_so_at_the_border_of_the_picture() -> None:
    thing_HW = masks.box((40, 40), 0, 10, 12, 40)
    assert (masks.solid(thing_HW, 4) ^ thing_HW).sum() <= 4


def test_parts_are_connected_also_by_corners_and_together_the_whole() -> None:
    mask_HW = mask("##....#", "..#....", "......#", ".....#.")
    found = masks.parts(mask_HW)
    assert sorted(int(part.sum()) for part in found) == [1, 2, 3]
    assert torch.equal(torch.stack(found).sum(0), mask_HW.long())


def test_touching_keeps_whole_parts_of_which_any_pixel_is_shared() -> None:
    mask_HW = mask("##..##", "##..##", "......", "##....")
    seed_HW = mask(".#....", "...#..", "......", "..#...")  # the second and third are beside the other parts
    assert torch.equal(masks.touching(mask_HW, seed_HW), mask("##....", "##....", "......", "......"))
    assert not masks.touching(mask_HW, ~mask_HW).any()


@given(st.integers(0, 10**6), st.integers(2, 4))
@settings(max_examples=20, deadline=None)
def test_twice_the_size_and_back_is_the_same_mask(seed: int, times: int) -> None:
    mask_HW = random_mask(seed)
    large_HW = masks.resized(mask_HW, (9 * times, 11 * times))
    assert torch.equal(large_HW[times // 2 :: times, times // 2 :: times], mask_HW) or times % 2 == 0
    assert torch.equal(masks.resized(mask_HW.repeat_interleave(times, 0).repeat_interleave(times, 1), (9, 11)), mask_HW)


def test_resized_keeps_places_up_and_down() -> None:
    box_HW = masks.box((20, 40), 8, 4, 24, 12)
    assert torch.equal(masks.resized(box_HW, (40, 80)), masks.box((40, 80), 16, 8, 48, 24))
    assert torch.equal(masks.resized(box_HW, (10, 20)), masks.box((10, 20), 4, 2, 12, 6))
    assert torch.equal(masks.resized(box_HW, (40, 20)), masks.box((40, 20), 4, 8, 12, 24))
    assert masks.resized(box_HW, (20, 40)) is box_HW


@pytest.mark.parametrize("pixels", range(10))
def test_shrunk_most_of_what_lies_under_a_pixel_decides(pixels: int) -> None:
    block_HW = (torch.randperm(9, generator=torch.Generator().manual_seed(pixels)) < pixels).reshape(3, 3)
    assert torch.equal(masks.resized(block_HW.repeat(2, 4), (2, 4)), torch.full((2, 4), pixels > 4))


def test_what_was_nothing_stays_nothing_and_all_stays_all() -> None:
    for change in (
        lambda m: masks.grown(m, 3),
        lambda m: masks.grown(m, -3),
        lambda m: masks.feathered(m, 3),
        masks.hull,
        masks.bounds,
        lambda m: masks.between(m, m, 0.5),
        lambda m: masks.cleaned(m, 2),
        lambda m: masks.solid(m, 2),
        lambda m: masks.touching(m, m),
        lambda m: masks.resized(m, (5, 30)),
    ):
        assert not change(EMPTY).any() and change(FULL).all()
    assert masks.parts(EMPTY) == [] and masks.distance(EMPTY).isinf().all() and not masks.distance(FULL).any()
