"""Families of upscalers that others publish weights of: each found, with all its sizes, in names and shapes alone.

A family is a function of the shapes of a file's tensors by their names. It returns None if they are not its own, and
raises `Unfit` if they look like it and are not: a tensor missing, one too many or of another size, a gap in numbers,
channels that make no picture. What it returns therefore needs no more memory than the file.

Kernels are OIHW.
"""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

Shape = tuple[int, ...]
Shapes = Mapping[str, Shape]
Tensors = dict[str, Tensor]
Spellings = Mapping[str, Callable[[re.Match[str]], str | None]]

KINDS = ("weight", "bias")

#: Channels into ESRGAN: of a picture, or of one that is folded by a factor first.
UNSHUFFLE = {3: 1, 12: 2, 48: 4}

#: Dense blocks of a block of ESRGAN, and convolutions of a dense block.
ESRGAN_DENSE, ESRGAN_CONVS = 3, 5

#: Kernels of SPAN that have branches in training, and those that have none: our names, and the file's.
SPAN_KERNELS = {
    "entry": "conv_1",
    **{f"blocks.{block}.convs.{n}": f"block_{block + 1}.c{n + 1}_r" for block in range(6) for n in range(3)},
    "last": "conv_2",
}
SPAN_PLAIN = {"merge": "conv_cat", "exit": "upsampler.0"}

#: Whether the mean is taken off a picture is the one thing in SPAN that no shape tells, so that a tensor of this name
#: says that it is not. Where it is, values go to 255 as well.
SPAN_UNCENTRED = "no_norm"
SPAN_RANGE = 255


class Unfit(Exception):
    """Why a file is not of the family that it looks like; a clause that begins with "it" or "its"."""


@dataclass(frozen=True, slots=True)
class Found:
    """A network in a file: the model here, its config, and how the file's tensors become those of the model."""

    model: str
    config: dict[str, Any]
    convert: Callable[[Tensors], Tensors]


def esrgan(shapes: Shapes) -> Found | None:
    """ESRGAN in the spellings of its first code, of BSRGAN, and of BasicSR, which is also Real-ESRGAN's."""
    if not any(re.search(r"\.(rdb|RDB)1\.conv1\.", name) for name in shapes):
        return None
    counted = _counted(shapes)
    spellings: Spellings = {
        r"conv_first|model\.0": lambda m: "entry",
        r"(?:body|RRDB_trunk|model\.1\.sub)\.(\d{1,4})\.(?:rdb|RDB)([123])\.conv([1-5])(?:\.0)?": lambda m: (
            f"blocks.{m[1]}.dense.{int(m[2]) - 1}.convs.{int(m[3]) - 1}"
        ),
        r"conv_body|trunk_conv|model\.1\.sub\.\d{1,4}": lambda m: "trunk",
        r"(?:conv_up|upconv)([1-4])": lambda m: f"ups.{int(m[1]) - 1}",
        r"conv_hr|HRconv": lambda m: "fine",
        r"conv_last": lambda m: "exit",
        r"model\.(\d{1,2})": lambda m: counted.get(m[1]),
    }
    names = _renamed(shapes, spellings)
    (channels, inputs), (outputs, _) = _kernel(shapes, names, "entry"), _kernel(shapes, names, "exit")
    if inputs not in UNSHUFFLE or outputs != 3:
        raise Unfit(f"it makes {outputs} channels from {inputs}, and a picture has 3")
    doublings = _numbers(names, r"ups\.(\d{1,4})\..*")
    scale, rest = divmod(2**doublings, UNSHUFFLE[inputs])
    if rest:
        raise Unfit("it makes pictures smaller")
    growth, depth = _kernel(shapes, names, "blocks.0.dense.0.convs.0")[0], _numbers(names, r"blocks\.(\d{1,4})\..*")
    _fit(shapes, names, _esrgan_kernels(inputs, channels, growth, depth, doublings))
    config = {"scale": scale, "unshuffle": UNSHUFFLE[inputs], "channels": channels, "growth": growth, "depth": depth}
    return Found("enhance/esrgan", config, lambda tensors: {ours: tensors[theirs] for ours, theirs in names.items()})


def _esrgan_kernels(inputs: int, channels: int, growth: int, depth: int, doublings: int) -> dict[str, Shape]:
    """The kernels of an ESRGAN of those sizes; those of a dense block see the input and what all before them made."""
    kernels = {"entry": (channels, inputs, 3, 3), "exit": (3, channels, 3, 3)}
    kernels |= dict.fromkeys(("trunk", "fine", *(f"ups.{n}" for n in range(doublings))), (channels, channels, 3, 3))
    for block, dense in itertools.product(range(depth), range(ESRGAN_DENSE)):
        for n, outputs in enumerate([growth] * (ESRGAN_CONVS - 1) + [channels]):
            kernels[f"blocks.{block}.dense.{dense}.convs.{n}"] = (outputs, channels + n * growth, 3, 3)
    return kernels


def _counted(shapes: Shapes) -> dict[str, str]:
    """Names of what follows the trunk where layers are only counted, those without tensors as well.

    A doubling is three layers, of which the second is a convolution; after all of them come a convolution, its
    activation and the last convolution. A tripling would look like one doubling; none is known to be published.
    """
    numbers = sorted(int(m[1]) for name in shapes if (m := re.fullmatch(r"model\.([1-9][0-9]?)\.weight", name)))
    doublings = len(numbers) - 2
    places = [*range(3, 3 * doublings + 1, 3), 3 * doublings + 2, 3 * doublings + 4]
    if numbers != places:
        return {}
    return dict(zip(map(str, places), [*(f"ups.{n}" for n in range(doublings)), "fine", "exit"], strict=True))


def compact(shapes: Shapes) -> Found | None:
    """Compact: convolutions and parametric rectifiers in turns, counted together."""
    if len(shapes.get("body.0.weight", ())) != 4:
        return None
    if len(shapes.get("body.1.weight", ())) != 1:
        raise Unfit("its activations have no parameters, so there is no telling which they are")
    spellings: Spellings = {r"body\.(\d{1,4})": lambda m: f"{('convs', 'acts')[int(m[1]) % 2]}.{int(m[1]) // 2}"}
    names = _renamed(shapes, spellings)
    depth = _numbers(names, r"convs\.(\d{1,4})\..*") - 2
    (channels, inputs), (outputs, _) = _kernel(shapes, names, "convs.0"), _kernel(shapes, names, f"convs.{depth + 1}")
    wanted: dict[str, Shape] = {"convs.0": (channels, inputs, 3, 3), f"convs.{depth + 1}": (outputs, channels, 3, 3)}
    wanted |= {f"convs.{n}": (channels, channels, 3, 3) for n in range(1, depth + 1)}
    _fit(shapes, names, wanted, scales={f"acts.{n}": (channels,) for n in range(depth + 1)})
    config = {"scale": _scale(outputs, inputs), "channels": channels, "depth": depth}
    return Found("enhance/compact", config, lambda tensors: {ours: tensors[theirs] for ours, theirs in names.items()})


def span(shapes: Shapes) -> Found | None:
    """SPAN with the branches that its kernels have in training, with the kernels that they amount to, or with both."""
    if not any(name.startswith("block_1.c1_r.") for name in shapes):
        return None
    branched = "conv_1.sk.weight" in shapes
    idle = [f"{theirs}.eval_conv.{kind}" for theirs in SPAN_KERNELS.values() for kind in KINDS if branched]
    names = {name: name for name in shapes if name not in (*idle, SPAN_UNCENTRED)}
    _fit(shapes, names, _span_kernels(shapes, branched))
    outputs, channels = shapes["upsampler.0.weight"][:2]
    centred = SPAN_UNCENTRED not in shapes
    config = {"scale": _scale(outputs, 3), "channels": channels, "centred": centred}

    def convert(tensors: Tensors) -> Tensors:
        made = {f"{ours}.{kind}": tensors[f"{theirs}.{kind}"] for ours, theirs in SPAN_PLAIN.items() for kind in KINDS}
        for ours, theirs in SPAN_KERNELS.items():
            summed = _sum_of_branches(tensors, theirs) if branched else _pair(tensors, f"{theirs}.eval_conv")
            made |= zip((f"{ours}.weight", f"{ours}.bias"), summed, strict=True)
        if centred:
            made["entry.weight"] = made["entry.weight"] * SPAN_RANGE
        return {name: tensor.float() for name, tensor in made.items()}

    return Found("enhance/span", config, convert)


def _span_kernels(shapes: Shapes, branched: bool) -> dict[str, Shape]:
    """The kernels of a SPAN of which the first and the last are those of `shapes`.

    Branches are a 1x1 kernel, and beside it kernels of 1x1, 3x3 and 1x1 that are a few times wider.
    """
    first = shapes.get("conv_1.sk.weight" if branched else "conv_1.eval_conv.weight", ())
    last = shapes.get("upsampler.0.weight", ())
    if len(first) != 4 or first[1] != 3 or len(last) != 4:
        raise Unfit("its first kernel is not for pictures of 3 channels, or its last is missing")
    channels = first[0]
    gain = max(*shapes.get("conv_1.conv.0.weight", ()), 3, 3) // 3
    kernels: dict[str, Shape] = {"conv_cat": (channels, 4 * channels, 1, 1), "upsampler.0": (last[0], channels, 3, 3)}
    for theirs in SPAN_KERNELS.values():
        inputs = 3 if theirs == SPAN_KERNELS["entry"] else channels
        if branched:
            kernels |= {
                f"{theirs}.sk": (channels, inputs, 1, 1),
                f"{theirs}.conv.0": (gain * inputs, inputs, 1, 1),
                f"{theirs}.conv.1": (gain * channels, gain * inputs, 3, 3),
                f"{theirs}.conv.2": (channels, gain * channels, 1, 1),
            }
        else:
            kernels[f"{theirs}.eval_conv"] = (channels, inputs, 3, 3)
    return kernels


def _sum_of_branches(tensors: Tensors, name: str) -> tuple[Tensor, Tensor]:
    """The 3x3 kernel and bias that the branches of a convolution amount to, in fp64."""
    skip, skip_bias = _pair(tensors, f"{name}.sk")
    widen, widen_bias = _pair(tensors, f"{name}.conv.0")
    kernel, kernel_bias = _pair(tensors, f"{name}.conv.1")
    narrow, narrow_bias = _pair(tensors, f"{name}.conv.2")
    weight = torch.einsum("on,nmxy,mi->oixy", narrow[:, :, 0, 0], kernel, widen[:, :, 0, 0])
    weight[:, :, 1, 1] += skip[:, :, 0, 0]
    bias = narrow[:, :, 0, 0] @ (torch.einsum("nmxy,m->n", kernel, widen_bias) + kernel_bias)
    return weight, bias + narrow_bias + skip_bias


def _pair(tensors: Tensors, name: str) -> tuple[Tensor, Tensor]:
    return tensors[f"{name}.weight"].double(), tensors[f"{name}.bias"].double()


def _renamed(shapes: Shapes, spellings: Spellings) -> dict[str, str]:
    """The names of the file's tensors by our names. Raises `Unfit` for one that no spelling has, or two have."""
    names: dict[str, str] = {}
    for theirs in shapes:
        stem, _, kind = theirs.rpartition(".")
        matches = (make(m) for spelling, make in spellings.items() if (m := re.fullmatch(spelling, stem, re.ASCII)))
        ours = next(matches, None)
        if ours is None or f"{ours}.{kind}" in names:
            raise Unfit(f"it has no place for tensor {theirs[:60]!r}")
        names[f"{ours}.{kind}"] = theirs
    return names


def _fit(
    shapes: Shapes, names: Mapping[str, str], kernels: Mapping[str, Shape], *, scales: Shapes | None = None
) -> None:
    """Raise `Unfit` unless the tensors named are `kernels`, a bias for each of them, and `scales` without one."""
    wanted = {f"{name}.weight": shape for name, shape in (*kernels.items(), *(scales or {}).items())}
    wanted |= {f"{name}.bias": shape[:1] for name, shape in kernels.items()}
    if odd := sorted(names.keys() ^ wanted.keys()):
        raise Unfit(f"it has {'no place for' if odd[0] in names else 'no'} tensor {names.get(odd[0], odd[0])[:60]!r}")
    for ours, shape in wanted.items():
        if shapes[names[ours]] != shape:
            raise Unfit(f"its tensor {names[ours]!r} is {shapes[names[ours]]} and not {shape}")


def _kernel(shapes: Shapes, names: Mapping[str, str], ours: str) -> tuple[int, int]:
    """Channels out of a convolution and into it."""
    shape = shapes.get(names.get(f"{ours}.weight", ""), ())
    if len(shape) != 4:
        raise Unfit(f"it has no kernel for {ours!r}")
    return shape[0], shape[1]


def _numbers(names: Mapping[str, str], pattern: str) -> int:
    """How many layers the one group of a pattern numbers, from 0 on without a gap."""
    numbers = {int(m[1]) for name in names if (m := re.fullmatch(pattern, name))}
    if numbers and max(numbers) != len(numbers) - 1:
        raise Unfit(f"it has {len(numbers)} of {max(numbers) + 1} layers that it counts")
    return len(numbers)


def _scale(outputs: int, inputs: int) -> int:
    """The scale of a picture of three channels that lies folded in `outputs`."""
    scale = math.isqrt(outputs // 3)
    if inputs != 3 or 3 * scale**2 != outputs:
        raise Unfit(f"it makes {outputs} channels from {inputs}, which are not those of pictures")
    return scale


FAMILIES: dict[str, Callable[[Shapes], Found | None]] = {"ESRGAN": esrgan, "Compact": compact, "SPAN": span}
