"""Files appear whole or not at all, and failures say what to do."""

from __future__ import annotations

import errno
import os
import subprocess
import sys

import pytest

from vidwright.core.errors import JobFailed
from vidwright.core.files import atomic, explain_os_error, write_atomic


def names(folder) -> list[str]:
    return sorted(os.listdir(folder))


@pytest.mark.parametrize("content", [b"", b"new", "text with \u00fc"])
def test_content_is_written(tmp_path, content):
    target = tmp_path / "file"
    write_atomic(target, content)
    assert target.read_bytes() == (content.encode() if isinstance(content, str) else content)
    assert names(tmp_path) == ["file"]


def test_the_old_file_is_there_until_the_new_one_is_whole(tmp_path):
    target = tmp_path / "file"
    target.write_bytes(b"old")
    with atomic(target) as temporary:
        temporary.write_bytes(b"new")
        assert target.read_bytes() == b"old"
        assert temporary.parent == target.parent
    assert target.read_bytes() == b"new"


def test_an_error_keeps_the_old_file_and_leaves_nothing(tmp_path):
    target = tmp_path / "file"
    target.write_bytes(b"old")
    with pytest.raises(ZeroDivisionError), atomic(target) as temporary:
        temporary.write_bytes(b"half")
        raise ZeroDivisionError
    assert target.read_bytes() == b"old" and names(tmp_path) == ["file"]


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (errno.ENOSPC, "disk full"),
        (errno.EROFS, "may not be written"),
        (errno.ENOENT, "does not exist"),
        (errno.EIO, "failed"),
    ],
)
def test_errors_of_the_disk_are_three_lines(tmp_path, number, words):
    target = tmp_path / "file"
    with pytest.raises(JobFailed, match=words) as error, atomic(target):
        raise OSError(number, os.strerror(number))
    assert len(str(error.value).splitlines()) == 3 and str(target) in str(error.value)
    assert str(explain_os_error(target, OSError(number, os.strerror(number)))) == str(error.value)


def test_what_killed_writers_left_is_swept_and_what_living_ones_hold_is_not(tmp_path):
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    (tmp_path / f".file.{dead.pid}.part").write_bytes(b"half")
    (tmp_path / f".file.{os.getppid()}.part").write_bytes(b"of another, alive")
    (tmp_path / f".file.other.{dead.pid}.part").write_bytes(b"of another file")
    write_atomic(tmp_path / "file", b"new")
    assert names(tmp_path) == sorted(["file", f".file.{os.getppid()}.part", f".file.other.{dead.pid}.part"])


def test_a_long_name_in_any_script_has_room_for_its_temporary(tmp_path):
    write_atomic(tmp_path / ("n" * 240), b"new")
    assert names(tmp_path) == ["n" * 240]
