"""The job folder: used again only by the same job, by one process at a time, and never trusted blindly."""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import os
from fractions import Fraction
from pathlib import Path

import pytest

from vidwright.core import Damage
from vidwright.core.errors import JobFailed
from vidwright.core.files import sha256
from vidwright.jobs.folder import MANIFEST, Done, Plan, fingerprint, open_folder
from vidwright.jobs.segments import Segment

KEY = {"job": {"scale": 2}, "weights": "", "source": {"bytes": 3}}
PLAN = Plan(
    (
        Segment(0, 0, 10, 0, 12, 10, Fraction(0), Fraction(1001, 3003)),
        Segment(1, 10, 15, 7, 15, 5, Fraction(1001, 3003), Fraction(2)),
    ),
    Damage(undecodable=1, corrupt=2, retimed=3, truncated=True),
    ("a warning",),
)


def finish(folder, number: int, content: bytes = b"frames") -> Done:
    """Put a finished segment into `folder`."""
    path = folder.path / f"{number:04d}.mp4"
    path.write_bytes(content)
    done = Done(number, path.name, 5, sha256(path), ("a warning of its own",))
    folder.add(done)
    return done


@pytest.fixture
def output(tmp_path) -> Path:
    return tmp_path / "out.mp4"


@pytest.fixture
def left(output) -> Path:
    """What an interrupted run leaves: a plan and both its segments."""
    with open_folder(output, KEY) as folder:
        folder.keep_plan(PLAN)
        finish(folder, 0)
        finish(folder, 1)
    return folder.path


def test_plan_and_segments_come_back(output, left):
    assert left == output.with_name("out.mp4.job")
    with open_folder(output, KEY) as folder:
        assert folder.plan == PLAN and PLAN.frames == 15
        assert sorted(folder.done) == [0, 1]
        digest = hashlib.sha256(b"frames").hexdigest()
        assert folder.done[1] == Done(1, "0001.mp4", 5, digest, ("a warning of its own",))


@pytest.mark.parametrize(
    "key",
    [KEY | {"job": {"scale": 3}}, KEY | {"weights": "1"}, KEY | {"source": {"bytes": 4}}, KEY | {"more": 1}, {}],
    ids=str,
)
def test_another_job_starts_afresh(output, left, key):
    with open_folder(output, key) as folder:
        assert folder.plan is None and folder.done == {}


def test_restart_forgets(output, left):
    with open_folder(output, KEY, restart=True) as folder:
        assert folder.plan is None and folder.done == {}


@pytest.mark.parametrize("change", ["flipped", "shorter", "longer", "gone", "folder"])
def test_a_segment_that_is_not_what_was_written_is_redone(output, left, change):
    path = left / "0000.mp4"
    content = path.read_bytes()
    path.unlink()
    if change == "folder":
        path.mkdir()
    elif change != "gone":
        path.write_bytes({"flipped": b"Frames", "shorter": content[:-1], "longer": content + b"x"}[change])
    with open_folder(output, KEY) as folder:
        assert folder.plan == PLAN and sorted(folder.done) == [1]


def manifests(whole: str) -> dict[str, str]:
    rows = json.loads(whole)
    segment = {"number": 0, "start": 0, "stop": 10, "first": 0, "last": 12, "frames": 10, "begin": "0"}
    return {
        "empty": "",
        "half": whole[: len(whole) // 2],
        "no JSON": "{]",
        "not an object": "[1, 2]",
        "not text": "\0\0",
        "no plan": json.dumps(rows | {"plan": None}),
        "row without a time": json.dumps(rows | {"plan": rows["plan"] | {"segments": [segment]}}),
        "time that is none": json.dumps(rows | {"plan": rows["plan"] | {"segments": [segment | {"end": "1/0"}]}}),
        "unknown field": json.dumps(rows | {"done": [{"colour": 1, "warnings": []}]}),
    }


@pytest.mark.parametrize("case", list(manifests('{"plan": {}}')))
def test_a_manifest_that_cannot_be_read_is_forgotten(output, left, case):
    manifest = left / MANIFEST
    manifest.write_text(manifests(manifest.read_text())[case])
    with open_folder(output, KEY) as folder:
        assert folder.plan is None and folder.done == {}


def test_nothing_finished_leaves_no_folder(output):
    with open_folder(output, KEY) as folder:
        folder.keep_plan(PLAN)
        assert folder.path.is_dir()
    assert not folder.path.exists()
    with pytest.raises(ZeroDivisionError), open_folder(output, KEY):
        raise ZeroDivisionError
    assert not folder.path.exists()


def test_what_is_finished_stays_when_the_work_fails(output):
    with pytest.raises(ZeroDivisionError), open_folder(output, KEY) as folder:
        folder.keep_plan(PLAN)
        finish(folder, 1)
        raise ZeroDivisionError
    with open_folder(output, KEY) as again:
        assert sorted(again.done) == [1]


def test_remove_leaves_nothing(output, left):
    with open_folder(output, KEY) as folder:
        folder.remove()
    assert os.listdir(output.parent) == []


def hold(output: Path, ready, release) -> None:
    with open_folder(output, KEY):
        ready.set()
        release.wait(30)


def test_a_second_process_is_refused(output, left):
    context = multiprocessing.get_context("fork")
    ready, release = context.Event(), context.Event()
    other = context.Process(target=hold, args=(output, ready, release))
    other.start()
    try:
        assert ready.wait(20)
        with pytest.raises(JobFailed, match="another process is working on this job"), open_folder(output, KEY):
            pass
    finally:
        release.set()
        other.join()
    with open_folder(output, KEY) as folder:  # and the refused one took nothing away
        assert sorted(folder.done) == [0, 1]


def test_a_folder_that_cannot_be_made_is_three_lines(tmp_path):
    with pytest.raises(JobFailed) as error, open_folder(tmp_path / "none" / "out.mp4", KEY):
        pass
    assert len(str(error.value).splitlines()) == 3


@pytest.mark.parametrize("size", [0, 1, 1000, 3_000_000])
def test_fingerprints_tell_files_apart(tmp_path, size):
    path = tmp_path / "in"
    content = bytearray(os.urandom(size))
    path.write_bytes(content)
    before = fingerprint(path)
    assert fingerprint(path) == before and before["bytes"] == size
    os.utime(path, ns=(0, 0))
    assert fingerprint(path) != before
    os.utime(path, ns=(0, before["modified"]))
    assert fingerprint(path) == before
    for at in {0, size - 1} if size else ():
        changed = bytearray(content)
        changed[at] ^= 1
        path.write_bytes(changed)
        os.utime(path, ns=(0, before["modified"]))
        assert fingerprint(path) != before
