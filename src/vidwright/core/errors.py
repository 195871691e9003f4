"""Errors a user can act on: the file, the cause, the next step, and an exit code."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from pathlib import Path


class VidwrightError(Exception):
    """Base of every error this package raises on purpose.

    `subject` is the file (or option) it is about, `cause` says what is wrong, `next_step` what to do;
    `str()` is those three lines. `exit_code` is what the command line returns.
    """

    exit_code = 1

    def __init__(self, subject: str | Path, cause: str, next_step: str) -> None:
        self.subject = _one_line(subject)
        self.cause = _one_line(cause)
        self.next_step = _one_line(next_step)
        super().__init__(f"{self.subject}\n  cause: {self.cause}\n  next:  {self.next_step}")

    def __reduce__(self) -> tuple[type[VidwrightError], tuple[str, str, str]]:
        return type(self), (self.subject, self.cause, self.next_step)  # travels between worker processes


def _one_line(text: str | Path) -> str:
    """Control characters in file names must not break the three-line promise or the terminal."""
    return "".join(c if c.isprintable() else f"\\x{ord(c):02x}" for c in str(text))


def did_you_mean(word: str, known: Iterable[str], *, most: int = 3, likeness: float = 0.3) -> str:
    """The next step after a name that does not exist: the nearest of those that do, or all of them."""
    known = list(known)
    near = difflib.get_close_matches(word, known, n=most, cutoff=likeness) or known
    return f"did you mean {' or '.join(near)}?"


class JobFailed(VidwrightError):
    """The work could not be finished (disk full, encoder refused, worker lost)."""


class UsageError(VidwrightError):
    """An option, or a combination of options, makes no sense."""

    exit_code = 2


class OutputExists(VidwrightError):
    """The destination is there already and may not be replaced."""

    exit_code = 3


class BadInput(VidwrightError):
    """The input is missing, not a video, too large, or too damaged to use."""

    exit_code = 4


class ModelRefused(VidwrightError):
    """Weights or a model are missing, foreign, damaged, or do not fit."""

    exit_code = 5


class OutOfMemory(VidwrightError):
    """Memory ran out even at the smallest tile."""

    exit_code = 6


class BatchFailed(VidwrightError):
    """Some files of a batch failed; the others are done."""

    exit_code = 7


class QualityMissed(VidwrightError):
    """A measured figure is below the gate that was asked for."""

    exit_code = 8


class Interrupted(VidwrightError):
    """The user stopped the work; what is finished is kept for a resume."""

    exit_code = 130


#: Not an error: the job is done, but its input was damaged and what could be read was used.
EXIT_DAMAGED_INPUT = 9
