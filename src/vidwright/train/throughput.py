"""How much arithmetic a step is, and how much of it this machine can do at all.

A training step is measured against a bare loop: its own convolutions, forward and backward, of the same shapes and
dtype, one after the other with nothing around them. Two rates are given for each. By the clock is what the user waits
for. Per second of processor time, times the threads, is what the clock would have shown had every thread had a core to
itself and never waited: it is the one to compare on a machine that others use too.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode

#: Seconds that a rate is measured for.
MEASURED = 2.0
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


@dataclass(frozen=True, slots=True)
class Convolution:
    """One convolution of a step: the shapes it was called with, its arithmetic, and how ATen names the rest.

    `options` are stride, padding, dilation, transposed, output padding and groups; `wanted` the gradients of input,
    kernel and bias that were asked for.
    """

    gradient: tuple[int, ...]
    inputs: tuple[int, ...]
    kernel: tuple[int, ...]
    options: tuple[Any, ...]
    wanted: tuple[bool, bool, bool]
    dtype: torch.dtype
    device: torch.device


class _Convolutions(TorchDispatchMode):
    """Notes every convolution that is gone back through."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[Convolution] = []

    def __torch_dispatch__(  # pyright: ignore[reportIncompatibleMethodOverride]
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        if func is torch.ops.aten.convolution_backward.default:
            gradient, inputs, kernel, _, *options, wanted = args
            self.found.append(
                Convolution(
                    gradient=tuple(gradient.shape),
                    inputs=tuple(inputs.shape),
                    kernel=tuple(kernel.shape),
                    options=tuple(options),
                    wanted=(bool(wanted[0]), bool(wanted[1]), False),  # a bias is no arithmetic worth counting
                    dtype=gradient.dtype,
                    device=gradient.device,
                )
            )
        return func(*args, **(kwargs or {}))


def convolutions_of(step: Callable[[], object]) -> list[Convolution]:
    """The convolutions of one call of `step` that it goes back through, in the order of the way back."""
    with _Convolutions() as noted:
        step()
    return noted.found


def bare_loop(convolutions: Sequence[Convolution]) -> Callable[[], None]:
    """A step that does these convolutions, forward and backward, on noise: no data, no activations, no optimiser.

    Everything is channels_last, the layout in which a CPU is fastest.
    """
    random = torch.Generator().manual_seed(0)

    def noise(shape: Sequence[int], like: Convolution) -> Tensor:
        layouts = {4: torch.channels_last, 5: torch.channels_last_3d}
        x = torch.randn(shape, generator=random).to(like.device, like.dtype)
        return x.contiguous(memory_format=layouts.get(len(shape), torch.contiguous_format))

    calls = [tuple(noise(shape, c) for shape in (c.gradient, c.inputs, c.kernel)) for c in convolutions]

    @torch.no_grad()
    def step() -> None:
        for (gradient, inputs, kernel), c in zip(calls, convolutions, strict=True):
            torch.ops.aten.convolution(inputs, kernel, None, *c.options)
            torch.ops.aten.convolution_backward(gradient, inputs, kernel, None, *c.options, c.wanted)

    return step


def speed_of(step: Callable[[], object], *, device: torch.device | str = "cpu", seconds: float = MEASURED) -> Speed:
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


def peak_flops(step: Callable[[], object], *, seconds: float = MEASURED) -> float | None:
    """FLOP per second, by the clock, of the `bare_loop` of a training step's convolutions; None when it has none."""
    convolutions = convolutions_of(step)
    if not convolutions:
        return None
    return speed_of(bare_loop(convolutions), device=convolutions[0].device, seconds=seconds).clock
