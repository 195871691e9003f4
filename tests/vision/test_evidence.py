"""Evidence: colours and other cues tell inside from outside as far as they differ there, and no further."""

from __future__ import annotations

import pytest
import torch

from vidwright.vision import masks
from vidwright.vision.evidence import CERTAIN, SURE, fitted, guided, histogram, log_odds, log_ratio

SIZE = (60, 80)
INSIDE_HW = masks.ellipse(SIZE, 40, 30, 20, 15)
AROUND_HW = ~masks.grown(INSIDE_HW, 2)
RANDOM = torch.Generator().manual_seed(1)
#: Reddish inside and greenish around, both noisy; and noise that is the same everywhere.
LAB_CHW = torch.where(
    INSIDE_HW, torch.tensor([120, 150, 130])[:, None, None], torch.tensor([120, 110, 130])[:, None, None]
)
LAB_CHW = (LAB_CHW + 8 * torch.randn(3, *SIZE, generator=RANDOM)).clamp(0, 255).byte()
NOISE_HW = torch.randn(SIZE, generator=RANDOM)
TELLING_HW = INSIDE_HW.float() + 0.5 * torch.randn(SIZE, generator=RANDOM)


def test_a_histogram_adds_up_to_one_and_leaks_to_its_neighbours_alone() -> None:
    one_CHW = torch.tensor([100, 128, 128]).byte()[:, None, None].expand(3, *SIZE)
    parts = histogram(one_CHW, INSIDE_HW)
    assert parts.sum() == pytest.approx(1) and parts.max() == pytest.approx(1 / 8)
    assert (parts > 0).sum() == 27
    assert histogram(one_CHW, torch.zeros(SIZE, dtype=torch.bool)).sum() == 0


def test_colours_that_differ_tell_and_others_do_not() -> None:
    inside, around = histogram(LAB_CHW, INSIDE_HW), histogram(LAB_CHW, AROUND_HW)
    ratio_HW = log_ratio(LAB_CHW, inside, around)
    assert ((ratio_HW > 0) == INSIDE_HW).float().mean() > 0.95
    assert ratio_HW.abs().max() <= SURE
    assert not log_ratio(LAB_CHW, inside, inside).any()


def test_cues_count_as_much_as_they_tell() -> None:
    weights_K = fitted([torch.stack([TELLING_HW, NOISE_HW])], INSIDE_HW, AROUND_HW)
    assert weights_K[0] > 2 and weights_K[1].abs() < 0.2
    odds_HW = log_odds(torch.stack([TELLING_HW, NOISE_HW]), weights_K)
    assert ((odds_HW > 0) == INSIDE_HW).float().mean() > 0.8 and odds_HW.abs().max() <= CERTAIN
    assert fitted([-TELLING_HW[None]], INSIDE_HW, AROUND_HW)[0] < -2


def test_both_kinds_of_pixels_count_the_same_and_several_pictures_are_one() -> None:
    few_HW = INSIDE_HW & masks.box(SIZE, 0, 0, 40, 30)
    noise = fitted([NOISE_HW[None]], few_HW, AROUND_HW)
    assert noise.abs().max() < 0.3  # though there are ten times as many around
    once, twice = (fitted([TELLING_HW[None]] * times, INSIDE_HW, AROUND_HW) for times in (1, 2))
    assert torch.allclose(once, twice, atol=1e-4)


def test_without_pixels_of_one_kind_or_any_the_weights_are_still_numbers() -> None:
    nothing_HW = torch.zeros(SIZE, dtype=torch.bool)
    for inside_HW, around_HW in ((INSIDE_HW, nothing_HW), (nothing_HW, AROUND_HW), (nothing_HW, nothing_HW)):
        assert fitted([TELLING_HW[None]], inside_HW, around_HW).isfinite().all()


def test_a_map_is_smoothed_but_not_over_edges() -> None:
    grey_HW = torch.where(INSIDE_HW, 200, 60).byte()
    smooth_HW = guided(INSIDE_HW.float() * 2 - 1 + NOISE_HW, grey_HW)
    deep_HW = masks.grown(INSIDE_HW, -5)
    assert smooth_HW[deep_HW].std() < 0.4 * NOISE_HW[deep_HW].std()
    rim_HW = masks.grown(INSIDE_HW, 1)
    assert ((smooth_HW > 0) == INSIDE_HW)[rim_HW].float().mean() > 0.95
