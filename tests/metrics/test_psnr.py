"""PSNR against FFmpeg's own filter, against closed forms, and against numbers worked out by hand."""

from __future__ import annotations

import math

import av
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from vidwright.metrics.psnr import mean_psnr, mse, psnr, psnr_y, studio_luma


def _noisy_planes(bits: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    peak = 2**bits - 1
    clean = rng.integers(0, peak + 1, (48, 64))
    noisy = np.clip(clean + rng.normal(0, peak * 0.02, clean.shape).round().astype(int), 0, peak)
    kind = np.uint8 if bits == 8 else np.uint16
    return clean.astype(kind), noisy.astype(kind)


def _ffmpeg_psnr(output: np.ndarray, target: np.ndarray, pixel_format: str) -> float:
    graph = av.filter.Graph()
    sources = [
        graph.add_buffer(width=64, height=48, format=av.VideoFormat(pixel_format), time_base="1/25") for _ in range(2)
    ]
    measure, sink = graph.add("psnr"), graph.add("buffersink")
    for index, source in enumerate(sources):
        source.link_to(measure, 0, index)
    measure.link_to(sink)
    graph.configure()
    for source, plane in zip(sources, (output, target), strict=True):
        frame = av.VideoFrame.from_ndarray(plane, format=pixel_format)
        frame.pts = 0
        source.push(frame)
        source.push(None)
    return float(sink.pull().metadata["lavfi.psnr.psnr.y"])


@pytest.mark.parametrize(("bits", "pixel_format"), [(8, "gray"), (10, "gray10le"), (16, "gray16le")])
def test_agrees_with_ffmpegs_filter(bits: int, pixel_format: str):
    clean, noisy = _noisy_planes(bits, seed=bits)
    ours = psnr(torch.from_numpy(noisy), torch.from_numpy(clean), peak=2**bits - 1)
    assert ours == pytest.approx(_ffmpeg_psnr(noisy, clean, pixel_format), abs=0.006)  # it prints two decimals


def test_equal_pictures_are_infinitely_good():
    picture = torch.randint(0, 256, (3, 9, 7), dtype=torch.uint8)
    assert psnr(picture, picture.clone(), peak=255) == math.inf
    assert psnr_y(picture, picture.clone(), border=0) == math.inf


@given(st.integers(1, 65535), st.integers(1, 16))
def test_a_constant_error_has_a_closed_form(error: int, side: int):
    target = torch.zeros(side, side, dtype=torch.uint16)
    output = torch.full((side, side), error, dtype=torch.uint16)
    assert psnr(output, target, peak=65535) == pytest.approx(20 * math.log10(65535 / error), rel=1e-9, abs=1e-6)


def test_the_order_of_the_pictures_does_not_wrap_unsigned_values():
    low, high = torch.full((4, 4), 3, dtype=torch.uint8), torch.full((4, 4), 250, dtype=torch.uint8)
    assert mse(low, high) == mse(high, low) == 247**2


def test_measuring_leaves_the_pictures_as_they_were():
    output, target = torch.rand(3, 8, 8), torch.rand(3, 8, 8)
    before = output.clone(), target.clone()
    psnr(output, target, peak=1.0)
    psnr_y(output, target, border=0)
    assert torch.equal(output, before[0]) and torch.equal(target, before[1])


def test_shapes_must_agree_exactly():
    with pytest.raises(ValueError, match="shapes differ"):
        psnr(torch.zeros(1, 4, 4), torch.zeros(3, 4, 4), peak=1)
    with pytest.raises(ValueError, match="empty"):
        psnr_y(torch.zeros(3, 8, 8), torch.zeros(3, 8, 8), border=4)


def test_studio_luma_of_black_white_and_primaries():
    rgb = torch.tensor([[0, 255, 255, 0, 0], [0, 255, 0, 255, 0], [0, 255, 0, 0, 255]], dtype=torch.uint8)
    expected = torch.tensor([16, 235, 81.481, 144.553, 40.966], dtype=torch.float64)
    assert torch.allclose(studio_luma(rgb[:, None, :])[0], expected)


def test_psnr_y_rounds_floats_to_8_bits_and_cuts_the_border():
    target = torch.randint(0, 250, (3, 24, 20), dtype=torch.uint8)
    output = target.clone()
    output[:, :4] = 255  # only in the border
    output[:, 12, 10] += 2
    changed = 2 * 219 / 255
    expected = 20 * math.log10(255 / changed) + 10 * math.log10(16 * 12)
    assert psnr_y(output, target) == pytest.approx(expected, abs=1e-6)
    assert psnr_y(output / 255 + 0.001, target / 255 - 0.001) == pytest.approx(expected, abs=1e-6)
    assert psnr_y(output, target, border=0) < expected - 10


def test_an_equal_picture_does_not_hide_the_others():
    assert mean_psnr([30.0, math.inf, 40.0]) == 35.0
    assert mean_psnr([math.inf, math.inf]) == math.inf
    with pytest.raises(ValueError, match="no picture"):
        mean_psnr([])
