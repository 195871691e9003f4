"""Checkpoints: a folder each, written whole or not at all, checked when read, the newest two kept.

    RUN/checkpoints/00001500/   shard-*.safetensors   every tensor of the state, each process its part
                                state.json            step, batch, seconds, what the caller adds, SHA-256 of the shards

The shards are written and read by torch.distributed.checkpoint in its safetensors form, so a run may go on with more or
fewer processes than it began with, and nothing is ever unpickled.
"""

from __future__ import annotations

import json
import os
import shutil
import warnings
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.distributed.checkpoint.api import CheckpointException
from torch.distributed.checkpoint.hf_storage import HuggingFaceStorageReader, HuggingFaceStorageWriter
from torch.distributed.checkpoint.state_dict_loader import load as load_shards
from torch.distributed.checkpoint.state_dict_saver import save as save_shards

from vidwright.core.errors import BadInput, JobFailed
from vidwright.core.files import explain_os_error, sha256, sync, write_atomic
from vidwright.train.parallel import ALONE, World
from vidwright.train.state import State

#: Checkpoints kept: the newest, and those to fall back on when it is damaged.
KEEP = 2


def save(folder: Path, state: State, *, facts: dict[str, Any], world: World = ALONE) -> Path:
    """Write `state` to `folder`/<step>, with `facts` (JSON) beside it; all processes call it together.

    Raises `JobFailed` when the disk is full; the earlier checkpoints are then as they were.
    """
    path = folder / f"{state.step:08d}"
    part = folder / f".{path.name}.part"
    try:
        if world.leads:
            folder.mkdir(parents=True, exist_ok=True)
            shutil.rmtree(part, ignore_errors=True)
            part.mkdir()
        world.wait()
        with _quiet():
            writer = HuggingFaceStorageWriter(str(part), save_distributed=True)
            save_shards(_plain(state), storage_writer=writer, no_dist=world.size == 1)
        if world.leads:
            _finish(part, path, _page(state, facts))
            _prune(folder)
    except (OSError, CheckpointException, ValueError) as error:
        raise explain_os_error(path, _os_error(error)) from error
    finally:
        if world.leads:
            shutil.rmtree(part, ignore_errors=True)
    world.wait()
    return path


def load(folder: Path, state: State, *, world: World = ALONE) -> list[str]:
    """Set `state` to the newest sound checkpoint; returns a warning for each damaged one passed over.

    Raises `BadInput` when there is none, and `JobFailed` when it holds other tensors than the state.
    """
    path, page, damaged = _newest_sound(folder)
    _read(path, state, world)
    state.step, state.batch = page["step"], page["batch"]
    state.seconds, state.bad = page["seconds"], page["bad"]
    return [f"checkpoint {name} is damaged: going on from an older one" for name in damaged]


def facts(folder: Path) -> dict[str, Any]:
    """What the newest sound checkpoint says beside its tensors. Raises `BadInput` when there is none."""
    return _newest_sound(folder)[1]["facts"]


def checkpoints(folder: Path) -> list[Path]:
    """The checkpoints in `folder`, oldest first; they may be damaged."""
    return sorted(path for path in folder.glob("[0-9]*") if path.is_dir())


def _page(state: State, facts: dict[str, Any]) -> dict[str, Any]:
    return {"step": state.step, "batch": state.batch, "seconds": state.seconds, "bad": state.bad, "facts": facts}


def _finish(part: Path, path: Path, page: dict[str, Any]) -> None:
    page["shards"] = {shard.name: sha256(shard) for shard in sorted(part.iterdir())}
    write_atomic(part / "state.json", json.dumps(page))
    for file in part.iterdir():
        sync(file)
    sync(part)
    shutil.rmtree(path, ignore_errors=True)  # one of the same step, from before the state was set back
    os.replace(part, path)
    sync(path.parent)


def _prune(folder: Path) -> None:
    for path in checkpoints(folder)[:-KEEP]:
        shutil.rmtree(path, ignore_errors=True)


def _newest_sound(folder: Path) -> tuple[Path, dict[str, Any], list[str]]:
    """The newest sound checkpoint, its page, and the names of the damaged ones passed over. Raises `BadInput`."""
    damaged: list[str] = []
    for path in reversed(checkpoints(folder)):
        if (page := _sound(path)) is not None:
            return path, page, damaged
        damaged.append(path.name)
    raise BadInput(folder, "there is no sound checkpoint in it", "run without --resume to begin anew")


def _sound(path: Path) -> dict[str, Any] | None:
    """The page of a checkpoint whose files are all there and unchanged."""
    with suppress(OSError, ValueError, KeyError, TypeError, AttributeError):
        page = json.loads((path / "state.json").read_text())
        if all(sha256(path / name) == digest for name, digest in page["shards"].items()):
            return page
    return None


def _read(path: Path, state: State, world: World) -> None:
    try:
        with _quiet():
            reader = HuggingFaceStorageReader(str(path))
            tensors = _plain(state)
            load_shards(tensors, storage_reader=reader, no_dist=world.size == 1)
    except (RuntimeError, ValueError, CheckpointException) as error:
        raise JobFailed(
            path, "this checkpoint holds another network than the recipe's", "resume it with the recipe it was made by"
        ) from error
    with torch.no_grad():
        for name, tensor in state.tensors().items():
            tensor.copy_(tensors[name])


def _plain(state: State) -> dict[str, Tensor]:
    """The state's tensors in C order, the only one that safetensors knows."""
    return {name: tensor.contiguous() for name, tensor in state.tensors().items()}


def _os_error(error: BaseException) -> OSError:
    """The failed write that a CheckpointException or safetensors carries somewhere inside."""
    if isinstance(error, OSError):
        return error
    causes = list(error.failures.values()) if isinstance(error, CheckpointException) else [error.__cause__]
    for cause in causes:
        inner = cause[0] if isinstance(cause, tuple) else cause
        if isinstance(inner, OSError):
            return inner
    return OSError(None, " ".join(str(error).split())[:200])


@contextmanager
def _quiet() -> Generator[None]:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="torch.distributed is disabled", category=UserWarning)
        yield
