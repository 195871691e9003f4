"""Arithmetic is counted as by hand, whatever the dtype and layout, and the bare loop is what it says."""

from __future__ import annotations

import getpass
import json
import platform
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vidwright.train.environment import environment
from vidwright.train.throughput import bare_loop, convolutions_of, flops_of, peak_flops, speed_of

B, H, W = 2, 6, 5


def convolution(inputs: int, outputs: int, *, groups: int = 1, kernel: int = 9) -> int:
    """Forward pass of one convolution: two operations for each tap, input of the group, output and position."""
    return 2 * B * H * W * kernel * (inputs // groups) * outputs


@pytest.mark.parametrize("autocast", [False, True], ids=["fp32", "bf16"])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last], ids=["NCHW", "NHWC"])
def test_a_step_counts_as_by_hand(autocast: bool, layout: torch.memory_format):
    net = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.LeakyReLU(), nn.Conv2d(8, 4, 3, padding=1))
    net = net.to(memory_format=layout)
    x = torch.rand(B, 3, H, W).to(memory_format=layout)

    def step() -> None:
        with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
            loss = net(x).square().mean()
        loss.backward()

    first, second = convolution(3, 8), convolution(8, 4)
    # Backward: to the kernels of both, and to the input of the second alone, since pictures need no gradient.
    assert flops_of(step) == first + second + (first + second) + second


def test_grouped_transposed_and_pointwise_convolutions_count_right():
    x = torch.rand(B, 8, H, W, requires_grad=True)
    grouped, pointwise = torch.rand(8, 2, 3, 3, requires_grad=True), torch.rand(4, 8, 1, 1, requires_grad=True)
    upwards = torch.rand(8, 4, 2, 2, requires_grad=True)

    def three_times(forward: Callable[[], Tensor]) -> int:
        """Operations of forward and both gradients, a third of them."""
        whole = flops_of(lambda: forward().sum().backward())
        assert whole % 3 == 0 and flops_of(forward) == whole // 3
        return whole // 3

    assert three_times(lambda: F.conv2d(x, grouped, padding=1, groups=4)) == convolution(8, 8, groups=4)
    assert three_times(lambda: F.conv2d(x, pointwise)) == convolution(8, 4, kernel=1)
    assert three_times(lambda: F.conv_transpose2d(x, upwards, stride=2)) == convolution(8, 4, kernel=4)


def test_matrix_products_count_and_sums_do_not():
    a, b = torch.rand(4, 5, 6), torch.rand(4, 6, 7)
    assert flops_of(lambda: torch.einsum("bij,bjk->bik", a, b)) == 2 * 4 * 5 * 6 * 7
    assert flops_of(lambda: (a + 1).exp().sum()) == 0


def test_the_bare_loop_is_the_networks_own_arithmetic():
    """Of an upscaler at batch 2 and 6x5."""
    net = nn.Sequential(*(nn.Conv2d(i, o, 3, padding=1) for i, o in ((9, 32), (32, 32), (32, 32), (32, 12))))
    x_BCHW = torch.rand(B, 9, H, W)

    def step() -> None:
        with torch.autocast("cpu", torch.bfloat16):
            loss = net(x_BCHW).mean()
        loss.backward()

    found = convolutions_of(step)
    assert [c.kernel for c in found] == [(12, 32, 3, 3), (32, 32, 3, 3), (32, 32, 3, 3), (32, 9, 3, 3)]
    assert {c.dtype for c in found} == {torch.bfloat16}
    assert [c.wanted[0] for c in found] == [True, True, True, False]
    assert flops_of(step) == flops_of(bare_loop(found)) > 0


@pytest.mark.parametrize(
    "net",
    [
        nn.Conv2d(4, 6, 3, stride=2, padding=1, dilation=2, groups=2),
        nn.ConvTranspose2d(4, 6, 4, stride=2, padding=1),
        nn.Conv3d(4, 6, (1, 3, 3)),
        nn.Conv1d(4, 6, 3),
    ],
    ids=lambda net: type(net).__name__,
)
def test_the_bare_loop_does_any_convolution(net):
    x = torch.rand(B, 4, *[7] * (net.weight.ndim - 2), requires_grad=True)

    def step() -> None:
        net(x).square().mean().backward()

    assert flops_of(bare_loop(convolutions_of(step))) == flops_of(step) > 0


def test_without_convolutions_there_is_no_peak():
    dense = nn.Linear(3, 3)
    assert peak_flops(lambda: dense(torch.rand(2, 3)).sum().backward()) is None


def test_speeds_are_operations_over_time(monkeypatch: pytest.MonkeyPatch):
    """A clock that advances 0.1 s at each look, and processor time 0.3 s: the rates follow from them alone."""
    ticks = {"perf_counter": 0.0, "process_time": 0.0}

    def clock(name: str, pace: float):
        def look() -> float:
            ticks[name] += pace
            return ticks[name]

        return look

    monkeypatch.setattr("vidwright.train.throughput.time.perf_counter", clock("perf_counter", 0.1))
    monkeypatch.setattr("vidwright.train.throughput.time.process_time", clock("process_time", 0.3))
    monkeypatch.setattr(torch, "get_num_threads", lambda: 3)
    a = torch.rand(8, 8)
    speed = speed_of(lambda: a @ a, seconds=4.0)  # 0.4 s a window: four calls
    assert speed.clock == pytest.approx(4 * 1024 / 0.1)
    assert speed.processor == pytest.approx(3 * 4 * 1024 / 0.3)


def test_a_peak_is_found():
    net = nn.Conv2d(3, 8, 3)
    peak = peak_flops(lambda: net(torch.rand(1, 3, 8, 8)).sum().backward(), seconds=0.02)
    assert peak is not None and peak > 0


def test_the_environment_says_what_ran_and_not_where():
    found = environment()
    assert found["torch"] == torch.__version__ and found["python"] == platform.python_version()
    assert int(found["cores"]) >= 1 and int(found["threads"]) == torch.get_num_threads()
    assert int(found.get("memory", 2**30)) > 2**28
    text = json.dumps(found)
    assert not {platform.node(), getpass.getuser()} & {str(value) for value in found.values()}
    assert str(Path.home()) not in text and str(Path.cwd()) not in text
