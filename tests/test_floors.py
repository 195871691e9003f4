"""The house has floors: an import goes down, never up, and never sideways between two rooms of one floor."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent / "src" / "vidwright"
FLOORS = [
    {"core"},
    {"io", "nn", "process", "entropy", "vision", "weights"},
    {"models", "data", "metrics"},
    {"train"},
    {"jobs"},
    {"bench", "cluster"},
    {"cli", "studio"},
]
FLOOR = {room: number for number, rooms in enumerate(FLOORS) for room in rooms}
ROOMS = sorted(path.parent for path in ROOT.glob("*/__init__.py"))
FILES = sorted(path for room in ROOMS for path in room.rglob("*.py"))


def imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def test_every_room_has_a_floor():
    assert {room.name for room in ROOMS} <= set(FLOOR)
    assert len(FILES) > 40


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_go_down(path):
    here = path.relative_to(ROOT).parts[0]
    for name in imports(path):
        package, _, room = name.partition(".")
        room = room.partition(".")[0]
        if package == "vidwright" and room in FLOOR and room != here:
            assert FLOOR[room] < FLOOR[here], f"{here} imports {name}"
            assert (here, room) != ("models", "io"), "models see tensors and frames, not files"
        if package == "av":
            assert here == "io", "only io knows PyAV"
        if package in ("torch", "numpy", "av"):
            assert here != "core" or path.name == "frame.py", "the nouns load at once"  # frame.py: for types alone
