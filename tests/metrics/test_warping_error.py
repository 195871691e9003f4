"""The warping error in cases whose motion and value are known."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from vidwright.data.seeding import generator
from vidwright.metrics.warping_error import WarpingError, unoccluded, warping_error


def _constant_flow(dx: float, dy: float, height: int = 12, width: int = 16) -> Tensor:
    return torch.tensor([dx, dy], dtype=torch.float32)[:, None, None].expand(2, height, width).clone()


def _pan(frames: int, step: int = 3) -> list[Tensor]:
    coarse = torch.rand(1, 3, 14, 26, generator=generator(7))
    big = F.interpolate(coarse, (96, 192), mode="bicubic")[0].clamp(0, 1)
    return [big[:, :, step * number : step * number + 120] for number in range(frames)]


def test_opposite_flows_are_unoccluded_except_where_they_leave_the_picture():
    visible = unoccluded(_constant_flow(3, 0), _constant_flow(-3, 0))
    assert bool(visible[:, :13].all()) and not bool(visible[:, 13:].any())


def test_flows_that_do_not_return_are_occlusions_beyond_half_a_pixel():
    still = _constant_flow(0, 0)
    assert bool(unoccluded(still, _constant_flow(0.7, 0)).all())  # 0.49 <= 0.01 * 0.49 + 0.5
    assert not bool(unoccluded(still, _constant_flow(0.8, 0)).any())


def test_the_flow_back_is_read_where_the_flow_leads():
    backward = _constant_flow(-4, 0)
    backward[:, :, :4] = 0  # nothing arrives there
    assert bool(unoccluded(_constant_flow(4, 0), backward)[:, :12].all())


def test_motion_boundaries_are_not_measured():
    flow = _constant_flow(0, 0)
    flow[1, :, 8:] = 0.5  # small enough for the flows to cancel, but a step
    visible = unoccluded(flow, -flow)
    assert not bool(visible[:-1, 7:9].any()) and bool(visible[:-1, :7].all()) and bool(visible[:-1, 9:].all())


def test_only_visible_pixels_count():
    first, second = torch.zeros(3, 12, 16), torch.full((3, 12, 16), 0.5)
    visible = torch.zeros(12, 16, dtype=torch.bool)
    assert warping_error(first, second, _constant_flow(0, 0), visible) is None
    visible[2, 3] = True
    second[:, 2, 3] = 0.1
    assert warping_error(first, second, _constant_flow(0, 0), visible) == pytest.approx(0.01, rel=1e-5)
    first[:, 4, 5] = second[:, 6, 9]
    moved = torch.zeros(12, 16, dtype=torch.bool).index_put_((torch.tensor(4), torch.tensor(5)), torch.tensor(True))
    assert warping_error(first, second, _constant_flow(4, 2), moved) == pytest.approx(0, abs=1e-10)


def test_on_a_still_target_it_is_the_mean_squared_change_of_the_output():
    target, outputs = _pan(1)[0], torch.rand(3, 3, 96, 120, generator=generator(8))
    metric = WarpingError()
    for output in outputs:
        metric.update(output, target)
    assert metric.result() == pytest.approx((outputs[1:] - outputs[:-1]).square().mean().item(), rel=1e-5)


def test_motion_costs_nothing_and_flicker_its_square():
    steady, flickering, frozen = WarpingError(), WarpingError(), WarpingError()
    pan = _pan(4)
    for number, target in enumerate(pan):
        steady.update(target, target)
        flickering.update(target + 0.1 * (-1) ** number, target)
        frozen.update(pan[0], target)
    assert steady.result() < 1e-4
    assert flickering.result() == pytest.approx(0.04, rel=0.02)
    assert frozen.result() > 20 * steady.result()


def test_a_pair_of_which_nothing_is_seen_twice_is_left_out():
    metric, noise = WarpingError(), torch.rand(2, 3, 40, 40, generator=generator(9))
    metric.update(noise[0], torch.zeros(3, 40, 40))
    metric.update(noise[1], torch.zeros(3, 40, 40), cut=True)
    with pytest.raises(ValueError, match="no picture"):
        metric.result()
