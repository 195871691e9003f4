"""Copies are found whatever a codec did to them, and what is new is not taken for one."""

from __future__ import annotations

import pytest
import torch

from vidwright.metrics.copies import copied, thumbnails


def clip(frames: int = 6, seed: int = 0) -> torch.Tensor:
    """A pattern that glides by a pixel a frame."""
    wide = torch.rand(3, 16, 40, generator=torch.Generator().manual_seed(seed))
    return torch.stack([wide[:, :, n : n + 24] for n in range(frames)])


def test_copies_are_found_under_noise():
    source = clip()
    noise = 0.02 * torch.randn(source.shape, generator=torch.Generator().manual_seed(1))
    assert copied(source + noise, source) == list(range(6))
    assert copied(clip(seed=2), source) == []
    assert copied(torch.cat([clip(seed=2), source[3:4]]), source) == [6]


def test_in_a_still_clip_only_the_same_picture_is_a_copy():
    still = clip(1).expand(4, -1, -1, -1)
    assert copied(torch.stack([still[0], still[0] + 0.01]), still) == [0]
    with pytest.raises(ValueError, match="two frames"):
        copied(still, still[:1])


def test_thumbnails_have_one_size():
    assert thumbnails(torch.rand(2, 3, 270, 480)).shape == (2, 3, 64, 114)
    assert thumbnails(torch.rand(1, 3, 20, 30)).shape == (1, 3, 20, 30)
    assert thumbnails(torch.rand(1, 3, 99, 50), (64, 114)).shape == (1, 3, 64, 114)
