"""Networks fitted to painted pictures."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

import scenes
from vidwright.models.edit.translation import Net
from vidwright.train.translating import translator

RED = torch.tensor([0.3, -0.2, 0.05])[:, None, None]


def bright(picture_CHW: Tensor) -> Tensor:
    return picture_CHW.mean(0, keepdim=True) > 0.5


@pytest.fixture(scope="module")
def lit() -> Net:
    """What is bright was painted red, what is dark was not."""
    picture_CHW = scenes.textured(1, (160, 120))
    return translator([picture_CHW], [RED * bright(picture_CHW)])


def test_what_looks_as_what_was_painted_is_told_to_be_so(lit: Net) -> None:
    """On a picture that it has never seen it is a fifth off what is missing without it, by squared errors."""
    other_CHW = scenes.textured(2, (160, 120))
    truth_CHW = RED * bright(other_CHW)
    told_BCHW, _ = lit(other_CHW[None])
    assert (told_BCHW[0] - truth_CHW).square().mean() < 0.2 * truth_CHW.square().mean()


def test_it_knows_where_it_is_unsure(lit: Net) -> None:
    """Next to the threshold it cannot know, far from it it does."""
    other_CHW = scenes.textured(2, (160, 120))
    _, width_B1HW = lit(other_CHW[None])
    margin_HW = (other_CHW.mean(0) - 0.5).abs()
    near, far = margin_HW < margin_HW.quantile(0.1), margin_HW > margin_HW.quantile(0.7)
    assert width_B1HW[0, 0][near].mean() > 2 * width_B1HW[0, 0][far].mean()


def test_what_looks_alike_and_was_painted_differently_is_told_unsurely() -> None:
    """Half of a picture that is the same everywhere was painted: nothing that is seen says which."""
    plain_CHW = torch.full((3, 64, 64), 0.5)
    half_CHW = RED * (torch.arange(64) < 32) * torch.ones(64, 1)
    _, width_B1HW = translator([plain_CHW], [half_CHW])(plain_CHW[None])
    off = float((half_CHW - 0.5 * RED).abs().mean())
    assert float(width_B1HW.mean()) > 0.4 * off


def test_the_same_keys_make_the_same_network_however_many_threads_there_are() -> None:
    picture_CHW = scenes.textured(3, (48, 40))
    made: list[Tensor] = []
    before = torch.get_num_threads()
    for threads in (1, 2):
        torch.set_num_threads(threads)
        made.append(translator([picture_CHW], [RED * bright(picture_CHW)])(picture_CHW[None])[0])
    torch.set_num_threads(before)
    assert torch.equal(made[0], made[1])


def test_fitting_leaves_what_others_draw_as_it_was() -> None:
    torch.manual_seed(5)
    wanted = torch.rand(3)
    torch.manual_seed(5)
    picture_CHW = scenes.textured(3, (40, 40))
    translator([picture_CHW], [torch.zeros_like(picture_CHW)])
    assert torch.equal(torch.rand(3), wanted)
