"""How much arithmetic a step is, and how much of it this machine can do at all.

A training step is measured against a bare loop: plain 3x3 convolutions of the same widths, forward and backward, with
nothing around them. Two rates are given for each. By the clock is what the user waits for. Per second of processor
time, times the threads, is what the clock would have shown had every thread had a core to itself and never waited:
it is the one to compare on a machine that others use too.

Shapes: B batch, C channels, H height, W width.
"""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

#: Windows the measured time is divided into; the best of them counts, because others can only make it slower.
_WINDOWS = 10


@dataclass(frozen=True, slots=True)
class Speed:
    """FLOP per second: by the `clock`, and by the `processor` time of the process times its threads.

    On an accelerator the processor only hands out the work, and both are by the clock.
    """

    clock: float
    processor: float


def flops_of(step: Callable[[], object]) -> int:
    """Floating-point operations of one call of `step`, forward and backward; a multiplication and an addition are two.

    Matrix products, convolutions and attention count, whatever their dtype and layout; what works element by element
    (activations, losses, optimisers) does not, which is the field's custom. Runs `step` once.
    """
    with FlopCounterMode(
        display=False, custom_mapping={torch.ops.aten.convolution_backward: _backward_flops}
    ) as counter:
        step()
    return int(counter.get_total_flops())


def _backward_flops(
    gradient: Sequence[int],
    inputs: Sequence[int],
    kernel: Sequence[int],
    bias: object,
    stride: object,
    padding: object,
    dilation: object,
    transposed: bool,
    output_padding: object,
    groups: int,
    wanted: Sequence[bool],
    **_: object,
) -> int:
    """To the input and to the kernel alike, as much as forward; torch 2.13 counts the kernel's `groups` times.

    The arguments are shapes in the order of `aten::convolution_backward`; `wanted` says which gradients it makes.
    """
    positions = inputs if transposed else gradient
    return sum(wanted[:2]) * 2 * math.prod(positions) * math.prod(kernel[1:])


def bare_loop(
    widths: Sequence[int],
    *,
    batch: int,
    height: int,
    width: int,
    dtype: torch.dtype = torch.bfloat16,
    device: torch.device | str = "cpu",
) -> Callable[[], None]:
    """One forward and backward pass of a chain of 3x3 convolutions: no data, no activations, no loss, no optimiser.

    `widths` are the channels from the input to the output, (9, 32, 32, 32, 12) for `restorer:x2-fast`; pictures are
    (batch, C, height, width), channels_last. As in training, the input itself gets no gradient.
    """
    random = torch.Generator().manual_seed(0)

    def pictures(channels: int) -> Tensor:
        x_BCHW = torch.randn(batch, channels, height, width, generator=random)
        return x_BCHW.to(torch.device(device), dtype, memory_format=torch.channels_last)

    convs = [nn.Conv2d(i, o, 3, padding=1, bias=False) for i, o in itertools.pairwise(widths)]
    net = nn.Sequential(*convs).to(device, dtype).to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
    x_BCHW, gradient_BCHW = pictures(widths[0]), pictures(widths[-1])

    def step() -> None:
        net.zero_grad(set_to_none=True)
        net(x_BCHW).backward(gradient_BCHW)

    return step


def speed_of(step: Callable[[], object], *, device: torch.device | str = "cpu", seconds: float = 2.0) -> Speed:
    """The best `Speed` of `step` in windows that fill about `seconds`, after two calls that warm up."""
    kind = torch.device(device).type
    flops = flops_of(step)
    step()
    count = max(1, round(seconds / _WINDOWS / _timed(step, 1, kind)[0]))
    windows = [_timed(step, count, kind) for _ in range(_WINDOWS)]
    clock = count * flops / min(taken for taken, _ in windows)
    if kind != "cpu":
        return Speed(clock, clock)
    return Speed(clock, torch.get_num_threads() * count * flops / min(used for _, used in windows))


def _timed(step: Callable[[], object], count: int, kind: str) -> tuple[float, float]:
    """Seconds by the clock and of the processor for `count` steps; never zero, which a coarse clock may show."""
    began, used = time.perf_counter(), time.process_time()
    for _ in range(count):
        step()
    if kind == "cuda":
        torch.cuda.synchronize()
    return max(time.perf_counter() - began, 1e-9), max(time.process_time() - used, 1e-9)


def peak_flops(
    widths: Sequence[int],
    *,
    batch: int,
    height: int,
    width: int,
    dtype: torch.dtype = torch.bfloat16,
    device: torch.device | str = "cpu",
    seconds: float = 2.0,
) -> float:
    """FLOP per second, by the clock, of the `bare_loop` of the same arguments: this machine's peak for such widths."""
    step = bare_loop(widths, batch=batch, height=height, width=width, dtype=dtype, device=device)
    return speed_of(step, device=device, seconds=seconds).clock
