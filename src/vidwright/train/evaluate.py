"""How good a trained model is, by the task that it was trained for."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from torch import nn

from vidwright import models
from vidwright.core.errors import ModelRefused
from vidwright.train import recipe
from vidwright.train.measures import measured
from vidwright.train.run import BEST
from vidwright.train.task import Evaluation, Restores
from vidwright.weights.store import read_header


def evaluate(
    model: str,
    folder: Path,
    *,
    device: str = "auto",
    seed: int = 0,
    limit: int | None = None,
    lpips: Path | None = None,
) -> Evaluation:
    """Judge a model on all clips of a folder, or on the first `limit`, in fp32: by its task, then by every metric.

    `model` is `<task>/<name>:<weights>`, a weights file, or the folder of a run, whose best weights count. `lpips` are
    weights of LPIPS (`docs/metrics.md`), without which it is not measured. Raises `ModelRefused` for a model without
    weights, or weights that do not name their recipe, and `BadInput` for a folder without clips.
    """
    name, path = _weights(model)
    net = models.load(name, path, kind=nn.Module, device=device, dtype="fp32")
    page = read_header(path).get("recipe")
    if not isinstance(page, dict) or "task" not in page:
        raise ModelRefused(path, "these weights do not say how they were trained", "make them with `vidwright train`")
    task = recipe.from_json(page).task
    found = task.evaluate(net, folder, "test", seed, limit)
    if not isinstance(task, Restores):
        return found
    return replace(found, metrics={**found.metrics, **measured(task.outputs(net, folder, "test", limit), lpips=lpips)})


def _weights(model: str) -> tuple[str, Path]:
    path = Path(model) / BEST if Path(model).is_dir() else Path(model)
    if path.suffix == ".safetensors":
        return str(read_header(path).get("model")), path
    name, _, weights = model.partition(":")
    found = models.weights_path(name, weights or None)
    if found is None:
        raise ModelRefused(model, "it has no weights, so no task that it was trained for", "see `vidwright bench`")
    return name, found
