"""Following a thing by a model of it: textured discs over textures, where one cue or another says nothing."""

from __future__ import annotations

from functools import cache

import pytest
import torch
from torch import Tensor

import scenes
from vidwright.vision import masks
from vidwright.vision.following import View, boxed, learned, traced, view

SIZE, FRAMES, RADIUS = (160, 120), 12, 18
ROUND = scenes.disc(FRAMES, SIZE, (45, 60), (4, 1), RADIUS)


def iou(one_HW: Tensor, other_HW: Tensor) -> float:
    return float((one_HW & other_HW).sum() / (one_HW | other_HW).sum())


def seen(x_TCHW: Tensor, unlike_THW: Tensor) -> dict[int, View]:
    return {
        n: view(255 * x_CHW, unlike_HW) for n, (x_CHW, unlike_HW) in enumerate(zip(x_TCHW, unlike_THW, strict=True))
    }


def over(skin_CHW: Tensor, behind_TCHW: Tensor) -> Tensor:
    """A disc with a texture that goes with it, over other pictures."""
    return torch.stack(
        [
            torch.where(inside_HW, skin_CHW.roll((n, 4 * n), (1, 2)), picture_CHW)
            for n, (inside_HW, picture_CHW) in enumerate(zip(ROUND, behind_TCHW, strict=True))
        ]
    )


@cache
def churning() -> Tensor:
    """A texture whose every part moves by itself, as water does: nothing that lies behind can be known."""
    layers = [scenes.pan(seed, FRAMES, SIZE, pace) for seed, pace in ((3, (3, 1)), (4, (-3, 2)), (5, (0, -4)))]
    return torch.stack(layers).mean(0)


def follow(views: dict[int, View], start: Tensor, at: int = 0) -> list[float]:
    thing = learned(start, views, at)
    return [iou(found_HW, ROUND[n]) for n, found_HW in enumerate(traced(thing, views.values()), 1)]


def test_over_what_moves_everywhere_a_thing_is_followed_by_its_texture() -> None:
    """All of the picture is unlike its background, so that this cue says nothing."""
    views = seen(over(scenes.textured(51, SIZE), churning()), torch.ones(FRAMES, 120, 160))
    found = follow(views, ROUND[0])
    assert min(found) > 0.85
    assert learned(ROUND[0], views, 0).weights[1].abs() < 0.2


def test_a_thing_of_the_background_s_colours_is_followed_by_how_it_moves() -> None:
    """The same texture, shifted; its residual is all that there is where it is flat."""
    flat_CHW = torch.full((3, 120, 160), 0.5)
    unlike_THW = 2 * ROUND.float()
    found = follow(seen(over(flat_CHW, flat_CHW.expand(FRAMES, -1, -1, -1)), unlike_THW), ROUND[0])
    assert min(found) > 0.8
    blind = follow(seen(over(flat_CHW, flat_CHW.expand(FRAMES, -1, -1, -1)), 0 * unlike_THW), ROUND[0])
    assert blind[-1] < 0.3  # without that it is not to be seen at all


def test_a_thing_without_texture_is_followed_by_its_colour() -> None:
    red_CHW = torch.tensor([0.8, 0.2, 0.2])[:, None, None].expand(3, 120, 160)
    found = follow(seen(over(red_CHW, churning()), torch.ones(FRAMES, 120, 160)), ROUND[0])
    assert min(found) > 0.85


def test_a_thing_is_turned_and_grows_with_its_mask() -> None:
    skin_CHW, truths, pictures = scenes.textured(51, SIZE), [], []
    for n, behind_CHW in enumerate(churning()):
        scale = 1 + 0.04 * n
        y_H1, x_1W = torch.arange(120)[:, None] - 60.0, torch.arange(160)[None] - 80.0
        truths.append((x_1W / (26 * scale)) ** 2 + (y_H1 / (16 * scale)) ** 2 <= 1)
        grid_1HW2 = torch.stack([(x_1W / scale / 80).expand(120, 160), (y_H1 / scale / 60).expand(120, 160)], -1)[None]
        large_CHW = torch.nn.functional.grid_sample(skin_CHW[None], grid_1HW2, align_corners=False)[0]
        pictures.append(torch.where(truths[-1], large_CHW, behind_CHW))
    views = seen(torch.stack(pictures), torch.ones(FRAMES, 120, 160))
    found = list(traced(learned(truths[0], views, 0), views.values()))
    assert min(iou(*pair) for pair in zip(found, truths[1:], strict=True)) > 0.8


def test_of_a_box_the_thing_in_it_is_found() -> None:
    views = seen(over(scenes.textured(51, SIZE), churning()), torch.ones(FRAMES, 120, 160))
    box_HW = masks.bounds(masks.grown(ROUND[4], 2))
    found_HW = boxed(box_HW, {n: views[n] for n in range(1, 8)}, 4)
    assert iou(found_HW, ROUND[4]) > 0.85 > iou(box_HW, ROUND[4])
    assert not (found_HW & ~box_HW).any()


def test_of_a_box_in_which_nothing_differs_the_middle_is_taken() -> None:
    flat_CHW = torch.full((3, 120, 160), 0.5)
    box_HW = masks.box((120, 160), 40, 30, 76, 66)
    found_HW = boxed(box_HW, {0: view(255 * flat_CHW, torch.zeros(120, 160))}, 0)
    assert iou(found_HW, masks.ellipse((120, 160), 58, 48, 18, 18)) > 0.85


def test_what_is_hidden_for_a_frame_is_found_again() -> None:
    x_TCHW = over(scenes.textured(51, SIZE), churning())
    x_TCHW[5] = churning()[5]
    found = follow(seen(x_TCHW, torch.ones(FRAMES, 120, 160)), ROUND[0])
    assert min(found[6:]) > 0.7


@pytest.mark.parametrize("start", [torch.zeros(120, 160, dtype=torch.bool), torch.ones(120, 160, dtype=torch.bool)])
def test_nothing_is_followed_as_nothing_and_everything_as_most(start: Tensor) -> None:
    views = seen(churning()[:3], torch.ones(3, 120, 160))
    found = list(traced(learned(start, views, 0), views.values()))
    assert all(bool(mask_HW.any()) == bool(start.any()) for mask_HW in found)


def test_it_is_the_same_each_time() -> None:
    views = seen(over(scenes.textured(51, SIZE), churning()), torch.ones(FRAMES, 120, 160))
    once, again = (list(traced(learned(ROUND[0], views, 0), views.values())) for _ in range(2))
    assert all(torch.equal(*pair) for pair in zip(once, again, strict=True))
