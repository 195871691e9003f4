"""Likeness: nothing is missing from a clip itself, and what has been cut off or put in is seen on its own side."""

from __future__ import annotations

import pytest
import torch

from vidwright.metrics.likeness import coherence, completeness


@pytest.fixture(scope="module")
def clip() -> torch.Tensor:
    return torch.rand(8, 3, 24, 40, generator=torch.Generator().manual_seed(1))


def test_a_clip_is_like_itself(clip):
    assert coherence(clip, clip) == completeness(clip, clip) == 0


def test_a_part_is_coherent_and_not_complete(clip):
    part = clip[:5, :, :, 8:30]
    assert coherence(part, clip) == 0 < completeness(part, clip)


def test_foreign_matter_is_complete_and_not_coherent(clip):
    more = torch.cat([clip, 1 - clip], dim=-1)
    assert completeness(more, clip) == 0 < coherence(more, clip)


def test_the_nearest_patch_is_that_of_brute_force(clip):
    noisy = (clip + 0.1 * torch.randn(clip.shape, generator=torch.Generator().manual_seed(2)))[:3, :, :7, :9]
    found = []
    for x in range(3):
        asked = noisy[:, :, :, x : x + 7]
        far = [
            (clip[t : t + 3, :, y : y + 7, c : c + 7] - asked).square().mean()
            for t in range(6) for y in range(18) for c in range(34)
        ]  # fmt: skip
        found.append(float(torch.stack(far).min()))
    assert coherence(noisy, clip) == pytest.approx(sum(found) / 3, rel=1e-5)


def test_less_than_a_patch_is_refused(clip):
    with pytest.raises(ValueError, match="no patch"):
        coherence(clip[:2], clip)
