"""How an upscaler is judged."""

from __future__ import annotations

import pytest
import torch

from vidwright import models
from vidwright.metrics.psnr import psnr_y
from vidwright.train.upscaling import enlarge, mean_psnr_y


def test_the_figure_is_the_mean_psnr_of_what_the_model_gives():
    frames = torch.randint(0, 256, (3, 3, 16, 24), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    output = enlarge(models.load("enhance/lanczos", scale=2, device="cpu"), frames[..., ::2, ::2].contiguous())
    assert output.shape == frames.shape
    wanted = sum(float(psnr_y(a / 255, b / 255)) for a, b in zip(output, frames, strict=True)) / 3
    assert mean_psnr_y(output, frames) == pytest.approx(wanted)
