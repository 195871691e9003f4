"""Drawn pages are full of sharp letters on even paper, and of all sorts."""

from __future__ import annotations

import pytest
import torch

from vidwright.data.seeding import generator
from vidwright.vision.pages import page


@pytest.mark.parametrize("size", [(1, 1), (40, 300), (256, 256)])
def test_a_page_has_the_size_asked_for(size):
    height, width = size
    drawn = page(height, width, generator(0))
    assert drawn.shape == (3, *size) and drawn.dtype == torch.uint8 and drawn.is_contiguous()


def test_most_of_a_page_is_paper_and_some_of_it_is_ink_with_soft_edges():
    for seed in range(10):
        drawn = page(256, 256, generator(seed)).flatten(1).T
        colours, counts = drawn.unique(dim=0, return_counts=True)
        paper = colours[counts.argmax()].float()
        assert 0.4 < counts.max() / len(drawn) < 0.98
        distances = (colours.float() - paper).abs().mean(dim=1)
        assert distances.max() > 80 and len(colours) > 50


def test_pages_are_light_and_dark_and_a_function_of_their_generator():
    means = [float(page(128, 128, generator(seed)).float().mean()) for seed in range(20)]
    assert min(means) < 110 and max(means) > 200
    assert torch.equal(page(64, 64, generator(3)), page(64, 64, generator(3)))
    assert not torch.equal(page(64, 64, generator(3)), page(64, 64, generator(4)))
