"""What holds for every metric: its card, and that no split of the pictures changes its result."""

from __future__ import annotations

import json
from collections.abc import Callable
from itertools import pairwise

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from vidwright.data.seeding import generator
from vidwright.metrics.dtssd import DtSsd
from vidwright.metrics.metric import Metric
from vidwright.metrics.ms_ssim import SMALLEST, MsSsim
from vidwright.metrics.psnr import Psnr, PsnrY
from vidwright.metrics.ssim import Ssim
from vidwright.metrics.warping_error import WarpingError

PICTURES = 6
METRICS: dict[str, tuple[Callable[[], Metric], int]] = {  # with the size of the pictures to be measured
    "psnr": (Psnr, 12),
    "psnr_y": (PsnrY, 12),
    "ssim": (Ssim, 12),
    "ms_ssim": (MsSsim, SMALLEST),
    "dtssd": (DtSsd, 12),
    "warping_error": (WarpingError, 32),
}


@pytest.mark.parametrize("name", METRICS)
@settings(max_examples=8)
@given(cuts=st.lists(st.integers(0, PICTURES), max_size=4).map(sorted))
def test_any_split_of_the_pictures_merges_to_the_same_result(name: str, cuts: list[int]):
    make, side = METRICS[name]
    target = torch.rand(PICTURES, 3, side, side, generator=generator(1))
    output = (target + 0.1 * torch.randn(target.shape, generator=generator(2))).clamp(0, 1)
    whole, merged = make(), make()
    for number in range(PICTURES):
        whole.update(output[number], target[number])
    for start, stop in pairwise([0, *cuts, PICTURES]):
        part = make()
        for number in range(start, stop):
            part.update(output[number], target[number])
        merged.merge(part)
    assert merged.result() == whole.result()


@pytest.mark.parametrize("name", METRICS)
def test_a_metric_says_what_it_is_and_nothing_when_it_has_seen_nothing(name: str):
    metric = METRICS[name][0]()
    assert isinstance(metric, Metric)
    assert metric.name == name and metric.better in ("higher", "lower")
    assert json.dumps([metric.name, metric.unit, metric.better])
    with pytest.raises(ValueError, match="no picture"):
        metric.result()
    with pytest.raises(ValueError, match="shapes differ"):
        metric.update(torch.zeros(3, 200, 200), torch.zeros(3, 200, 201))


@pytest.mark.parametrize("name", ["dtssd", "warping_error"])
def test_code_values_are_not_taken_for_numbers_between_0_and_1(name: str):
    metric, codes = METRICS[name][0](), torch.zeros(3, 32, 32, dtype=torch.uint8)
    metric.update(codes, codes)
    with pytest.raises(ValueError, match="floating-point pictures in"):
        metric.update(codes, codes)
