"""Distances among samples, against differences written out."""

from __future__ import annotations

import pytest
import torch

from vidwright.metrics.variety import best_of, nearest, pairwise


def test_distances_are_mean_squared_errors():
    random = torch.Generator().manual_seed(0)
    clips, known = (torch.rand(n, 2, 3, 4, generator=random) for n in (3, 5))
    written = (clips[:, None] - known).square().mean(dim=(2, 3, 4))
    torch.testing.assert_close(nearest(clips, known).float(), written.min(dim=1).values)
    pairs = [(clips[a] - clips[b]).square().mean() for a in range(3) for b in range(3) if a != b]
    assert pairwise(clips) == pytest.approx(float(sum(pairs) / 6), rel=1e-5)


def test_copies_have_no_distance():
    clips = torch.rand(4, 8, 8, generator=torch.Generator().manual_seed(1))
    assert nearest(clips, clips).max() < 1e-12 and pairwise(clips[:1].expand(3, 8, 8)) < 1e-12
    with pytest.raises(ValueError, match="two clips"):
        pairwise(clips[:1])


def test_the_best_of_more_tries_is_no_worse():
    random = torch.Generator().manual_seed(2)
    tries, truth = torch.rand(6, 3, 4, 4, generator=random), torch.rand(3, 4, 4, generator=random)
    errors = [best_of(tries[:n], truth) for n in (1, 3, 6)]
    assert bool((errors[0] >= errors[1]).all() and (errors[1] >= errors[2]).all())
    torch.testing.assert_close(errors[0].float(), (tries[0] - truth).square().mean(dim=(1, 2)))
