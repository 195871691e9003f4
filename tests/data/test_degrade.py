"""Each way of losing resolution against another library that does the same."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch
from PIL import Image
from scipy.ndimage import gaussian_filter

from vidwright.data import degrade


def noise(size: tuple[int, int] = (24, 36), seed: int = 0) -> np.ndarray:
    """(H, W) float32 code values, smooth enough to look like a picture and rough enough to tell kernels apart."""
    values = np.random.default_rng(seed).uniform(0, 255, size)
    return gaussian_filter(values, 0.7).astype(np.float32)


def shrunk(how, picture: np.ndarray, scale: int) -> np.ndarray:
    return how(torch.from_numpy(picture)[None, None], scale)[0, 0].numpy()


def by_opencv(picture: np.ndarray, scale: int, interpolation: int) -> np.ndarray:
    height, width = picture.shape
    return cv2.resize(picture, (width // scale, height // scale), interpolation=interpolation)


def by_pillow(picture: np.ndarray, scale: int, kernel: Image.Resampling) -> np.ndarray:
    height, width = picture.shape
    return np.asarray(Image.fromarray(picture, "F").resize((width // scale, height // scale), kernel))


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_cubic_is_opencvs(scale):
    picture = noise()
    np.testing.assert_allclose(
        shrunk(degrade.cubic, picture, scale), by_opencv(picture, scale, cv2.INTER_CUBIC), atol=1e-2
    )


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_area_is_opencvs(scale):
    picture = noise()
    np.testing.assert_allclose(
        shrunk(degrade.area, picture, scale), by_opencv(picture, scale, cv2.INTER_AREA), atol=1e-3
    )


@pytest.mark.parametrize("scale", [2, 3, 4])
@pytest.mark.parametrize(
    ("how", "kernel"),
    [(degrade.bicubic, Image.Resampling.BICUBIC), (degrade.lanczos, Image.Resampling.LANCZOS)],
    ids=["bicubic", "lanczos"],
)
def test_antialiased_kernels_are_pillows(how, kernel, scale):
    picture = noise()
    np.testing.assert_allclose(shrunk(how, picture, scale), by_pillow(picture, scale, kernel), atol=1e-2)


def test_the_kinds_differ_from_each_other():
    picture = noise()
    results = [shrunk(how, picture, 2) for how in (degrade.bicubic, degrade.cubic, degrade.area, degrade.lanczos)]
    for n, one in enumerate(results):
        for other in results[:n]:
            assert np.abs(one - other).max() > 1


@pytest.mark.parametrize("sigma", [0.4, 0.8, 1.2])
def test_blurred_is_scipys_gaussian_then_bicubic(sigma):
    picture = noise()
    soft = gaussian_filter(picture, sigma, mode="nearest", radius=max(1, round(3 * sigma)))
    wanted = shrunk(degrade.bicubic, soft, 2)
    np.testing.assert_allclose(shrunk(degrade.blurred(sigma), picture, 2), wanted, atol=1e-2)


def test_blur_keeps_the_size():
    picture = noise()
    soft = degrade.blur(torch.from_numpy(picture)[None, None], 0.8)[0, 0].numpy()
    np.testing.assert_allclose(soft, gaussian_filter(picture, 0.8, mode="nearest", radius=2), atol=1e-3)


def test_grey_stays_grey():
    grey = np.full((24, 36), 100, np.float32)
    for how in (degrade.bicubic, degrade.cubic, degrade.area, degrade.lanczos, degrade.blurred(1.0)):
        np.testing.assert_allclose(shrunk(how, grey, 2), 100, atol=1e-3)


def test_bytes_are_clipped_and_rounded_to_even():
    values = torch.tensor([-3.0, 0.4, 0.5, 1.5, 2.5, 254.6, 255.4, 300.0])
    assert degrade.to_bytes(values).tolist() == [0, 0, 0, 2, 2, 255, 255, 255]
    assert degrade.to_bytes(values).dtype == torch.uint8


def test_shrink_treats_every_frame_by_itself():
    frames = torch.randint(0, 256, (3, 3, 8, 12), dtype=torch.uint8)
    small = degrade.shrink(frames, 2, degrade.lanczos)
    assert small.shape == (3, 3, 4, 6) and small.dtype == torch.uint8
    for one, found in zip(frames, small, strict=True):
        assert torch.equal(found, degrade.to_bytes(degrade.lanczos(one[None].float(), 2))[0])
