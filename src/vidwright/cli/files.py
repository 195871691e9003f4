"""Which files a command works on, and how the results are called."""

from __future__ import annotations

import glob
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from vidwright.core.errors import BadInput, UsageError
from vidwright.io.container import SUFFIXES


def inputs(arguments: Sequence[str]) -> list[Path]:
    """The files that arguments name: files, folders, quoted globs, `@list.txt`, and `-` for a list on stdin.

    Raises `BadInput` for a folder, glob or list with nothing in it; files named outright are checked when opened.
    """
    found = list(dict.fromkeys(path for argument in arguments for path in _expand(argument)))
    if not found:
        raise UsageError("vidwright", "no input file was given", "name a file, a folder, a glob or @list.txt")
    return found


def _expand(argument: str) -> Iterator[Path]:
    path = Path(argument)
    if argument == "-":
        yield from _listed(sys.stdin.read(), "stdin")
    elif path.is_dir():
        yield from _some(sorted(p for p in path.iterdir() if p.suffix.lower() in SUFFIXES), argument)
    elif path.exists():
        yield path
    elif argument.startswith("@"):
        yield from _listed(_read(Path(argument[1:])), argument)
    elif glob.has_magic(argument):
        yield from _some(sorted(Path(p) for p in glob.glob(argument, recursive=True)), argument)
    else:
        yield path


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(path, "the list of files cannot be read", "give a text file, one file name a line") from error


def _listed(text: str, source: str) -> list[Path]:
    return _some([Path(line.strip()) for line in text.splitlines() if line.strip()], source)


def _some(paths: list[Path], source: str) -> list[Path]:
    if not paths:
        raise BadInput(source, "it names no video file", "check the spelling, or name the files themselves")
    return paths


def output(source: Path, pattern: str | None, default: str, fields: dict[str, str | int]) -> Path:
    """Where the result of `source` goes: a file, a folder (the default name inside it), or a template.

    `pattern` is what the user gave with `-o`; templates have `{stem}`, `{ext}` and the names in `fields`.
    Raises `UsageError` for a template with other names.
    """
    names = {"stem": source.stem, **fields}
    if pattern is None:
        return source.with_name(_fill(default, names))
    if pattern.endswith("/") or Path(pattern).is_dir():
        return Path(pattern) / _fill(default, names)
    return Path(_fill(pattern, names))


def _fill(template: str, names: dict[str, str | int]) -> str:
    try:
        return template.format(**names)
    except (KeyError, ValueError, IndexError) as error:
        legal = ", ".join(f"{{{name}}}" for name in names)
        raise UsageError(f"-o {template}", "the template cannot be filled in", f"it may hold {legal}") from error


def distinct(outputs: Sequence[Path]) -> None:
    """Raise `UsageError` when two results would have the same name."""
    for path in outputs:
        if outputs.count(path) > 1:
            raise UsageError(path, "several inputs would be written there", "use a template: -o 'out/{stem}.{ext}'")
