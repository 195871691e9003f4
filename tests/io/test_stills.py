"""Stills are read back by OpenCV, which shares no code with the encoder."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch

from vidwright.io.stills import encode_still


def _read(content: bytes) -> torch.Tensor:
    image = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR_RGB)
    return torch.from_numpy(image).permute(2, 0, 1)


@pytest.mark.parametrize("size", [(1, 1), (7, 5), (48, 64)])
def test_png_is_exact_and_clips(size: tuple[int, int]):
    data = torch.rand(3, *size) * 1.4 - 0.2
    found = _read(encode_still(data, format="png"))
    assert (found - data.clamp(0, 1) * 255).abs().max() <= 0.5  # the nearest, or of two as near either


@pytest.mark.parametrize("colour", [(1, 0, 0), (0, 1, 0), (0, 0, 1), (1, 1, 1), (0, 0, 0), (0.5, 0.2, 0.8)])
def test_jpeg_keeps_colours_within_a_few_levels(colour: tuple[float, float, float]):
    data = torch.tensor(colour, dtype=torch.float32)[:, None, None].expand(3, 17, 23)
    content = encode_still(data)
    assert content[:3] == b"\xff\xd8\xff"
    assert (_read(content).float() - data * 255).abs().max() <= 3


def test_only_rgb_pictures():
    with pytest.raises(ValueError, match="expected"):
        encode_still(torch.zeros(4, 8, 8))
