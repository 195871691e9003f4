"""How an upscaler is judged."""

from __future__ import annotations

import pytest
import torch

from vidwright import models
from vidwright.metrics.psnr import psnr_y
from vidwright.train.upscaling import detail, enlarge, mean_psnr_y


def test_the_figure_is_the_mean_psnr_of_what_the_model_gives():
    frames = torch.randint(0, 256, (3, 3, 16, 24), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    output = enlarge(models.load("enhance/lanczos", scale=2, device="cpu"), frames[..., ::2, ::2].contiguous())
    assert output.shape == frames.shape
    wanted = sum(float(psnr_y(a / 255, b / 255)) for a, b in zip(output, frames, strict=True)) / 3
    assert mean_psnr_y(output, frames) == pytest.approx(wanted)


def test_detail_is_that_of_the_truth_over_what_rounding_leaves():
    random = torch.Generator().manual_seed(0)
    frames = torch.randint(64, 192, (2, 3, 16, 24), dtype=torch.uint8, generator=random)
    assert detail(frames, frames) == 1
    mean = frames.float().mean(1, keepdim=True).expand_as(frames)  # gray, so that halving does not round
    gray = mean.div(2).round().mul(2).to(torch.uint8)
    assert detail((gray // 2).contiguous(), gray) == pytest.approx(0.25, rel=1e-2)
    assert detail(gray + 50, gray) == pytest.approx(1)
    flat = torch.full_like(frames, 100)
    assert detail(flat, flat) == pytest.approx(1) and detail(frames, flat) > 100
