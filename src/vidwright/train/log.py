"""The record of a run: one JSON object per line, sample pictures, and TensorBoard where it is installed.

    RUN/log.jsonl                      rows of kind start, step, valid, bad, throughput and end
    RUN/pictures/000500-name.png       what validations showed
    RUN/tensorboard/                   the same figures and pictures, if the package is there

A row is on its way to the disk when `write` returns: a killed run loses no row, and at most its last one is torn.

Shapes: C channels (1 or 3), H height, W width.
"""

from __future__ import annotations

import json
import math
import os
import re
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from torch import Tensor

from vidwright.core.errors import JobFailed
from vidwright.core.files import explain_os_error, write_atomic
from vidwright.io.stills import encode_still

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter  # pyright: ignore[reportPrivateImportUsage]

Row = dict[str, Any]

LOG, PICTURES, TENSORBOARD = "log.jsonl", "pictures", "tensorboard"

#: Figures of a step that TensorBoard shows beside the loss and its parts.
_OF_A_STEP = ("loss", "rate", "gradient")


def read(run: Path) -> list[Row]:
    """The rows of a run, oldest first; none when there is no log.

    A line that is not a whole JSON object was torn by a kill or a full disk, and is left out.
    """
    try:
        lines = (run / LOG).read_text(encoding="utf-8", errors="replace").split("\n")
    except FileNotFoundError:
        return []
    return [row for row in map(_parsed, lines) if row is not None]


def _parsed(line: str) -> Row | None:
    try:
        row = json.loads(line)
    except ValueError:
        return None
    return row if isinstance(row, dict) and isinstance(row.get("kind"), str) else None


class Log:
    """Appends to the record of the run in an existing folder; one process of a run has one.

    Raises `JobFailed` when the folder is missing or can not be written to.
    """

    def __init__(self, run: Path) -> None:
        self.run = run
        self._file = self._opened()
        self._board: SummaryWriter | None = None
        self._board_asked = False
        self._purge: int | None = None

    def write(self, kind: str, **fields: Any) -> None:
        """Append one row of `kind`; numbers that are not finite, which JSON has not, become null.

        The row is one write to the end of the file, not held back. Raises `JobFailed` when the disk is full.
        """
        row = _finite({"kind": kind, **fields})
        line = _line(row).encode()
        try:
            if os.write(self._file, line) != len(line):
                raise JobFailed(self.run / LOG, "disk full while writing", "free some space, then run with --resume")
        except OSError as error:
            raise explain_os_error(self.run / LOG, error) from error
        self._show(row)

    def picture(self, step: int, name: str, data_CHW: Tensor) -> str:
        """Keep one picture, (C, H, W) in [0, 1] with one or three channels; returns its path, relative to the run.

        What `name` has besides letters, digits, dots and dashes becomes a dash. Raises `ValueError` for another shape,
        `JobFailed` when it can not be written.
        """
        data_CHW = data_CHW.detach().float().cpu()
        if data_CHW.ndim == 3 and data_CHW.shape[0] == 1:
            data_CHW = data_CHW.expand(3, -1, -1)
        content = encode_still(data_CHW, format="png")
        place = self.run / PICTURES / f"{step:06d}-{re.sub(r'[^A-Za-z0-9.]+', '-', name).strip('-.') or 'picture'}.png"
        place.parent.mkdir(exist_ok=True)
        write_atomic(place, content)
        if board := self._tensorboard():
            board.add_image(name, data_CHW.clamp(0, 1), step)
        return place.relative_to(self.run).as_posix()

    def truncate(self, step: int) -> None:
        """Forget the rows of later steps, as a run does that goes back to `step`: resumed, or after a bad batch.

        So each step is in the log once. Raises `JobFailed` when the log can not be written; it stays as it was.
        """
        kept = [row for row in read(self.run) if row.get("step", 0) <= step]
        write_atomic(self.run / LOG, "".join(map(_line, kept)))
        os.close(self._file)
        self._file = self._opened()
        if self._board is not None:
            self._board.close()
        self._board, self._board_asked, self._purge = None, False, step + 1

    def close(self) -> None:
        os.close(self._file)
        if self._board is not None:
            self._board.close()

    def __enter__(self) -> Log:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def _opened(self) -> int:
        """The log, ready to append: a torn last line goes first, lest the next row be joined to it."""
        path = self.run / LOG
        try:
            if path.exists() and not path.read_bytes().endswith(b"\n"):
                write_atomic(path, "".join(map(_line, read(self.run))))
            return os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
        except OSError as error:
            raise explain_os_error(path, error) from error

    def _tensorboard(self) -> SummaryWriter | None:
        """Its writer, made at the first use, or None where the package is not installed."""
        if not self._board_asked:
            self._board_asked = True
            try:
                from torch.utils.tensorboard import SummaryWriter  # pyright: ignore[reportPrivateImportUsage]
            except ImportError:
                return None
            self._board = SummaryWriter(str(self.run / TENSORBOARD), purge_step=self._purge)
        return self._board

    def _show(self, row: Row) -> None:
        """The figures of a step or a validation to TensorBoard."""
        if row["kind"] not in ("step", "valid") or (board := self._tensorboard()) is None:
            return
        figures: Row = {f"train/{name}": row.get(name) for name in _OF_A_STEP}
        for group, prefix in (("losses", "loss/"), ("metrics", "valid/")):
            figures |= {f"{prefix}{name}": value for name, value in row.get(group, {}).items()}
        for name, value in figures.items():
            if value is not None:
                board.add_scalar(name, value, row["step"])


def _line(row: Row) -> str:
    return json.dumps(row, allow_nan=False, separators=(",", ":")) + "\n"


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): _finite(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(inner) for inner in value]
    return value
