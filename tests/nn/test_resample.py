"""Lanczos against its definition and against another library."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from vidwright.nn.resample import lanczos, resized


def by_definition(line: np.ndarray, scale: int) -> np.ndarray:
    """Each output sample from the six nearest of the input, by sinc(d) sinc(d / 3) over the sum of these weights."""
    out = []
    for place in range(len(line) * scale):
        centre = (place + 0.5) / scale - 0.5
        distance = np.arange(len(line)) - centre
        weights = np.where(np.abs(distance) < 3, np.sinc(distance) * np.sinc(distance / 3), 0.0)
        out.append((weights * line).sum() / weights.sum())
    return np.array(out)


@pytest.mark.parametrize("scale", [1, 2, 3, 4, 8])
@pytest.mark.parametrize("size", [(1, 1), (5, 7), (16, 9)])
def test_lanczos_is_its_definition(scale, size):
    picture = np.random.default_rng(0).random(size)
    wanted = np.apply_along_axis(by_definition, 0, np.apply_along_axis(by_definition, 1, picture, scale), scale)
    found = lanczos(torch.from_numpy(picture).float()[None, None], scale)[0, 0]
    assert found.shape == (size[0] * scale, size[1] * scale)
    np.testing.assert_allclose(found, wanted, atol=2e-6)


def test_rings_are_not_clipped():
    edge = torch.zeros(1, 1, 8, 8)
    edge[..., 4:] = 1
    big = lanczos(edge, 2)
    assert big.max() > 1.01 and big.min() < -0.01


def test_a_clip_keeps_its_ramps_in_space_and_time():
    ramp = torch.arange(6.0)[:, None, None, None] + 10 * torch.arange(8.0)[:, None] + torch.zeros(6, 4, 8, 3)
    big = resized(ramp, (12, 8, 16))
    assert big.shape == (12, 8, 16, 3) and resized(ramp, (6, 4, 8)) is ramp
    inner = big[1:-1, :, 1:-1]
    torch.testing.assert_close(inner.diff(dim=0), torch.full_like(inner.diff(dim=0), 0.5))
    torch.testing.assert_close(inner.diff(dim=2), torch.full_like(inner.diff(dim=2), 5.0))


@pytest.mark.parametrize("frames", [4, 7, 12])
def test_a_loop_may_be_cut_open_anywhere(frames):
    clip = torch.rand(frames // 2 * 2, 5, 5, 3, generator=torch.Generator().manual_seed(0))
    long = resized(clip, (2 * len(clip), 5, 5), loop=True)
    turned = resized(clip.roll(1, 0), (2 * len(clip), 5, 5), loop=True)
    torch.testing.assert_close(turned, long.roll(2, 0))
