"""From a fresh checkout to a running command, with nothing but Python: `python3 tools/bootstrap.py demo`.

Makes a virtual environment, installs the project into it as constraints.txt says, remembers that, and runs the
command's tools. A second call starts at once. Standard library only; the same on Linux, macOS and Windows.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import platform
import re
import shutil
import subprocess
import sys
import time
import venv
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
OLDEST_PYTHON = (3, 11)
#: What a CPU build of torch and the rest take on disk, with room to unpack.
BYTES_NEEDED = 3 * 10**9

#: Each command: the extra of pyproject.toml that it needs, and the tools that it runs; the user's arguments go to
#: the last one. `{python}` is the environment's.
COMMANDS = {
    "demo": ("", ["vidwright demo"]),
    "test": ("dev", ["pytest --numprocesses auto --maxprocesses 4 --dist worksteal"]),
    "check": ("dev", ["ruff check", "ruff format --check", "pyright --pythonpath {python}"]),
    "fix": ("dev", ["ruff check --fix", "ruff format"]),
    "bench": ("", ["vidwright bench"]),
    "venv": ("dev", []),
}

#: Words in pip's output, and the cause and next step that they mean.
KNOWN_FAILURES = {
    r"No space left|not enough space|Disk quota": ("the disk is full", "free some space, then run this again"),
    r"NewConnectionError|ConnectTimeout|ConnectionError|name resolution|Network is unreachable|from versions: none": (
        "the packages cannot be reached: no network, or a proxy that pip does not know",
        "check the connection (pip reads https_proxy and its own pip.conf), then run this again",
    ),
    r"No module named '?pip": ("this environment has no pip", "remove it, or name another place with --venv DIR"),
}


class InstallError(Exception):
    """What went wrong, why, and what to do next."""

    def __init__(self, what: object, cause: str, step: str) -> None:
        super().__init__(f"error: {what}\n  cause: {cause}\n  next:  {step}")


class Environment:
    """A virtual environment and the stamp inside it.

    The stamp's first line says which Python it was made by and where; a line follows for each state of the project
    that was installed whole. It is empty from the first to the last moment of an installation: an empty stamp is an
    installation that was killed.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.scripts = folder / ("Scripts" if os.name == "nt" else "bin")
        self.python = self.scripts / ("python.exe" if os.name == "nt" else "python")
        self._stamp = folder / "bootstrap.stamp"
        self._maker = f"{platform.python_version_tuple()[:2]} {platform.machine()} {ROOT} {folder}"

    def prepare(self, extra: str) -> None:
        """Install the project with `extra` unless that is done. Raises `InstallError`."""
        found = self._stamp.read_text(encoding="utf-8").splitlines() if self._stamp.exists() else None
        if self.python.exists() and found and found[0] == self._maker and _digest(extra) in found:
            return
        _check_disk(self.folder.parent)
        if not self.python.exists() or (found is not None and found[:1] != [self._maker]):
            self._make()
        self._stamp.write_text("", encoding="utf-8")
        # Alone and first: a resolve of everything at once may prefer another build of torch, gigabytes larger.
        pins = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
        self._install("torch", *(pin for pin in pins if pin.startswith("torch==")))
        project = f".[{extra}]" if extra else "."
        self._install("vidwright" + f" and its {extra} tools" * bool(extra), "-c", "constraints.txt", "-e", project)
        satisfied = {_digest(""), _digest(extra)}
        self._stamp.write_text("\n".join([self._maker, *sorted(satisfied)]), encoding="utf-8")

    def run(self, tool: str, arguments: list[str]) -> int:
        """Run one of the environment's tools in the root of the project; returns its exit code."""
        name, *fixed = (word.format(python=self.python) for word in tool.split())
        path = os.pathsep.join([str(self.scripts), os.environ.get("PATH", "")])
        environment = {**os.environ, "PATH": path, "VIRTUAL_ENV": str(self.folder)}
        suffix = ".exe" if os.name == "nt" else ""
        return subprocess.call([self.scripts / (name + suffix), *fixed, *arguments], cwd=ROOT, env=environment)

    def _make(self) -> None:
        """An empty environment; the empty stamp is there before anything else, and goes after everything else."""
        with _step(f"environment {self.folder}"):
            self.folder.mkdir(parents=True, exist_ok=True)
            ours = self._stamp.exists() or (self.folder / "pyvenv.cfg").exists()
            if any(self.folder.iterdir()) and not ours:
                raise InstallError(self.folder, "this folder holds something else", "name a new one with --venv DIR")
            self._stamp.write_text("", encoding="utf-8")
            for path in self.folder.iterdir():
                if path.is_dir() and not path.is_symlink():
                    shutil.rmtree(path)
                elif path != self._stamp:
                    path.unlink()
            try:
                venv.create(self.folder, with_pip=True, symlinks=os.name != "nt")
            except subprocess.CalledProcessError as error:
                cause, step = "this Python cannot make environments", "install its venv package (Debian: python3-venv)"
                raise InstallError(self.folder, cause, step) from error

    def _install(self, name: str, *requirements: str) -> None:
        log = self.folder / "pip.log"
        pip = [self.python, "-m", "pip", "--disable-pip-version-check", "--no-input", "-q", "--log", log]
        with _step(name):
            command = [*pip, "install", *requirements]
            done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
            if done.returncode:
                raise _explained(name, done.stdout.decode(errors="replace"), log)


@contextmanager
def _step(name: str) -> Iterator[None]:
    """One line on stderr: what is being done, and how long it took."""
    began = time.monotonic()
    print(f"{name} ... ", end="", file=sys.stderr, flush=True)
    try:
        yield
    except BaseException:
        print("failed", file=sys.stderr, flush=True)
        raise
    print(f"{time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)


def _digest(extra: str) -> str:
    """What an installation is a function of, beside the Python that it is made by."""
    total = hashlib.sha256(extra.encode())
    for name in ("pyproject.toml", "constraints.txt"):
        total.update(hashlib.sha256((ROOT / name).read_bytes()).digest())
    return total.hexdigest()


def _check_disk(folder: Path) -> None:
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free
    if free < BYTES_NEEDED:
        cause = f"{free / 1e9:.1f} GB are free, and the installation needs {BYTES_NEEDED / 1e9:.0f} GB"
        raise InstallError(folder, cause, "free some space, or name another place with --venv DIR")


def _explained(name: str, output: str, log: Path) -> InstallError:
    for words, (cause, step) in KNOWN_FAILURES.items():
        if re.search(words, output, re.IGNORECASE):
            return InstallError(f"{name} could not be installed", cause, step)
    errors = [line for line in output.splitlines() if line.startswith("ERROR")] or output.splitlines() or ["no reason"]
    return InstallError(f"{name} could not be installed", f"pip says: {errors[0]}", f"see {log}")


def main() -> int:
    """Run the command that the arguments name; returns its exit code."""
    parser = argparse.ArgumentParser(description="Install what a command needs, once, and run it.")
    parser.add_argument("--venv", type=Path, default=ROOT / ".venv", metavar="DIR", help="where to install (.venv)")
    parser.add_argument("command", choices=COMMANDS)
    parser.add_argument("arguments", nargs=argparse.REMAINDER, help="passed on to the tool")
    asked = parser.parse_args()
    extra, tools = COMMANDS[asked.command]
    try:
        if sys.version_info < OLDEST_PYTHON:
            needed = "{}.{}".format(*OLDEST_PYTHON)
            cause = f"this is Python {platform.python_version()}, and vidwright needs {needed} or newer"
            raise InstallError(sys.executable, cause, f"run this with a newer one: python{needed} tools/bootstrap.py")
        environment = Environment(Path(os.path.abspath(asked.venv)))
        environment.prepare(extra)
        last = len(tools) - 1
        codes = [environment.run(tool, asked.arguments if i == last else []) for i, tool in enumerate(tools)]
        return next((code for code in codes if code), 0)
    except InstallError as error:
        print(error, file=sys.stderr)
    except OSError as error:
        place, cause = error.filename or asked.venv, error.strerror or str(error)
        print(InstallError(place, cause, "check the disk and the rights of the folder"), file=sys.stderr)
    except KeyboardInterrupt:
        return 130
    return 1


if __name__ == "__main__":
    sys.exit(main())
