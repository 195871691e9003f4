"""Upscalers of other projects, tiny and random: their tensors by their own names, and what they make of a picture.

Written from their papers in plain functions, as something else to compare the models and the loader with.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor
from torch.nn import functional as F

State = dict[str, Tensor]

#: Names of ESRGAN's layers in its first code, in BSRGAN's and in BasicSR's, of depth 2 and with two doublings.
ESRGAN = {
    "first": {
        "entry": "model.0",
        "dense": "model.1.sub.{}.RDB{}.conv{}.0",
        "trunk": "model.1.sub.2",
        "ups": ("model.3", "model.6"),
        "fine": "model.8",
        "exit": "model.10",
    },
    "bsrgan": {
        "entry": "conv_first",
        "dense": "RRDB_trunk.{}.RDB{}.conv{}",
        "trunk": "trunk_conv",
        "ups": ("upconv1", "upconv2"),
        "fine": "HRconv",
        "exit": "conv_last",
    },
    "basicsr": {
        "entry": "conv_first",
        "dense": "body.{}.rdb{}.conv{}",
        "trunk": "conv_body",
        "ups": ("conv_up1", "conv_up2"),
        "fine": "conv_hr",
        "exit": "conv_last",
    },
}


def esrgan(spelling: str = "basicsr", *, ups: int = 2, inputs: int = 3, channels: int = 6, growth: int = 4) -> State:
    """An ESRGAN of two blocks; in its first code the numbers of the last layers depend on those before."""
    names = esrgan_names(spelling, ups)
    kernels = {names["entry"]: (channels, inputs), names["trunk"]: (channels, channels)}
    kernels |= {names["fine"]: (channels, channels), names["exit"]: (3, channels)}
    kernels |= {name: (channels, channels) for name in names["ups"]}
    for block in (0, 1):
        for dense in (1, 2, 3):
            for n in range(5):
                width = channels if n == 4 else growth
                kernels[names["dense"].format(block, dense, n + 1)] = (width, channels + n * growth)
    return _random({name: (*shape, 3, 3) for name, shape in kernels.items()})


def esrgan_names(spelling: str, ups: int) -> dict:
    names = dict(ESRGAN[spelling], ups=ESRGAN[spelling]["ups"][:ups])
    if spelling == "first":
        names |= {"fine": f"model.{3 * ups + 2}", "exit": f"model.{3 * ups + 4}"}
    return names


def run_esrgan(state: State, x: Tensor, spelling: str = "basicsr", *, ups: int = 2, unshuffle: int = 1) -> Tensor:
    names = esrgan_names(spelling, ups)

    def act(x: Tensor) -> Tensor:
        return torch.where(x > 0, x, 0.2 * x)

    y = entry = _conv(state, names["entry"], F.pixel_unshuffle(x, unshuffle))
    for block in (0, 1):
        before = y
        for dense in (1, 2, 3):
            kept = [y]
            for n in range(1, 5):
                kept.append(act(_conv(state, names["dense"].format(block, dense, n), torch.cat(kept, 1))))
            y = y + 0.2 * _conv(state, names["dense"].format(block, dense, 5), torch.cat(kept, 1))
        y = before + 0.2 * y
    y = entry + _conv(state, names["trunk"], y)
    for name in names["ups"]:
        y = act(_conv(state, name, y.repeat_interleave(2, -1).repeat_interleave(2, -2)))
    return _conv(state, names["exit"], act(_conv(state, names["fine"], y)))


def compact(*, scale: int = 2, channels: int = 5, depth: int = 3) -> State:
    shapes = {f"body.{2 * n}": (channels, 3 if n == 0 else channels, 3, 3) for n in range(depth + 1)}
    shapes[f"body.{2 * depth + 2}"] = (3 * scale**2, channels, 3, 3)
    slopes = {f"body.{2 * n + 1}.weight": torch.rand(channels) for n in range(depth + 1)}
    return _random(shapes) | slopes


def run_compact(state: State, x: Tensor, *, scale: int = 2) -> Tensor:
    y = x
    for n in range(len([name for name in state if name.endswith("bias")]) - 1):
        y = _conv(state, f"body.{2 * n}", y)
        y = y.clamp(min=0) + state[f"body.{2 * n + 1}.weight"][:, None, None] * y.clamp(max=0)
    last = max(int(name.split(".")[1]) for name in state)
    y = F.pixel_shuffle(_conv(state, f"body.{last}", y), scale)
    return y + x.repeat_interleave(scale, -1).repeat_interleave(scale, -2)


def span(*, scale: int = 2, channels: int = 4, branched: bool = True, centred: bool = True) -> State:
    shapes = {"conv_cat": (channels, 4 * channels, 1, 1), "upsampler.0": (3 * scale**2, channels, 3, 3)}
    for name in ("conv_1", "conv_2", *(f"block_{block}.c{n}_r" for block in range(1, 7) for n in (1, 2, 3))):
        inputs = 3 if name == "conv_1" else channels
        shapes[f"{name}.eval_conv"] = (channels, inputs, 3, 3)  # out of date where there are branches
        if branched:
            shapes[f"{name}.sk"] = (channels, inputs, 1, 1)
            shapes[f"{name}.conv.0"] = (2 * inputs, inputs, 1, 1)
            shapes[f"{name}.conv.1"] = (2 * channels, 2 * inputs, 3, 3)
            shapes[f"{name}.conv.2"] = (channels, 2 * channels, 1, 1)
    return _random(shapes) | ({} if centred else {"no_norm": torch.zeros(1)})


def run_span(state: State, x: Tensor, *, scale: int = 2) -> Tensor:
    """As in training, where the branches are computed each by itself."""

    def conv(name: str, x: Tensor) -> Tensor:
        if f"{name}.sk.weight" not in state:
            return _conv(state, f"{name}.eval_conv", x)
        wide = _conv(state, f"{name}.conv.0", F.pad(x, (1, 1, 1, 1)))
        inner = F.conv2d(wide, state[f"{name}.conv.1.weight"], state[f"{name}.conv.1.bias"])
        return _conv(state, f"{name}.conv.2", inner) + _conv(state, f"{name}.sk", x)

    if "no_norm" not in state:
        x = (x - torch.tensor([0.4488, 0.4371, 0.4040])[:, None, None]) * 255
    entry = y = conv("conv_1", x)
    made: list[Tensor] = []
    for block in range(1, 7):
        inside = F.silu(conv(f"block_{block}.c1_r", y))
        out = conv(f"block_{block}.c3_r", F.silu(conv(f"block_{block}.c2_r", inside)))
        y = (out + y) * (torch.sigmoid(out) - 0.5)
        made.append(y)
    parts = torch.cat([entry, conv("conv_2", y), made[0], inside], 1)
    return F.pixel_shuffle(_conv(state, "upsampler.0", _conv(state, "conv_cat", parts)), scale)


def write(path: Path, state: Mapping[str, Tensor], change: Callable[[str], str] = str) -> Path:
    """Write a file as other projects do, without a card; `change` renames."""
    save_file({change(name): tensor.contiguous() for name, tensor in state.items()}, path)
    return path


def _conv(state: State, name: str, x: Tensor) -> Tensor:
    kernel = state[f"{name}.weight"]
    return F.conv2d(x, kernel, state[f"{name}.bias"], padding=kernel.shape[-1] // 2)


def _random(shapes: Mapping[str, tuple[int, ...]]) -> State:
    """Kernels that keep numbers at about their size, and biases."""
    random = torch.Generator().manual_seed(sum(map(len, shapes)))
    state: State = {}
    for name, shape in shapes.items():
        fan = shape[1] * shape[2] * shape[3]
        state[f"{name}.weight"] = torch.randn(shape, generator=random) * fan**-0.5
        state[f"{name}.bias"] = torch.randn(shape[0], generator=random) * 0.1
    return state
