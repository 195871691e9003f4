"""Weights files: safetensors with the model's card in the header, and nothing else.

What a file is, is decided by its content. The header's one metadata entry, `vidwright`, is JSON: the model and its
config, the recipe, the data and its licence, the figures measured at the end.
"""

from __future__ import annotations

import json
from importlib import resources
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from vidwright.core.errors import ModelRefused
from vidwright.core.files import write_atomic

FORMAT = 1
MAX_HEADER_BYTES = 2**20
MAX_TENSORS = 10_000
KEY = "vidwright"


def save_weights(path: Path, tensors: dict[str, Tensor], header: dict[str, Any]) -> None:
    """Write `tensors` with `header` (JSON-able) to `path`, atomically; equal content gives equal bytes."""
    entry = json.dumps({"format": FORMAT, **header}, sort_keys=True)
    plain = {name: tensors[name].detach().cpu().contiguous() for name in sorted(tensors)}
    write_atomic(path, save(plain, metadata={KEY: entry}))


def read_header(path: Path) -> dict[str, Any]:
    """The card of a weights file, without its tensors. Raises `ModelRefused` when it is not one of ours."""
    _, metadata = read_entries(path)
    if KEY not in metadata:
        raise _refused(path, "its header has no vidwright card")
    try:
        header = json.loads(metadata[KEY])
    except (TypeError, ValueError, RecursionError) as error:
        raise _refused(path, "its card is not valid JSON") from error
    if not isinstance(header, dict) or header.get("format") != FORMAT:
        raise _refused(path, "its card is of another format version")
    return header


def read_weights(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Tensors and card of a weights file. Raises `ModelRefused` for foreign, damaged or non-finite content."""
    header = read_header(path)
    return read_tensors(path), header


def read_tensors(path: Path) -> dict[str, Tensor]:
    """The tensors of any safetensors file. Raises `ModelRefused` for damaged or non-finite content."""
    try:
        with safe_open(path, framework="pt") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dict)
    except SafetensorError as error:
        raise _refused(path, f"it is not a safetensors file ({error})") from error
    for name, tensor in tensors.items():
        if tensor.is_floating_point() and not bool(torch.isfinite(tensor).all()):
            raise _refused(path, f"tensor {name!r} holds values that are not finite")
    return tensors


def read_entries(path: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """What any safetensors file says of its tensors, by name, and its metadata; nothing of it is believed yet.

    Its length stands in 8 bytes, then comes JSON, refused by size before it is parsed; parsed here and not by the
    library, which lets one name stand for two tensors. Raises `ModelRefused`.
    """
    try:
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            text = file.read(length) if length <= MAX_HEADER_BYTES else b""
    except OSError as error:
        raise ModelRefused(path, f"it cannot be read ({error.strerror})", "check the path of the weights") from error
    try:
        entries = json.loads(text.decode(), object_pairs_hook=_unique)
    except (ValueError, RecursionError) as error:
        raise _refused(path, "it is not a safetensors file with a sound header of at most 1 MB") from error
    if not isinstance(entries, dict):
        raise _refused(path, "it is not a safetensors file")
    metadata = entries.pop("__metadata__", None)
    if len(entries) > MAX_TENSORS:
        raise _refused(path, f"it holds more than {MAX_TENSORS} tensors")
    return entries, metadata if isinstance(metadata, dict) else {}


def fit(path: Path, tensors: dict[str, Tensor], module: torch.nn.Module) -> None:
    """Load `tensors` into `module`, whose own list of names, shapes and kinds must be met exactly."""
    wanted = module.state_dict()
    if missing := sorted(wanted.keys() ^ tensors.keys()):
        raise _refused(path, f"its tensors are not those of the model (first difference: {missing[0]!r})")
    for name, tensor in tensors.items():
        if tensor.shape != wanted[name].shape or tensor.is_floating_point() != wanted[name].is_floating_point():
            raise _refused(path, f"tensor {name!r} is {tuple(tensor.shape)}, the model has {tuple(wanted[name].shape)}")
    module.load_state_dict(tensors)


def shipped(model: str, name: str) -> Path:
    """Where the weights `name` of `model` lie inside the package. Raises `ModelRefused` when there are none."""
    path = Path(str(resources.files("vidwright.weights"))) / "shipped" / f"{model.replace('/', '-')}-{name}.safetensors"
    if not path.is_file():
        raise ModelRefused(f"{model}:{name}", "no such weights are shipped", "see `vidwright models list`")
    return path


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len(found := dict(pairs)) < len(pairs):
        raise ValueError("a name stands there twice")
    return found


def _refused(path: Path, cause: str) -> ModelRefused:
    return ModelRefused(path, cause, "use a weights file written by vidwright (see `vidwright models list`)")
