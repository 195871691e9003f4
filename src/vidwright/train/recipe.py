"""A recipe: everything that decides a training run besides the clips and the machine.

Recipes are functions in `train/recipes/<model>.py` that return one; `x2_fast` in `restorer.py` is
`enhance/restorer:x2-fast`. A resolved recipe is JSON: it stands in the run, in its checkpoints and in its weights.
"""

from __future__ import annotations

import dataclasses
import importlib
import inspect
import json
import pkgutil
from collections.abc import Iterable
from dataclasses import dataclass
from types import ModuleType
from typing import Any, get_type_hints

from pydantic import TypeAdapter, ValidationError

from vidwright.core.errors import UsageError, did_you_mean
from vidwright.models import DType
from vidwright.train import recipes
from vidwright.train.optimiser import Optimiser
from vidwright.train.schedule import Budget
from vidwright.train.task import Task


@dataclass(frozen=True, slots=True)
class Recipe:
    """What to train (`model`, `config`), on what (`task`), how (`optimiser`, `batch`) and how long (`budget`).

    `weights` is the name of the result. `batch` is the samples of one step, over all processes together. There are
    `validations` validations, evenly over the budget, on at most `validate_on` clips each. `dtype` is that of automatic
    mixed precision. `start` are the weights that a run begins with, a shipped set of the model or a file, instead of
    random ones.
    """

    model: str
    weights: str
    config: Any
    task: Task
    optimiser: Optimiser
    budget: Budget
    batch: int
    validations: int = 10
    validate_on: int = 8
    dtype: DType = "auto"
    seed: int = 0
    start: str | None = None

    def __post_init__(self) -> None:
        for name in ("batch", "validations", "validate_on"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1")

    @property
    def name(self) -> str:
        """`<task>/<model>:<weights>`."""
        return f"{self.model}:{self.weights}"

    def as_json(self) -> dict[str, Any]:
        """Every field as JSON has it."""
        return json.loads(json.dumps(dataclasses.asdict(self)))

    def changed(self, assignments: Iterable[str]) -> Recipe:
        """With fields set as in `optimiser.learning_rate=1e-3`.

        Raises `UsageError` for a field that does not exist, naming the nearest, or a value of the wrong type.
        """
        recipe = self
        for assignment in assignments:
            path, sign, text = assignment.partition("=")
            if path in ("model", "weights"):
                raise UsageError(f"--set {assignment}", "that is the recipe's name", "name another recipe")
            if not sign:
                raise UsageError(f"--set {assignment}", "there is no = in it", "write --set field.field=value")
            recipe = _replaced(recipe, path.split("."), _parsed(text), f"--set {path}")
        return recipe


def names() -> list[str]:
    """All recipes by name, sorted."""
    return sorted(recipe.name for module in _modules() for recipe in _recipes(module))


def load(name: str) -> Recipe:
    """The recipe `<task>/<model>:<weights>`; without weights the first in its file.

    Raises `UsageError` naming the nearest when there is none.
    """
    own = name.partition(":")[0].rpartition("/")[2]
    modules = list(_modules(own)) or list(_modules())  # its own file, or all to find the nearest in
    found = {recipe.name: recipe for module in modules for recipe in _recipes(module)}
    if name in found:
        return found[name]
    for recipe in found.values():
        if name == recipe.model:
            return recipe
    raise UsageError(name, "there is no such recipe", did_you_mean(name, found))


def from_json(page: dict[str, Any]) -> Recipe:
    """The recipe that `as_json` gave. Raises `UsageError` when it is of another version of the package."""
    recipe = load(f"{page.get('model')}:{page.get('weights')}")
    return _rebuilt(recipe, page, "the recipe")


def _modules(name: str | None = None) -> Iterable[ModuleType]:
    """The recipe files, or the one of that name."""
    for module in pkgutil.iter_modules(recipes.__path__):
        if name not in (None, module.name):
            continue
        yield importlib.import_module(f"{recipes.__name__}.{module.name}")


def _recipes(module: ModuleType) -> list[Recipe]:
    """A recipe file's recipes in its own order: what its public functions return that say so."""
    functions = [f for name, f in inspect.getmembers_static(module, inspect.isfunction) if not name.startswith("_")]
    own = [f for f in functions if f.__module__ == module.__name__ and f.__annotations__.get("return") == "Recipe"]
    return [make() for make in sorted(own, key=lambda f: f.__code__.co_firstlineno)]


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def _replaced(base: Any, path: list[str], value: Any, subject: str) -> Any:
    """`base` with the field at `path` set."""
    name, *rest = path
    _require_field(base, name, subject)
    inner = getattr(base, name)
    if rest:
        if not dataclasses.is_dataclass(inner):
            raise UsageError(subject, f"{name} has no fields of its own", "set it as a whole")
        return _with(base, subject, **{name: _replaced(inner, rest, value, subject)})
    return _rebuilt(base, {name: value}, subject)


def _rebuilt(base: Any, page: dict[str, Any], subject: str) -> Any:
    """`base`, a dataclass, with the fields that `page` names."""
    hints = get_type_hints(type(base))
    fields: dict[str, Any] = {}
    for name, value in page.items():
        _require_field(base, name, subject)
        inner = getattr(base, name)
        if dataclasses.is_dataclass(inner):
            if not isinstance(value, dict):
                raise UsageError(f"{subject}={value}", f"{name} has fields of its own", f"set {name}.FIELD=VALUE")
            fields[name] = _rebuilt(inner, value, subject)
            continue
        try:
            fields[name] = TypeAdapter(hints[name]).validate_python(value)
        except ValidationError as error:
            raise UsageError(f"{subject}={value}", error.errors()[0]["msg"], f"{name} is {inner!r} now") from error
    return _with(base, subject, **fields)


def _with(base: Any, subject: str, **fields: Any) -> Any:
    try:
        return dataclasses.replace(base, **fields)
    except (ValueError, TypeError) as error:
        raise UsageError(subject, str(error), "choose another value") from error


def _require_field(base: Any, name: str, subject: str) -> None:
    legal = [field.name for field in dataclasses.fields(base)]
    if name not in legal:
        raise UsageError(subject, f"there is no field {name!r}", did_you_mean(name, legal, most=2, likeness=0.4))
