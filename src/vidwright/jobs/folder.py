"""The folder in which an unfinished job keeps its segments: `<output>.job`.

It belongs to one job on one input with one set of weights and one version of this package, which its key says;
whatever has another key is discarded. It goes when the job is done.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

from vidwright.core import Damage
from vidwright.core.errors import BadInput, JobFailed
from vidwright.core.files import explain_os_error, sha256, write_atomic
from vidwright.jobs.segments import Segment

MANIFEST = "manifest.json"

_SAMPLES = 16
_SAMPLE_BYTES = 2**16


@dataclass(frozen=True, slots=True)
class Plan:
    """What one pass over the source found: the segments to make, and what was wrong with it.

    `preset` is that of the encoder, where it was chosen by the time there is.
    """

    segments: tuple[Segment, ...]
    damage: Damage = Damage()
    warnings: tuple[str, ...] = ()
    preset: str = ""

    @property
    def frames(self) -> int:
        return sum(segment.frames for segment in self.segments)


@dataclass(frozen=True, slots=True)
class Done:
    """A finished segment as the manifest knows it; `details` are what a verb notes of how it was made."""

    number: int
    file: str
    frames: int
    sha256: str
    warnings: tuple[str, ...] = ()
    details: dict[str, Any] = field(default_factory=dict[str, Any])


def fingerprint(path: Path) -> dict[str, Any]:
    """What tells one input file from another without reading all of it: size, time, and parts from end to end."""
    status = path.stat()
    digest = hashlib.sha256()
    with path.open("rb") as file:
        for sample in range(_SAMPLES):
            file.seek(sample * max(status.st_size - _SAMPLE_BYTES, 0) // (_SAMPLES - 1))
            digest.update(file.read(_SAMPLE_BYTES))
    return {"bytes": status.st_size, "modified": status.st_mtime_ns, "sha256": digest.hexdigest()}


def digest(path: Path) -> str:
    """The SHA-256 of a file that a job is given beside its input. Raises `BadInput` where it cannot be read."""
    try:
        return sha256(path)
    except OSError as error:
        raise BadInput(path, f"it cannot be read ({error.strerror})", "check the path") from error


class JobFolder:
    """The manifest and the finished segments of one job; used inside `open_folder`."""

    def __init__(self, path: Path, key: dict[str, Any]) -> None:
        self.path = path
        self._key = key
        self._plan: Plan | None = None
        self._done: dict[int, Done] = {}
        self._read()

    @property
    def plan(self) -> Plan | None:
        """The plan that an earlier run made, or None."""
        return self._plan

    @property
    def done(self) -> dict[int, Done]:
        """The finished segments by number; each file was checked against its checksum when the folder was opened."""
        return dict(self._done)

    def keep_plan(self, plan: Plan) -> None:
        self._plan = plan
        self._write()

    def add(self, done: Done) -> None:
        """Enter a segment whose file lies in the folder, whole and synced."""
        self._done[done.number] = done
        self._write()

    def remove(self) -> None:
        shutil.rmtree(self.path, ignore_errors=True)

    @property
    def _manifest(self) -> Path:
        return self.path / MANIFEST

    def _read(self) -> None:
        try:
            content = json.loads(self._manifest.read_bytes())
            if content["key"] == self._key:
                plan = _plan_from_json(content["plan"])
                found = [_done_from_json(row) for row in content["done"]]
                self._plan, self._done = plan, {done.number: done for done in found if self._is_whole(done)}
        except (OSError, ValueError, LookupError, TypeError, ArithmeticError):
            return  # no manifest, or none that can be read: start afresh

    def _is_whole(self, done: Done) -> bool:
        path = self.path / done.file
        return path.is_file() and sha256(path) == done.sha256

    def _write(self) -> None:
        assert self._plan is not None
        rows = [asdict(done) for _, done in sorted(self._done.items())]
        content = {"key": self._key, "plan": _plan_to_json(self._plan), "done": rows}
        write_atomic(self._manifest, json.dumps(content, indent=1))


@contextmanager
def open_folder(output: Path, key: dict[str, Any], *, restart: bool = False) -> Generator[JobFolder]:
    """The job folder beside `output`, for this process alone; `restart` forgets what an earlier run left in it.

    Raises `JobFailed` when another process has it, or when it cannot be made.
    """
    path = output.with_name(output.name + ".job")
    try:
        path.mkdir(exist_ok=True)
        lock = (path / "lock").open("wb")
    except OSError as error:
        raise explain_os_error(path, error) from error
    with lock:
        _lock(lock.fileno(), path)
        if restart:
            (path / MANIFEST).unlink(missing_ok=True)
        folder = JobFolder(path, key)
        try:
            yield folder
        finally:
            if not folder.done:  # nothing is finished that a next run could use
                folder.remove()


def _lock(descriptor: int, path: Path) -> None:
    try:
        import fcntl  # absent on Windows, where the open file itself cannot be removed by another process
    except ImportError:
        return
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        raise JobFailed(
            path, "another process is working on this job", "wait for it, or choose another output"
        ) from error


def _done_from_json(row: dict[str, Any]) -> Done:
    return replace(Done(**row), warnings=tuple(row["warnings"]))


def _plan_to_json(plan: Plan) -> dict[str, Any]:
    rows = [asdict(each) | {"begin": str(each.begin), "end": str(each.end)} for each in plan.segments]
    return {"segments": rows, "damage": asdict(plan.damage), "warnings": plan.warnings, "preset": plan.preset}


def _plan_from_json(content: dict[str, Any]) -> Plan:
    rows: list[dict[str, Any]] = content["segments"]
    segments = tuple(replace(Segment(**row), begin=Fraction(row["begin"]), end=Fraction(row["end"])) for row in rows)
    return Plan(segments, Damage(**content["damage"]), tuple(content["warnings"]), content["preset"])
