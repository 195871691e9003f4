"""Which way of filling a hole is believed, and what the network is shown beside it."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

import scenes
from vidwright import models
from vidwright.jobs.fill import Filler, Rim, misleading, prefilled, shares
from vidwright.jobs.puts import COMPLETION
from vidwright.nn.model import CompletionModel
from vidwright.train.excerpts import as_bytes, as_frames
from vidwright.vision.inpaint import inpainted
from vidwright.vision.masks import grown
from vidwright.vision.revealed import Found

SIZE = (64, 48)  # width, height
TRUTH, OTHER = scenes.textured(1, SIZE), scenes.textured(2, SIZE)
SMOOTH = torch.linspace(0.2, 0.8, SIZE[0]).expand(3, SIZE[1], -1)


@pytest.fixture
def hidden_hw() -> Tensor:
    hidden_hw = torch.zeros(SIZE[1], SIZE[0], dtype=torch.bool)
    hidden_hw[16:32, 20:44] = True
    return hidden_hw


def found(colour_Chw: Tensor, there_hw: Tensor | None = None) -> Found:
    there_hw = torch.ones(colour_Chw.shape[1:], dtype=torch.bool) if there_hw is None else there_hw
    return Found(colour_Chw, there_hw, torch.zeros(colour_Chw.shape[1:]))


def rim(picture_Chw: Tensor, hidden_hw: Tensor) -> Rim:
    return Rim(torch.where(hidden_hw, 0.5, picture_Chw), hidden_hw, SIZE[1])


def test_the_way_that_fits_the_rim_counts(hidden_hw):
    share_Nhw = shares(rim(TRUTH, hidden_hw), [found(OTHER), found(TRUTH)])
    assert torch.allclose(share_Nhw.sum(0), torch.ones(SIZE[1], SIZE[0]))
    assert share_Nhw[2][hidden_hw].min() > 0.9


def test_where_nothing_was_found_it_is_made_up(hidden_hw):
    share_Nhw = shares(rim(TRUTH, hidden_hw), [found(TRUTH, ~hidden_hw), found(OTHER, ~hidden_hw)])
    assert bool((share_Nhw[0][hidden_hw] == 1).all())


def test_an_outer_frame_that_misleads_is_not_shown(hidden_hw):
    """What can be made up well, here a gradient, is not left to frames that show something else."""
    everywhere_hw = torch.ones_like(hidden_hw)
    assert bool(misleading(rim(SMOOTH, hidden_hw), OTHER, everywhere_hw)[hidden_hw].all())
    assert not bool(misleading(rim(SMOOTH, hidden_hw), SMOOTH, everywhere_hw).any())
    assert torch.equal(misleading(rim(SMOOTH, hidden_hw), SMOOTH, ~hidden_hw), hidden_hw)


def test_an_outer_frame_of_a_flat_page_may_be_noisy(hidden_hw):
    """A code value is no error, even where making it up has none at all."""
    flat_Chw = torch.ones_like(SMOOTH)
    noisy_Chw = flat_Chw - (OTHER > 0.5) / 255
    assert not bool(misleading(rim(flat_Chw, hidden_hw), noisy_Chw, torch.ones_like(hidden_hw)).any())


def test_what_an_outer_frame_does_not_show_it_has_of_the_middle_one(hidden_hw):
    """Its own pixels stay, the middle one's fill its gaps, and where both are hidden it is closed as that one is."""
    middle_Chw = inpainted(TRUTH, hidden_hw)
    lost_hw = hidden_hw.roll(12, 1)
    colour_Chw = prefilled(middle_Chw, hidden_hw, OTHER, lost_hw)
    assert torch.equal(colour_Chw[:, ~lost_hw], OTHER[:, ~lost_hw])
    assert torch.equal(colour_Chw[:, lost_hw & ~hidden_hw], TRUTH[:, lost_hw & ~hidden_hw])
    assert not torch.equal(colour_Chw[:, lost_hw & hidden_hw], OTHER[:, lost_hw & hidden_hw])
    everything_hw = torch.ones_like(hidden_hw)
    assert torch.equal(prefilled(middle_Chw, hidden_hw, OTHER, everything_hw), middle_Chw)


def bettered(picture_CHW: Tensor, hidden_hw: Tensor) -> Tensor:
    """By how many code values the network changes what is inpainted in a film of one picture and of one hole."""
    film_TCHW = torch.where(hidden_hw, 0.5, picture_CHW).mul(255).round().byte().expand(3, -1, -1, -1)
    network = models.load(COMPLETION, kind=CompletionModel, device="cpu")
    made, plain = (
        as_bytes(Filler(each).stream(as_frames(film_TCHW), lambda frame: hidden_hw.float())).int()
        for each in (network, None)
    )
    return (made - plain).abs()[..., hidden_hw]


def test_on_white_paper_it_is_inpainted():
    """With text a little off, from which the network by itself draws shades into the hole."""
    page_CHW, hidden_HW = torch.ones(3, 240, 120), torch.zeros(240, 120, dtype=torch.bool)
    hidden_HW[100:130, 40:80] = True
    text_HW = ~grown(hidden_HW, 13)
    text_HW[:, ::2] = False
    assert bettered(torch.where(text_HW, 0.1, page_CHW), hidden_HW).max() == 0


def test_where_there_is_something_to_better_the_network_does(hidden_hw):
    assert bettered(TRUTH, hidden_hw).max() > 4
