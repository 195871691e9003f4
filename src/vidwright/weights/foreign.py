"""Weights files of other projects, told by their content, beside those that carry a card of ours.

    names, shapes --unwrapped--> a family that knows them (families.py) --> model, config, tensors by our names

Nothing is guessed, least of all from what a file is called.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from vidwright.core.errors import ModelRefused
from vidwright.weights.families import FAMILIES, Found, Shapes, Tensors, Unfit
from vidwright.weights.store import KEY, read_entries, read_header, read_tensors, read_weights

#: Trainers put a network inside of another, or keep it beside the average of its last steps, which is what counts.
AVERAGED, LATEST = "params_ema.", "params."
WRAPPERS = (AVERAGED, LATEST, "state_dict.", "model_state_dict.", "module.", "netG.")

#: Number formats of the file, as safetensors calls them, that a network may be stored in.
FORMATS = {"F64", "F32", "F16", "BF16"}

#: Of names in messages: a stranger's may be long.
MOST_LETTERS = 60


def identify(path: Path) -> dict[str, Any]:
    """The card of a weights file: its own, or `model` and `config` of the known family that it belongs to.

    Reads no tensor. Raises `ModelRefused` naming what was found instead.
    """
    if KEY in read_entries(path)[1]:
        return read_header(path)
    found = _found(path)[0]
    return {"model": found.model, "config": found.config}


def read(path: Path) -> tuple[Tensors, dict[str, Any]]:
    """Tensors, by our names, and card of a weights file of ours or of a known family.

    Raises `ModelRefused` naming what was found instead, and for damaged or non-finite content.
    """
    if KEY in read_entries(path)[1]:
        return read_weights(path)
    found, prefix = _found(path)
    inside = {name.removeprefix(prefix): t for name, t in read_tensors(path).items() if name.startswith(prefix)}
    return found.convert(inside), {"model": found.model, "config": found.config}


def _found(path: Path) -> tuple[Found, str]:
    """What the file holds, and what the names of its tensors begin with."""
    shapes, prefix = _unwrapped(_shapes(path))
    for name, family in FAMILIES.items():
        try:
            found = family(shapes)
        except Unfit as error:
            raise _refused(path, f"it looks like {name}, but {error}") from error
        if found is not None:
            return found, prefix
    such = f" such as {next(iter(shapes))[:MOST_LETTERS]!r}" if shapes else ""
    raise _refused(path, f"it holds {len(shapes)} tensors{such}: not an upscaler that is known")


def _shapes(path: Path) -> Shapes:
    """The shapes of a file's tensors by their names, each of a network's kind."""
    shapes: dict[str, tuple[int, ...]] = {}
    for name, entry in read_entries(path)[0].items():
        shape, kind = (entry.get("shape"), entry.get("dtype")) if isinstance(entry, dict) else (None, None)
        if not isinstance(shape, list) or not all(isinstance(side, int) and side > 0 for side in shape):
            raise _refused(path, f"tensor {name[:MOST_LETTERS]!r} has no sound shape")
        if kind not in FORMATS:
            raise _refused(path, f"tensor {name[:MOST_LETTERS]!r} is of type {kind!r}")
        shapes[name] = tuple(shape)
    return shapes


def _unwrapped(shapes: Shapes) -> tuple[Shapes, str]:
    """The tensors of the network itself, by names without what stands before all of them."""
    prefix = ""
    while True:
        for wrapper in WRAPPERS:
            inside = {name.removeprefix(wrapper): s for name, s in shapes.items() if name.startswith(wrapper)}
            rest = [name for name in shapes if not name.startswith(wrapper)]
            if inside and (not rest or (wrapper == AVERAGED and all(name.startswith(LATEST) for name in rest))):
                shapes, prefix = inside, prefix + wrapper
                break
        else:
            return shapes, prefix


def _refused(path: Path, cause: str) -> ModelRefused:
    known = ", ".join(FAMILIES)
    return ModelRefused(path, cause, f"use weights of these families: {known}, or of vidwright (see docs/weights.md)")
