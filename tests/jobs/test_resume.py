"""Whatever ends a job, running it again gives the frames of an undisturbed run; and its memory does not grow."""

from __future__ import annotations

import errno
import json
import os
import random
import shutil
import threading
from fractions import Fraction

import pytest

import media
import tiny
from doing import exact, listing, pictures
from vidwright.core import files
from vidwright.core.errors import Interrupted, JobFailed
from vidwright.jobs.run import run
from vidwright.jobs.work import Local, Maker
from writing import numbers

HERE = Local(threads=1)


@pytest.fixture
def source(tmp_path):
    return media.clip(tmp_path / "in.mkv", frames=24, cuts=(7,))


@pytest.fixture
def short_segments(monkeypatch):
    monkeypatch.setattr("vidwright.jobs.planning.SEGMENT_SECONDS", Fraction(1, 5))


def stop_at(stage: str, done: int):
    """`watch` and `stop` that ask for an end as soon as `stage` has done that many frames."""
    stop = threading.Event()

    def watch(event) -> None:
        if event.stage == stage and event.done >= done:
            stop.set()

    return {"watch": watch, "stop": stop}


def test_stopped_after_a_segment_and_run_again(tmp_path, source, short_segments):
    model = str(tiny.weights(tmp_path / "w.safetensors"))
    undisturbed = run(exact(source, tmp_path / "a.mkv", model=model), on=HERE)
    job = exact(source, tmp_path / "b.mkv", model=model)
    with pytest.raises(Interrupted, match="stopped with 2 of 6 segments done"):
        run(job, on=HERE, **stop_at("work", 6))  # in the middle of the second one, which is finished first
    assert not job.output.exists()
    report = run(job, on=HERE)
    assert (report.details["segments"], report.details["resumed_segments"]) == (6, 2)
    assert pictures(report.output) == pictures(undisturbed.output)
    assert not (tmp_path / "b.mkv.job").exists()


def test_stopped_while_reading_leaves_nothing(tmp_path, source, short_segments):
    with pytest.raises(Interrupted) as error:
        run(exact(source, tmp_path / "out.mkv"), on=HERE, **stop_at("plan", 3))
    assert len(str(error.value).splitlines()) == 3 and listing(tmp_path) == ["in.mkv"]


def test_stopped_in_the_last_segment_is_done(tmp_path, source, short_segments):
    assert run(exact(source, tmp_path / "out.mkv"), on=HERE, **stop_at("work", 24)).frames == 24


def test_progress_goes_on_where_it_stopped(tmp_path, source, short_segments):
    with pytest.raises(Interrupted):
        run(exact(source, tmp_path / "out.mkv"), on=HERE, **stop_at("work", 1))
    events = []
    run(exact(source, tmp_path / "out.mkv"), on=HERE, watch=events.append)
    assert [event.done for event in events if event.stage == "work"] == list(range(5, 25))
    assert not [event for event in events if event.stage == "plan"]  # the file is not read through again


@pytest.mark.parametrize("change", ["input", "option", "restart", "damage"])
def test_what_was_finished_for_another_job_is_not_used(tmp_path, source, short_segments, change):
    job = exact(source, tmp_path / "out.mkv")
    with pytest.raises(Interrupted):
        run(job, on=HERE, **stop_at("work", 1))
    frames = 24
    if change == "input":
        frames = 20
        media.clip(source, frames=frames, cuts=(3,))
    if change == "option":
        job = exact(source, tmp_path / "out.mkv", scale=3)
    if change == "damage":
        (segment,) = (tmp_path / "out.mkv.job").glob("0000.*")
        segment.write_bytes(segment.read_bytes()[:-1])
    report = run(job, on=HERE, restart=change == "restart")
    assert report.details["resumed_segments"] == 0
    assert numbers(report.output) == list(range(frames))
    assert listing(tmp_path) == ["in.mkv", "out.mkv"]


@pytest.mark.parametrize("error", [KeyboardInterrupt, MemoryError, RuntimeError("CPUAllocator: can't allocate")])
def test_an_error_in_mid_segment_keeps_what_is_finished(tmp_path, source, short_segments, monkeypatch, error):
    """A second Ctrl-C, or memory that runs out: the old segments stay, no half one is taken for whole."""
    made = Maker.make

    def fails(self, segment, folder, progress):
        def told(frames: int) -> None:
            if segment.number == 2:
                raise error
            progress(frames)

        return made(self, segment, folder, told)

    monkeypatch.setattr(Maker, "make", fails)
    job = exact(source, tmp_path / "out.mkv")
    with pytest.raises(BaseException) as raised:
        run(job, on=HERE)
    assert type(raised.value).__name__ == ("KeyboardInterrupt" if error is KeyboardInterrupt else "OutOfMemory")
    assert listing(tmp_path / "out.mkv.job") == ["0000.mkv", "0001.mkv", "lock", "manifest.json"]
    monkeypatch.setattr(Maker, "make", made)
    report = run(job, on=HERE)
    assert report.details["resumed_segments"] == 2 and numbers(report.output) == list(range(24))


def test_a_source_that_loses_frames_while_it_is_read_is_noticed(tmp_path, source, short_segments):
    def shorten(event) -> None:
        if (event.stage, event.done) == ("plan", 24):
            media.clip(source, frames=12)

    with pytest.raises(JobFailed, match="the file changed while it was read"):
        run(exact(source, tmp_path / "out.mkv"), on=HERE, watch=shorten)
    assert not (tmp_path / "out.mkv").exists()


def test_a_full_disk_is_named_and_the_job_goes_on_later(tmp_path, source, short_segments, monkeypatch):
    """The ninth file or folder to be synced finds no room."""
    synced, sync = [], files.sync

    def full(path) -> None:
        synced.append(path)
        if len(synced) == 9:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        sync(path)

    monkeypatch.setattr(files, "sync", full)
    with pytest.raises(JobFailed, match="disk full"):
        run(exact(source, tmp_path / "out.mkv"), on=HERE)
    rows = json.loads((tmp_path / "out.mkv.job" / "manifest.json").read_bytes())["done"]
    report = run(exact(source, tmp_path / "out.mkv"), on=HERE)
    assert report.details["resumed_segments"] == len(rows) > 0
    assert listing(tmp_path) == ["in.mkv", "out.mkv"]


def test_killed_at_any_moment_and_run_again(tmp_path, source, forks):
    moment = random.Random(0)
    seconds = forks.run(exact(source, tmp_path / "whole.mkv"), segment="1/5")["seconds"]
    wanted = pictures(tmp_path / "whole.mkv")
    killed, resumed = 0, 0
    for number in range(20):
        job = exact(source, tmp_path / f"{number}.mkv")
        ended = forks.run(job, segment="1/5", kill_after=moment.uniform(0, seconds))
        killed += ended["status"] == -9
        if ended["status"] == 0:  # the machine has become faster
            seconds = min(seconds, ended["seconds"])
        if job.output.exists():
            assert pictures(job.output) == wanted  # complete, or not there
            # A kill in the instant between the rename and the clean-up leaves the folder of a job that is done.
            shutil.rmtree(tmp_path / f"{number}.mkv.job", ignore_errors=True)
            continue
        again = forks.run(job, segment="1/5")
        assert again["status"] == 0 and pictures(job.output) == wanted
        resumed += again["resumed"] > 0
    assert killed >= 10 and resumed >= 3
    assert [name for name in listing(tmp_path) if not name.endswith(".mkv")] == []


def test_memory_does_not_grow_with_length(tmp_path, forks):
    peaks = []
    for frames in (40, 280):
        source = media.clip(tmp_path / f"{frames}.mkv", frames, (128, 96), options={"preset": "ultrafast"})
        ended = forks.run(exact(source, tmp_path / f"out{frames}.mkv"), segment="1")
        assert ended["status"] == 0
        peaks.append(ended["peak"])
    assert peaks[1] - peaks[0] <= 16 * 2**20
