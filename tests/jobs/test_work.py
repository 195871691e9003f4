"""Worker processes: the same frames as one process makes, and none of them outlives its job."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import threading
from fractions import Fraction
from pathlib import Path

import pytest

import media
import tiny
from doing import exact, listing, pictures
from vidwright.core.errors import Interrupted, JobFailed, ModelRefused
from vidwright.jobs.run import run
from vidwright.jobs.work import Local
from waiting import until

PARENT = """
import sys
from fractions import Fraction
from pathlib import Path
from vidwright.jobs import planning
from vidwright.jobs.enhance import Enhance
from vidwright.jobs.run import run
from vidwright.jobs.work import Local

if __name__ == "__main__":
    planning.SEGMENT_SECONDS = Fraction(1, 5)
    plain = {"model": "lanczos", "clean": "off", "deinterlace": "off", "codec": "ffv1"}
    job = Enhance(input=Path(sys.argv[1]), output=Path(sys.argv[2]), scale=8, **plain)
    run(job, on=Local(workers=2, threads=1))
"""


@pytest.fixture(autouse=True)
def short_segments(monkeypatch):
    monkeypatch.setattr("vidwright.jobs.planning.SEGMENT_SECONDS", Fraction(1, 5))


def children(parent: int) -> list[int]:
    """Processes of `parent` that are not just remains."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[1]) == parent and fields[0] != "Z":
            found.append(int(folder.name))
    return found


def alive(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_the_number_of_workers_and_threads_changes_no_frame(tmp_path):
    """Stopped in the middle by the way: both segments under way are finished, and one process makes the rest."""
    source = media.clip(tmp_path / "in.mkv", frames=30, size=(160, 96), cuts=(12,))
    options = {"model": str(tiny.weights(tmp_path / "w.safetensors")), "dtype": "bf16"}
    alone = run(exact(source, tmp_path / "alone.mkv", **options), on=Local(workers=1, threads=2))
    assert alone.details["segments"] == 7
    job = exact(source, tmp_path / "together.mkv", **options)
    stop = threading.Event()

    def watch(event) -> None:
        if event.stage == "work" and event.done >= 15:
            stop.set()

    with pytest.raises(Interrupted):
        run(job, on=Local(workers=2, threads=1), watch=watch, stop=stop)
    assert multiprocessing.active_children() == []
    report = run(job, on=Local(workers=1, threads=1))
    assert report.details["resumed_segments"] >= 4
    assert pictures(report.output) == pictures(alone.output) and len(set(pictures(alone.output))) == 30


def test_a_worker_that_dies_is_a_clean_error(tmp_path):
    source = media.clip(tmp_path / "in.mkv", frames=60)

    def watch(event) -> None:
        if event.stage == "work" and event.done > 0:
            for child in multiprocessing.active_children():
                child.kill()

    with pytest.raises(JobFailed, match="a worker process died") as error:
        run(exact(source, tmp_path / "out.mkv", scale=8), on=Local(workers=2, threads=1), watch=watch)
    assert len(str(error.value).splitlines()) == 3
    assert multiprocessing.active_children() == [] and not (tmp_path / "out.mkv").exists()


def test_an_error_in_a_worker_is_the_error_of_the_job(tmp_path):
    source, weights = media.clip(tmp_path / "in.mkv", frames=12), tiny.weights(tmp_path / "w.safetensors")

    def watch(event) -> None:
        if event.stage == "work":
            weights.write_bytes(b"gone")

    with pytest.raises(ModelRefused, match="not a safetensors file"):
        run(exact(source, tmp_path / "out.mkv", model=str(weights)), on=Local(workers=2, threads=1), watch=watch)
    assert multiprocessing.active_children() == []
    assert listing(tmp_path) == ["in.mkv", "w.safetensors"]


def test_no_worker_outlives_a_killed_parent(tmp_path):
    source = media.clip(tmp_path / "in.mkv", frames=400, size=(160, 120), options={"preset": "ultrafast"})
    (tmp_path / "parent.py").write_text(PARENT)
    command = [sys.executable, str(tmp_path / "parent.py"), str(source), str(tmp_path / "out.mkv")]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as parent:
        until(lambda: parent.poll() is not None or list((tmp_path).glob("out.mkv.job/0*.mkv")), 60)
        workers = children(parent.pid)
        assert len(workers) >= 2 and parent.poll() is None
        os.kill(parent.pid, signal.SIGKILL)
    until(lambda: not any(alive(worker) for worker in workers), 10)
    assert not (tmp_path / "out.mkv").exists()
