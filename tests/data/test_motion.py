"""The synthetic camera: inside the picture, smooth, no faster than asked; and its pictures against OpenCV's."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter

from vidwright.data.motion import camera, film
from vidwright.data.seeding import generator


def picture(height: int = 90, width: int = 120, seed: int = 0) -> torch.Tensor:
    values = np.random.default_rng(seed).uniform(0, 255, (3, height, width))
    smooth = gaussian_filter(values, (0, 2, 2))
    return torch.from_numpy((128 + 4 * (smooth - 128)).clip(0, 255).astype(np.float32))[None]


SIDES = st.integers(8, 300)


@settings(max_examples=30)
@given(SIDES, SIDES, SIDES, SIDES, st.integers(1, 30), st.integers(0, 1000))
def test_the_view_never_leaves_the_picture(height, width, tall, wide, frames, seed):
    way = camera((height, width), (tall, wide), frames, generator(seed), pan=0.1, zoom=0.05, turn=0.05)
    corners = torch.tensor([[-0.5, wide - 0.5, -0.5, wide - 0.5], [-0.5, -0.5, tall - 0.5, tall - 0.5], [1.0] * 4])
    seen = way @ corners.double()
    assert seen.amin() >= -0.5 - 1e-6
    assert (seen.amax((0, 2)) <= torch.tensor([width, height]).double() - 0.5 + 1e-6).all()


def test_ways_are_smooth_and_no_faster_than_asked():
    middle, moved, zoomed, turned = torch.tensor([31.5, 23.5, 1.0]).double(), [], [], []
    for seed in range(60):
        way = camera((400, 600), (48, 64), 24, generator(seed), pan=0.05, zoom=0.02, turn=0.01)
        scale = torch.linalg.vector_norm(way[:, :, 0], dim=-1)
        steps = (way @ middle).diff(dim=0) / torch.tensor([64, 48]) / scale.amin()
        angles = torch.atan2(way[:, 1, 0], way[:, 0, 0])
        moved.append(float(steps.abs().max()))
        zoomed.append(float(scale.log2().diff().abs().max()))
        turned.append(float(angles.diff().abs().max()))
        assert steps.diff(dim=0).abs().max() < 0.05 * 0.2  # it has weight: no jerks
        assert scale.amin() > 0.7
    # Centres are moved in pixels at the middle's zoom, which is up to 24 * 0.02 / 2 octaves off at the ends.
    assert 0.03 < max(moved) <= 0.05 * 2 ** (24 * 0.02 / 2)
    assert 0.012 < max(zoomed) <= 0.02 + 1e-9
    assert 0.006 < max(turned) <= 0.01 + 1e-9


def test_a_still_camera_shows_a_window():
    clip = torch.cat([picture(seed=n) for n in range(3)])
    way = torch.tensor([[1.0, 0, 11], [0, 1, 7]]).double().expand(3, -1, -1)
    torch.testing.assert_close(film(clip, way, (40, 50)), clip[..., 7:47, 11:61], atol=1e-2, rtol=0)


def test_views_are_opencvs():
    still = picture()
    for seed in range(4):
        way = camera((90, 120), (40, 40), 5, generator(seed), turn=0.1)
        way[..., :2] *= 0.9 / torch.linalg.vector_norm(way[:, :, 0], dim=-1)[:, None, None]  # one sample a pixel
        seen = film(still, way, (40, 40))
        for number, matrix in enumerate(way.numpy()):
            there = cv2.warpAffine(
                still[0].permute(1, 2, 0).numpy(),
                matrix,
                (40, 40),
                flags=cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP,
                borderMode=cv2.BORDER_REPLICATE,
            )
            # OpenCV rounds places to 1/32 of a pixel; these pictures change by up to 30 from pixel to pixel.
            assert np.abs(seen[number].permute(1, 2, 0).numpy() - there.clip(0, 255)).mean() < 0.3


def test_coarse_views_do_not_alias():
    stripes = torch.zeros(1, 3, 120, 120)
    stripes[..., ::2] = 255
    for scale in (2.0, 2.5, 3.0):
        way = torch.tensor([[scale, 0, 4.3], [0, scale, 4.6]]).double().expand(1, -1, -1)
        seen = film(stripes, way, (32, 32))
        assert (seen - 127.5).abs().max() < 255 / 6  # one sample a pixel would give stripes or plain black and white
        assert seen.mean() == pytest.approx(127.5, abs=2)


def test_the_camera_hangs_on_its_generator_alone():
    ways = [camera((90, 120), (40, 40), 5, generator(seed)) for seed in (1, 1, 2)]
    assert torch.equal(ways[0], ways[1]) and not torch.equal(ways[0], ways[2])
