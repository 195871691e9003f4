"""Tracking: a textured disc that moves by itself over a texture that a camera pans over, from a box around it."""

from __future__ import annotations

from fractions import Fraction

import pytest
import torch
from torch import Tensor

import scenes
from vidwright.core import Frame
from vidwright.jobs.tracking import track
from vidwright.vision import masks

SIZE, FRAMES = (160, 120), 20


def frames_of(x_TCHW: Tensor, *cuts: int) -> list[Frame]:
    return [Frame(data, Fraction(n, 25), cut=n in cuts) for n, data in enumerate(x_TCHW)]


def around(mask_HW: Tensor) -> Tensor:
    """A box that somebody drew around a thing."""
    return masks.bounds(masks.grown(mask_HW, 2))


def ious(found: list[Tensor], truth_THW: Tensor) -> Tensor:
    assert len(found) == len(truth_THW)
    return torch.tensor([float((a & b).sum() / (a | b).sum()) for a, b in zip(found, truth_THW, strict=True)])


@pytest.fixture(scope="module")
def clip() -> tuple[Tensor, Tensor]:
    return scenes.thing(FRAMES, SIZE, start=(35, 60), pace=(4, 0.5), radius=16)


@pytest.fixture(scope="module")
def once(clip: tuple[Tensor, Tensor]) -> list[Tensor]:
    """Tracked from a box in the middle of the shot."""
    return list(track(frames_of(clip[0]), {6: around(clip[1][6])}))


def test_from_one_box_a_thing_is_followed_both_ways(clip: tuple[Tensor, Tensor], once: list[Tensor]) -> None:
    found = ious(once, clip[1])
    assert found.mean() > 0.93 and found.min() > 0.85
    assert all(mask_HW.dtype == torch.bool and mask_HW.shape == (120, 160) for mask_HW in once)


def test_the_box_alone_would_not_do(clip: tuple[Tensor, Tensor]) -> None:
    assert ious([around(clip[1][6])] * FRAMES, clip[1]).mean() < 0.6


def test_larger_pictures_are_followed_in_small(clip: tuple[Tensor, Tensor]) -> None:
    x_TCHW, truth_THW = scenes.thing(14, (480, 300), start=(120, 150), pace=(9, 1), radius=36)
    assert ious(list(track(frames_of(x_TCHW), {6: around(truth_THW[6])})), truth_THW).mean() > 0.75


def test_a_second_key_changes_only_frames_that_are_nearer_to_it(
    clip: tuple[Tensor, Tensor], once: list[Tensor]
) -> None:
    other_HW = scenes.disc(1, SIZE, (30, 100), (0, 0), 8)[0]  # it was never there
    twice = list(track(frames_of(clip[0]), {6: around(clip[1][6]), 15: other_HW}))
    assert [not torch.equal(a, b) for a, b in zip(once, twice, strict=True)] == [n > 10 for n in range(FRAMES)]
    assert torch.equal(twice[15], other_HW)
    assert all(float((mask_HW & clip[1][n]).sum()) == 0 for n, mask_HW in enumerate(twice) if n > 10)


def test_a_key_that_is_no_box_is_the_mask_of_its_frame(clip: tuple[Tensor, Tensor]) -> None:
    found = list(track(frames_of(clip[0][:4]), {1: clip[1][1]}))
    assert torch.equal(found[1], clip[1][1])


def test_cuts_end_it_and_shots_without_a_key_have_no_masks(clip: tuple[Tensor, Tensor]) -> None:
    found = list(track(frames_of(clip[0], 0, 4, 16), {6: around(clip[1][6])}))
    assert [bool(mask_HW.any()) for mask_HW in found] == [4 <= n < 16 for n in range(FRAMES)]
    assert ious(found[4:16], clip[1][4:16]).mean() > 0.7


def test_shots_are_followed_each_by_its_own_key(clip: tuple[Tensor, Tensor]) -> None:
    """Another scene after the cut; the key on its first frame says nothing of the frame before."""
    other_TCHW, other_THW = scenes.thing(12, SIZE, start=(120, 50), pace=(-4, 1), radius=14, seed=7)
    x_TCHW, truth_THW = torch.cat([clip[0][:12], other_TCHW]), torch.cat([clip[1][:12], other_THW])
    found = list(track(frames_of(x_TCHW, 0, 12), {11: around(truth_THW[11]), 12: around(truth_THW[12])}))
    assert ious(found, truth_THW).mean() > 0.8


def test_without_a_key_all_masks_are_empty_and_without_frames_there_are_none(clip: tuple[Tensor, Tensor]) -> None:
    found = list(track(frames_of(clip[0][:3]), {}))
    assert len(found) == 3 and not any(bool(mask_HW.any()) for mask_HW in found)
    assert list(track([], {})) == []
    empty_HW = torch.zeros(120, 160, dtype=torch.bool)
    assert not any(bool(mask_HW.any()) for mask_HW in track(frames_of(clip[0][:3]), {1: empty_HW}))


def test_over_a_background_that_moves_everywhere_a_thing_is_followed(clip: tuple[Tensor, Tensor]) -> None:
    """Three textures over each other that go three ways: neither a camera nor a background is to be found in it."""
    layers = [scenes.pan(seed, FRAMES, SIZE, pace) for seed, pace in ((3, (3, 1)), (4, (-3, 2)), (5, (0, -4)))]
    x_TCHW = torch.where(clip[1][:, None], clip[0], torch.stack(layers).mean(0))
    found = ious(list(track(frames_of(x_TCHW), {6: around(clip[1][6])})), clip[1])
    assert found.mean() > 0.85 and found.min() > 0.75


def test_a_box_is_one_though_shrinking_cuts_its_corners() -> None:
    """Its sides end within pixels of the small picture, of which they have more than half, and its corners less."""
    x_TCHW, truth_THW = scenes.thing(8, (480, 300), start=(120, 150), pace=(9, 1), radius=36)
    box_HW = masks.box((300, 480), 84, 114, 156, 186)
    small_HW = masks.resized(box_HW, (180, 288))
    assert not torch.equal(masks.bounds(small_HW), small_HW)
    found = list(track(frames_of(x_TCHW), {0: box_HW}))
    assert ious(found[:1], truth_THW[:1])[0] > 0.8


def test_a_single_frame_has_the_middle_of_its_box(clip: tuple[Tensor, Tensor]) -> None:
    box_HW = masks.box((120, 160), 40, 30, 76, 66)
    (found,) = track(frames_of(clip[0][:1]), {0: box_HW})
    assert found.any() and not (found & ~box_HW).any()


def test_a_thing_that_stands_still_for_a_while_is_kept() -> None:
    """It goes, stands for longer than the background takes to learn it, and goes on."""
    there = [*range(0, 24, 3), *[24] * 20, *range(27, 48, 3)]
    still_CHW, skin_CHW = scenes.textured(1, SIZE), scenes.textured(51, SIZE)
    truth_THW = torch.stack([scenes.disc(1, SIZE, (50 + x, 60), (0, 0), 18)[0] for x in there])
    x_TCHW = torch.stack(
        [torch.where(inside_HW, skin_CHW.roll(x, 2), still_CHW) for x, inside_HW in zip(there, truth_THW, strict=True)]
    )
    found = ious(list(track(frames_of(x_TCHW), {3: around(truth_THW[3])})), truth_THW)
    assert found.mean() > 0.75 and found[12:24].min() > 0.7 and found[-1] > 0.6


def test_the_shadow_of_a_thing_goes_with_it_if_that_is_wanted(clip: tuple[Tensor, Tensor]) -> None:
    x_TCHW, truth_THW = 0.3 + 0.2 * clip[0] + 0.5 * clip[0].mean(1, keepdim=True), clip[1]  # paler, as most things are
    shadow_THW = scenes.disc(FRAMES, SIZE, (35, 90), (4, 0.5), 13) & ~truth_THW
    x_TCHW = torch.where(shadow_THW[:, None], x_TCHW * 0.55, x_TCHW)
    keys = {6: truth_THW[6]}
    plain, larger = (list(track(frames_of(x_TCHW), keys, shadows=shadows)) for shadows in (False, True))
    share = [float((larger[n] & shadow_THW[n]).sum() / shadow_THW[n].sum()) for n in range(FRAMES)]
    bare = [float((plain[n] & shadow_THW[n]).sum() / shadow_THW[n].sum()) for n in range(FRAMES)]
    assert sum(share) / FRAMES > sum(bare) / FRAMES + 0.25
    assert all(bool((one_HW | ~other_HW).all()) for one_HW, other_HW in zip(larger, plain, strict=True))


def test_work_that_is_left_leaves_no_file_open(clip: tuple[Tensor, Tensor]) -> None:
    def broken():
        yield from frames_of(clip[0][:3], 0)
        yield from frames_of(clip[0][3:4], 0)
        raise OSError("gone")

    tracked = track(frames_of(clip[0], 0, 3, 6), {0: clip[1][0]})
    assert next(tracked).any()
    tracked.close()  # warnings of files that were not closed are errors
    with pytest.raises(OSError, match="gone"):
        list(track(broken(), {0: clip[1][0]}))
