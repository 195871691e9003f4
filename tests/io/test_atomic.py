"""Whatever is killed or refused while a file is written, its name holds the old file or the whole new one.

The killed writers are forked from one small process that has everything imported and has started no threads.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import media
from vidwright.core.errors import JobFailed
from vidwright.core.files import atomic, write_atomic
from vidwright.io import save_video
from writing import numbered, numbers

WARM = """
import json, os, random, resource, signal, sys, time
from pathlib import Path
import torch
torch.set_num_threads(1)
sys.path.insert(0, sys.argv[1])
from writing import numbered
from vidwright.core.errors import VidwrightError
from vidwright.io import open_video, save_video
from dataclasses import replace

folder, source, target = Path(sys.argv[2]), Path(sys.argv[3]), Path(sys.argv[4])
frames = list(numbered(40, (160, 120)))
video = replace(open_video(source), frames=lambda: iter(frames))
video = replace(video, info=replace(video.info, width=160, height=120))

def fork(prepare=lambda: None):
    child = os.fork()
    if child:
        return child
    prepare()
    code = 0
    try:
        save_video(video, target, overwrite=True, preset="veryfast", progress=lambda frames: os.write(4, b"."))
    except VidwrightError as error:
        os.write(3, str(error).encode())
        code = error.exit_code
    os._exit(code)

def parts():
    return [name for name in os.listdir(target.parent) if name.endswith(".part")]
"""

KILLS = """
old = target.read_bytes()
os.dup2(os.open(os.devnull, os.O_WRONLY), 4)
assert os.waitpid(fork(), 0)[1] == 0
new = target.read_bytes()
random.seed(7)
result = {"old": 0, "new": 0, "bad": 0, "polls": 0, "stale": 0}
for number in range(25):
    target.write_bytes(old)
    read, write = os.pipe()
    os.set_blocking(read, False)
    child = fork(lambda: os.dup2(write, 4))
    os.close(write)
    written, goal = 0, 2 * number - 4
    while written < goal and written < len(frames):
        result["polls"] += 1
        result["bad"] += target.read_bytes() not in (old, new)
        try:
            written += len(os.read(read, goal - written))
        except BlockingIOError:
            time.sleep(0.001)
    time.sleep(random.random() * (0.03 if written == len(frames) else 0.005))
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    os.close(read)
    content = target.read_bytes()
    result["old" if content == old else "new" if content == new else "bad"] += 1
    result["stale"] += bool(parts())
assert os.waitpid(fork(), 0)[1] == 0
result |= {"left": parts(), "whole": target.read_bytes() == new, "differ": old != new}
print(json.dumps(result))
"""

LIMITS = """
old = target.read_bytes()
os.dup2(os.open(os.devnull, os.O_WRONLY), 4)
assert os.waitpid(fork(), 0)[1] == 0
size = target.stat().st_size
results = []
for step in range(16):
    target.write_bytes(old)
    read, write = os.pipe()
    def prepare():
        os.dup2(write, 3)
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size * (step + 1) // 16 - 1,) * 2)
    child = fork(prepare)
    os.close(write)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    text = os.read(read, 4096).decode()
    os.close(read)
    results.append([status, text, target.read_bytes() == old, parts()])
print(json.dumps(results))
"""


def run(script: str, folder: Path) -> object:
    """Run a writer over an old file in a process of its own, and give what it printed."""
    source = media.clip(folder / "in.mkv", 40, audio=1)
    (folder / "out").mkdir()
    target = folder / "out" / "film.mp4"
    target.write_bytes(b"the old file")
    tests = str(Path(media.__file__).parent)
    command = [sys.executable, "-c", WARM + script, tests, str(folder), str(source), str(target)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return json.loads(done.stdout)


def test_25_kills_leave_the_old_or_the_whole_new_file(tmp_path):
    result = run(KILLS, tmp_path)
    assert isinstance(result, dict)
    assert result["bad"] == 0 and result["differ"]
    assert result["old"] + result["new"] == 25
    assert result["old"] >= 15 and result["stale"] >= 5, "the kills did not hit a writer at work"
    assert result["polls"] > 25
    assert result["left"] == [] and result["whole"]


def test_a_disk_that_fills_at_any_of_16_points_leaves_the_old_file(tmp_path):
    results = run(LIMITS, tmp_path)
    assert isinstance(results, list) and len(results) == 16
    for status, text, kept, left in results:
        assert status == JobFailed.exit_code
        assert text.splitlines() == [
            str(tmp_path / "out" / "film.mp4"),
            "  cause: disk full while writing",
            "  next:  free some space or write elsewhere, then run the same command again",
        ]
        assert kept and left == []


def test_a_write_that_fails_inside_the_block_leaves_nothing(tmp_path):
    target = tmp_path / "note.txt"
    with pytest.raises(JobFailed, match="disk full"), atomic(target) as temporary:
        temporary.write_text("half")
        raise OSError(28, "No space left on device")
    assert list(tmp_path.iterdir()) == []


def test_a_file_where_the_folder_should_be_is_a_clean_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(JobFailed, match="folder does not exist"):
        write_atomic(tmp_path / "file" / "note.txt", "x")


def test_what_living_writers_hold_is_not_swept(tmp_path):
    mine = tmp_path / f".out.mp4.{os.getppid()}.part"
    other = tmp_path / ".out.mp4.part"
    mine.write_text("")
    other.write_text("")
    dead = tmp_path / ".out.mp4.999999999.part"
    dead.write_text("")
    save_video(numbered(1), tmp_path / "out.mp4")
    assert numbers(tmp_path / "out.mp4") == [0]
    assert sorted(path.name for path in tmp_path.iterdir()) == [mine.name, other.name, "out.mp4"]
