"""The log keeps every row it was given, whatever is killed when, and says each step once."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import types
from pathlib import Path

import av
import numpy as np
import pytest
import torch

from vidwright.core.errors import JobFailed
from vidwright.train.log import Log, read


def steps(log: Log, *numbers: int) -> None:
    for number in numbers:
        log.write("step", step=number, loss=1 / number, losses={"l1": 1 / number}, rate=1e-3, gradient=0.5)


def numbers(run: Path) -> list[int]:
    return [row["step"] for row in read(run) if row["kind"] == "step"]


def test_rows_come_back_as_they_went(tmp_path):
    with Log(tmp_path) as log:
        log.write("start", recipe={"model": "enhance/restorer", "task": {"mix": (("area", 1.0),)}}, parameters=7)
        steps(log, 1)
        assert len(read(tmp_path)) == 2  # there before the log is closed
    first, second = read(tmp_path)
    assert first == {
        "kind": "start",
        "recipe": {"model": "enhance/restorer", "task": {"mix": [["area", 1.0]]}},
        "parameters": 7,
    }
    assert second["kind"] == "step" and second["losses"] == {"l1": 1.0}


def test_what_is_not_finite_is_null_and_the_line_is_json(tmp_path):
    with Log(tmp_path) as log:
        log.write("step", step=1, loss=float("nan"), losses={"a": float("inf"), "b": 1.0}, list=[-float("inf")])

    def refuse(word: str) -> float:
        raise AssertionError(word)

    row = json.loads((tmp_path / "log.jsonl").read_text(), parse_constant=refuse)
    assert row["loss"] is None and row["losses"] == {"a": None, "b": 1.0} and row["list"] == [None]


def test_no_log_is_an_empty_one_and_a_missing_folder_an_error(tmp_path):
    assert read(tmp_path) == []
    with pytest.raises(JobFailed, match="does not exist"):
        Log(tmp_path / "nowhere")


@pytest.mark.parametrize("torn", [b'{"kind":"step","st', b"{", b"\x00\x00", b'{"kind":"step","name":"\xc3'])
def test_a_torn_last_line_is_dropped(tmp_path, torn):
    with Log(tmp_path) as log:
        steps(log, 1, 2)
    path = tmp_path / "log.jsonl"
    path.write_bytes(path.read_bytes() + torn)
    assert numbers(tmp_path) == [1, 2]
    with Log(tmp_path) as log:
        steps(log, 3)
    assert numbers(tmp_path) == [1, 2, 3]
    assert all(json.loads(line) for line in path.read_text().splitlines())


def test_a_killed_writer_loses_nothing(tmp_path):
    """Killed by itself between two rows, with no chance to flush or close."""
    program = (
        "import os, signal, sys; from pathlib import Path; from vidwright.train.log import Log\n"
        "log = Log(Path(sys.argv[1]))\n"
        "for n in range(1, 1001):\n"
        "    log.write('step', step=n, loss=0.5)\n"
        "    if n == 500: os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    assert subprocess.run([sys.executable, "-c", program, str(tmp_path)], env=environment).returncode == -signal.SIGKILL
    assert numbers(tmp_path) == list(range(1, 501))


def test_going_back_leaves_each_step_once(tmp_path):
    with Log(tmp_path) as log:
        log.write("start", recipe={})
        steps(log, *range(1, 8))
        log.write("valid", step=6, metrics={"psnr": 30.0})
        log.write("bad", step=7, batch=9, where="loss")
        log.truncate(5)
        steps(log, 6)
    with Log(tmp_path) as log:  # resumed from the same checkpoint once more
        log.truncate(5)
        log.write("start", recipe={})
        steps(log, 6, 7)
    assert [(row["kind"], row.get("step")) for row in read(tmp_path)] == [
        ("start", None),
        *(("step", n) for n in range(1, 6)),
        ("start", None),
        ("step", 6),
        ("step", 7),
    ]


def test_a_failed_truncation_leaves_the_log(tmp_path, monkeypatch):
    with Log(tmp_path) as log:
        steps(log, 1, 2, 3)

        def full(*_: object) -> None:
            raise OSError(28, "No space left on device")

        with monkeypatch.context() as patch:
            patch.setattr("vidwright.core.files.os.replace", full)
            with pytest.raises(JobFailed, match="disk full"):
                log.truncate(1)
        steps(log, 4)
    assert numbers(tmp_path) == [1, 2, 3, 4]
    assert [path.name for path in tmp_path.iterdir()] == ["log.jsonl"]


def test_a_full_disk_is_said(tmp_path, monkeypatch):
    with Log(tmp_path) as log:
        monkeypatch.setattr("vidwright.train.log.os.write", lambda _, line: len(line) - 3)
        with pytest.raises(JobFailed, match="disk full"):
            steps(log, 1)


@pytest.mark.parametrize("channels", [1, 3])
def test_pictures_are_exact(tmp_path, channels):
    codes = torch.randint(0, 256, (channels, 6, 5), generator=torch.Generator().manual_seed(0))
    with Log(tmp_path) as log:
        path = log.picture(500, "low & high/../x", codes.double() / 255)
    assert path == "pictures/000500-low-high-..-x.png"
    with av.open(str(tmp_path / path)) as file:
        shown = next(file.decode(video=0)).to_ndarray(format="rgb24")
    assert np.array_equal(shown, codes.expand(3, -1, -1).permute(1, 2, 0).numpy())


def test_another_shape_is_refused(tmp_path):
    with Log(tmp_path) as log, pytest.raises(ValueError, match="expected"):
        log.picture(1, "x", torch.zeros(2, 4, 4))
    assert not (tmp_path / "pictures").exists()


class _Board:
    """What `SummaryWriter` is to us, where the package is not installed; remembers what it was told."""

    made: list[_Board] = []  # noqa: RUF012

    def __init__(self, folder: str, purge_step: int | None) -> None:
        self.folder, self.purge, self.closed = Path(folder), purge_step, False
        self.told: list[tuple[str, object, int]] = []
        self.made.append(self)

    def add_scalar(self, name: str, value: float, step: int) -> None:
        self.told.append((name, value, step))

    def add_image(self, name: str, data: torch.Tensor, step: int) -> None:
        self.told.append((name, tuple(data.shape), step))

    def close(self) -> None:
        self.closed = True


def test_tensorboard_is_told_when_it_is_there(tmp_path, monkeypatch):
    module = types.ModuleType("torch.utils.tensorboard")
    module.SummaryWriter = _Board  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", module)
    monkeypatch.setattr(_Board, "made", [])
    with Log(tmp_path) as log:
        log.write("step", step=2, loss=float("nan"), losses={"l1": 0.5}, rate=1e-3, gradient=0.25)
        log.write("valid", step=2, metrics={"psnr": 30.0})
        log.picture(2, "sample", torch.zeros(1, 4, 4))
        log.truncate(1)
        steps(log, 2)
    first, second = _Board.made
    assert first.folder == tmp_path / "tensorboard" and first.purge is None and second.purge == 2
    assert first.told == [
        ("train/rate", 1e-3, 2),
        ("train/gradient", 0.25, 2),
        ("loss/l1", 0.5, 2),
        ("valid/psnr", 30.0, 2),
        ("sample", (3, 4, 4), 2),
    ]
    assert first.closed and second.closed


def test_nothing_is_missed_without_tensorboard(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with Log(tmp_path) as log:
        steps(log, 1)
        log.picture(1, "sample", torch.zeros(3, 4, 4))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["log.jsonl", "pictures"]
