"""The rules of the house that a machine can check: sizes, and calls that have no place in it."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

HOUSE = Path(__file__).parent.parent
SOURCE = HOUSE / "src" / "vidwright"
FILES = sorted([*SOURCE.rglob("*.py"), *(HOUSE / "tools").rglob("*.py")])
TESTS = sorted((HOUSE / "tests").rglob("*.py"))

#: Modules and calls that run what a file says, or that cannot be had everywhere.
BANNED_MODULES = {"pickle", "dill", "joblib", "shelve", "marshal", "torchvision", "torchcodec", "decord"}
BANNED_CALLS = {
    "torch.load",
    "torch.hub.load",
    "yaml.load",
    "eval",
    "exec",
    "os.system",
    "os.popen",
    "numpy.load",
    "np.load",
}

#: Where a file may be written other than through `core.files`: there itself, and the muxer into a temporary of it.
WRITERS = {"core/files.py", "io/muxer.py"}
#: Where nothing is written that anyone reads: a lock, a trial of the folder, and a trial of the muxer.
TRIALS = {"(path / 'lock').open('wb')", "probe.touch()", "av.open(os.devnull, 'w', format=CONTAINERS[container])"}
WRITING_CALLS = {"write_bytes", "write_text", "touch", "mkstemp", "NamedTemporaryFile"}


def name(path: Path) -> str:
    return str(path.relative_to(SOURCE) if path.is_relative_to(SOURCE) else path.relative_to(HOUSE))


def each(paths: list[Path]):
    return pytest.mark.parametrize("path", paths, ids=name)


@cache
def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


@cache
def calls(path: Path) -> list[ast.Call]:
    return [node for node in ast.walk(parsed(path)) if isinstance(node, ast.Call)]


def writes(call: ast.Call) -> bool:
    """Whether a call makes or changes a file, as far as its text tells; a mode that is not spelled out does."""
    text = ast.unparse(call.func)
    if text.rpartition(".")[2] in WRITING_CALLS:
        return True
    if text.rpartition(".")[2] not in ("open", "fdopen") or text == "os.open":
        return False
    of_path = text not in ("open", "io.open", "av.open", "os.fdopen")  # path.open(mode), or some other thing's open
    given = [word.value for word in call.keywords if word.arg == "mode"] or call.args[0 if of_path else 1 :][:1]
    modes = [str(each.value) if isinstance(each, ast.Constant) else "" if of_path else "w" for each in given]
    return any(set(mode) & set("wax+") for mode in modes)


@each([*FILES, *TESTS])
def test_files_are_short(path):
    assert len(path.read_text().splitlines()) <= 400


@each(FILES)
def test_functions_are_short(path):
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert (node.end_lineno or 0) - node.lineno < 60, node.name


@each(FILES)
def test_every_file_says_what_it_is(path):
    tree = parsed(path)
    assert not tree.body or ast.get_docstring(tree)


@each(FILES)
def test_nothing_runs_what_a_file_says(path):
    tree = parsed(path)
    for node in ast.walk(tree):
        modules = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        modules += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        assert not {module.partition(".")[0] for module in modules} & BANNED_MODULES
    for call in calls(path):
        assert ast.unparse(call.func) not in BANNED_CALLS
        for word in call.keywords:
            assert word.arg != "shell" or ast.unparse(word.value) == "False"


@each([path for path in SOURCE.rglob("*.py") if name(path) not in WRITERS])
def test_files_are_written_in_one_place(path):
    for call in calls(path):
        assert ast.unparse(call) in TRIALS or not writes(call), f"line {call.lineno}: {ast.unparse(call)}"


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ('open(p, "w")', True),
        ('p.open("ab")', True),
        ('open(p, mode="r+b")', True),
        ("open(p, m)", True),
        ('av.open(p, "w")', True),
        ("p.write_text(t)", True),
        ("open(p)", False),
        ('p.open("rb")', False),
        ('av.open(p, "r")', False),
        ("p.read_text()", False),
        ("job.open(info, threads=1)", False),
    ],
)
def test_what_counts_as_writing(text, answer):
    assert writes(ast.parse(text, mode="eval").body) is answer  # type: ignore[arg-type]


@each(FILES)
def test_nothing_below_the_command_line_prints(path):
    if name(path).startswith(("cli/", "tools/")):
        return
    assert "print" not in {ast.unparse(call.func) for call in calls(path)}


@each([*FILES, *TESTS])
def test_nothing_is_left_for_later(path):
    words = "|".join(("TO" + "DO", "FIX" + "ME", "XX" + "X", "NotImplemented" + "Error"))
    assert not re.search(rf"\b({words})\b", path.read_text())


def test_constraints_are_for_everyone():
    """No accelerator's packages, and no word of where they were resolved."""
    text = (HOUSE / "constraints.txt").read_text()
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    assert lines and all(re.fullmatch(r"[a-z0-9._-]+==[^ @;]+( ;.*)?", line.lower()) for line in lines)
    assert not re.search(r"nvidia|cuda|triton|torchvision|https?://|--(extra-)?index|--hash", text)
