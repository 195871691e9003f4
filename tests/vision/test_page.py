"""Pages of text: letters on a ground, a function of their seed."""

from __future__ import annotations

import pytest
import torch

from vidwright.vision.page import draw_page


@pytest.mark.parametrize("size", [(400, 640), (37, 51), (1, 1)])
def test_a_page_has_the_size_asked_for(size):
    page = draw_page(*size, seed=0)
    assert page.shape == (3, *size) and page.dtype == torch.uint8


def test_a_page_is_a_function_of_its_seed():
    assert torch.equal(draw_page(120, 200, seed=4), draw_page(120, 200, seed=4))
    assert not torch.equal(draw_page(120, 200, seed=4), draw_page(120, 200, seed=5))


def test_most_of_a_page_is_ground_and_letters_stand_out():
    for seed in range(6):
        grey = draw_page(300, 400, seed).float().mean(dim=0).round()
        ground = grey.flatten().mode().values
        share = float((grey != ground).float().mean())
        assert 0.02 < share < 0.7, f"seed {seed}: {share}"
        assert float((grey - ground).abs().max()) > 100
