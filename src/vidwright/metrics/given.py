"""Networks that measure, with the weights that the user gives: none of them is ours to ship."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from torch import nn

from vidwright.core.errors import ModelRefused

_NEXT = "docs/metrics.md says how to make the file"


def load_given(net: nn.Module, weights: Path | None, *, metric: str) -> None:
    """Fill `net` from a safetensors file whose names and shapes are those of its state dict, ready to measure.

    Raises `ModelRefused` without a file (the figure is then not measured: nothing else goes by its name), when it
    is not safetensors, and when a tensor is missing, superfluous, of another shape or not finite.
    """
    if weights is None:
        raise ModelRefused(metric, "not measured: the weights of its network are not given", _NEXT)
    try:
        with safe_open(weights, framework="pt") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dict)
    except (SafetensorError, OSError) as error:
        raise ModelRefused(weights, f"it cannot be read as safetensors ({error})", _NEXT) from error
    wanted = net.state_dict()
    if differing := sorted(wanted.keys() ^ tensors.keys()):
        kind = "is missing" if differing[0] in wanted else "is none of the network's"
        raise ModelRefused(weights, f"tensor {differing[0]!r} {kind}", _NEXT)
    for name, tensor in tensors.items():
        if tensor.shape != wanted[name].shape:
            cause = f"tensor {name!r} is {tuple(tensor.shape)}, {metric} has {tuple(wanted[name].shape)}"
            raise ModelRefused(weights, cause, _NEXT)
        if tensor.is_floating_point() and not bool(torch.isfinite(tensor).all()):
            raise ModelRefused(weights, f"tensor {name!r} holds values that are not finite", _NEXT)
    net.load_state_dict(tensors)
    net.eval().requires_grad_(False)
