"""The user's cache: where it is, and what goes when it is full."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from doing import listing
from vidwright.core.errors import JobFailed
from vidwright.jobs import cache


def put(path: Path, size: int, *, used: int) -> Path:
    """A file that was last used so many hours ago, and made long before."""
    path.write_bytes(b"x" * size)
    now = time.time()
    os.utime(path, (now - 3600 * used, now - 10**6))
    return path


@pytest.fixture
def full(tmp_path, monkeypatch):
    """Four files of 100 bytes in a cache for 350; which was made last says nothing."""
    monkeypatch.setattr(cache, "MOST_BYTES", 350)
    for name, used in (("a", 3), ("b", 1), ("c", 4), ("d", 2)):
        put(tmp_path / name, 100, used=used)
    return tmp_path


def test_those_used_last_are_kept_until_all_fits(full):
    cache.prune(put(full / "new", 100, used=0))
    assert listing(full) == ["b", "d", "new"]


def test_what_was_used_again_stays(full):
    made = (full / "c").stat().st_mtime_ns
    cache.used(full / "c")
    assert (full / "c").stat().st_mtime_ns == made and time.time() - (full / "c").stat().st_atime < 60
    cache.prune(put(full / "new", 100, used=0))
    assert listing(full) == ["b", "c", "new"]


def test_the_newest_stays_however_large_it_is_and_long_ago(full):
    cache.prune(put(full / "new", 1000, used=9))
    assert listing(full) == ["new"]


def test_all_that_a_job_needs_stays(full):
    cache.prune(put(full / "new", 100, used=0), full / "c", full / "a")
    assert listing(full) == ["a", "c", "new"]


def test_what_a_job_may_be_using_stays(full):
    cache.used(full / "a")
    cache.used(full / "c")
    cache.prune(put(full / "new", 1000, used=0))
    assert listing(full) == ["a", "c", "new"]


def test_nothing_goes_while_there_is_room_and_folders_stay(tmp_path, monkeypatch):
    monkeypatch.setattr(cache, "MOST_BYTES", 300)
    (tmp_path / "folder").mkdir()
    for name in ("a", "b"):
        put(tmp_path / name, 100, used=5)
    cache.prune(put(tmp_path / "new", 100, used=0))
    assert listing(tmp_path) == ["a", "b", "folder", "new"]


def test_it_lies_where_the_user_keeps_caches(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "mine"))
    assert cache.folder() == tmp_path / "mine" / "vidwright" / "adapted" and not cache.folder().exists()
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert cache.folder() == tmp_path / "home" / ".cache" / "vidwright" / "adapted"


def test_a_folder_that_cannot_be_made_says_so(tmp_path):
    cache.make_folder(tmp_path / "a" / "b")
    cache.make_folder(tmp_path / "a" / "b")
    assert (tmp_path / "a" / "b").is_dir()
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(JobFailed, match="file"):
        cache.make_folder(tmp_path / "file" / "b")
