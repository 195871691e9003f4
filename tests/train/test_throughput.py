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

from vidwright.models.enhance.restorer import Config, Net
from vidwright.train.environment import environment
from vidwright.train.throughput import bare_loop, flops_of, peak_flops, speed_of

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
    """x2-fast at batch 2 and 6x5, but for the small products that sum its kernels from their branches."""
    net = Net(Config())
    x_BTCHW = torch.rand(B, 3, 3, H, W)
    widths = [conv.inputs for conv in net.convs] + [net.convs[-1].outputs]  # type: ignore[union-attr]
    assert widths == [9, 32, 32, 32, 12]

    def step() -> None:
        with torch.autocast("cpu", torch.bfloat16):
            loss = net(x_BTCHW).mean()
        loss.backward()

    kernels = flops_of(lambda: sum(conv.weight.sum() for conv in net.convs).backward())  # type: ignore[union-attr]
    bare = flops_of(bare_loop(widths, batch=B, height=H, width=W))
    assert flops_of(step) - kernels == bare > 0


def test_the_bare_loop_learns_nothing_and_leaves_nothing():
    """The same gradients at every call: it neither updates nor accumulates."""
    found: list[list[Tensor]] = []
    step = bare_loop((3, 4, 2), batch=1, height=4, width=4, dtype=torch.float32)
    net = next(cell.cell_contents for cell in step.__closure__ or () if isinstance(cell.cell_contents, nn.Module))
    for _ in range(2):
        step()
        found.append([p.grad.clone() for p in net.parameters() if p.grad is not None])
    assert len(found[0]) == 2 and all(torch.equal(a, b) for a, b in zip(*found, strict=True))


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
    a = torch.rand(8, 8)
    speed = speed_of(lambda: a @ a, seconds=4.0)  # 0.4 s a window: four calls
    assert speed.clock == pytest.approx(4 * 1024 / 0.1)
    assert speed.processor == pytest.approx(torch.get_num_threads() * 4 * 1024 / 0.3)


def test_a_peak_is_found():
    assert peak_flops((3, 8, 3), batch=1, height=8, width=8, seconds=0.02) > 0


def test_the_environment_says_what_ran_and_not_where():
    found = environment()
    assert found["torch"] == torch.__version__ and found["python"] == platform.python_version()
    assert int(found["cores"]) >= 1 and int(found["threads"]) == torch.get_num_threads()
    assert int(found.get("memory", 2**30)) > 2**28
    text = json.dumps(found)
    assert not {platform.node(), getpass.getuser()} & {str(value) for value in found.values()}
    assert str(Path.home()) not in text and str(Path.cwd()) not in text
