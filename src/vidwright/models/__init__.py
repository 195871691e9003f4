"""The models: one file each, found by file name.

`models/<task>/<name>.py` is the model `<task>/<name>`. Nothing is registered, and nothing is imported before it is
asked for.
"""

from __future__ import annotations

import importlib
import pkgutil
from pathlib import Path
from typing import Any, Literal, TypeVar

import torch
from torch import nn

from vidwright.core import Card
from vidwright.core.errors import ModelRefused, did_you_mean
from vidwright.nn.model import FrameModel
from vidwright.weights import foreign
from vidwright.weights.store import fit, shipped

N = TypeVar("N", bound=nn.Module)

#: Endings of files that `torch.save` writes.
PICKLES = (".pth", ".pt", ".ckpt", ".bin")

DType = Literal["auto", "fp32", "bf16"]


def names() -> list[str]:
    """All models as `<task>/<name>`, sorted; imports none of them."""
    found: list[str] = []
    for task in pkgutil.iter_modules(__path__):
        folder = Path(__path__[0]) / task.name
        found += [f"{task.name}/{m.name}" for m in pkgutil.iter_modules([str(folder)]) if not m.name.startswith("_")]
    return sorted(found)


def card(model: str) -> Card:
    """The card of `<task>/<name>`. Raises `ModelRefused` naming the nearest models when there is no such file."""
    if model not in names():
        raise ModelRefused(model, "there is no such model", did_you_mean(model, names()))
    return importlib.import_module(f"{__name__}.{model.replace('/', '.')}").CARD


def parse(task: str, spec: str) -> tuple[str, str | Path | None]:
    """What a user calls a model, as `load` wants it: `restorer:x2-fast` -> ("<task>/restorer", "x2-fast").

    A path to weights stands for the model that their card names, or that their tensors are known to be of
    (`weights/foreign.py`). Raises `ModelRefused`.
    """
    if spec.endswith(".safetensors"):
        return str(foreign.identify(Path(spec)).get("model")), Path(spec)
    if spec.endswith(PICKLES):
        raise ModelRefused(
            spec, "files of this kind can run code when they are opened", "convert it to .safetensors (docs/weights.md)"
        )
    name, _, weights = spec.removeprefix(f"{task}/").partition(":")
    return f"{task}/{name}", weights or None


def weights_path(model: str, weights: str | Path | None = None) -> Path | None:
    """The file that holds `weights` of `model`: a path as given, a shipped set by its name, the first set for None.

    None for a model without parameters. Raises `ModelRefused` when there is no such set.
    """
    if weights is None:
        sets = card(model).weights
        return shipped(model, sets[0]) if sets else None
    if isinstance(weights, Path) or weights.endswith(".safetensors"):
        return Path(weights)
    return shipped(model, weights)


def load(
    model: str,
    weights: str | Path | None = None,
    *,
    kind: type[N] = FrameModel,
    device: str = "auto",
    dtype: DType = "auto",
    **config: Any,
) -> N:
    """A network ready to run: `net(x)`, and for those that turn frames into frames `net.stream(frames)`, `net.needs`.

    `kind` is what the caller can use: `nn.Module` is any network, `FrameModel` one that turns frames into frames.
    `config` sets fields of a model without weights (`load("enhance/lanczos", scale=3)`); with weights the config is
    in the file. `dtype="auto"` is bf16 where the device computes it fast, else fp32. Raises `ModelRefused`.
    """
    page = card(model)
    path = weights_path(model, weights)
    if path is None:
        if any(True for _ in page.build(page.config()).parameters()):
            raise ModelRefused(model, "no weights of it are in the package", "give --model FILE.safetensors of it")
        net = page.build(page.config(**config))
    else:
        tensors, header = foreign.read(path)
        if header.get("model") != model:
            raise ModelRefused(
                path, f"these are weights of {header.get('model')!r}", f"load them as that, not as {model!r}"
            )
        net = _build(page, header, path)
        fit(path, tensors, net)
    if not isinstance(net, kind):
        raise ModelRefused(model, f"it is not a {kind.__name__}", "see `vidwright models list` for what it is")
    where = resolve_device(device)
    net.eval().requires_grad_(False)
    return net.to(where, resolve_dtype(dtype, where), memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]


def resolve_device(device: str) -> torch.device:
    """`auto` is CUDA where there is any, else the CPU. Raises `ModelRefused` for a device that is not there."""
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        torch.empty(0, device=device)
        return torch.device(device)
    except (RuntimeError, AssertionError) as error:
        raise ModelRefused(f"--device {device}", "this machine has no such device", "use auto or cpu") from error


def resolve_dtype(dtype: DType, device: torch.device) -> torch.dtype:
    """bf16 pays off on a CPU only with AVX512-BF16 or AMX instructions; elsewhere it is emulated and slow."""
    if dtype != "auto":
        return torch.bfloat16 if dtype == "bf16" else torch.float32
    if device.type == "cpu":
        able = torch.cpu.get_capabilities()
        return torch.bfloat16 if able.get("avx512_bf16") or able.get("amx_bf16") else torch.float32
    return torch.bfloat16


def _build(page: Card, header: dict[str, Any], path: Path) -> nn.Module:
    try:
        return page.build(page.config(**header["config"]))
    except (KeyError, TypeError, ValueError) as error:
        raise ModelRefused(
            path, f"its config does not fit the model ({error})", "use weights of this version"
        ) from error
