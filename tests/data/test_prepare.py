"""Preparing a folder: each fault is found and named, sources stay whole, the same folder gives the same index."""

from __future__ import annotations

import json
import os
from pathlib import Path

import av
import pytest
import torch
from torch.nn import functional as F

import scenes
from vidwright.core.errors import BadInput, JobFailed, UsageError
from vidwright.data.index import Index, open_shots
from vidwright.data.prepare import prepare

SIZE = (96, 64)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A folder with one of each fault."""
    folder = tmp_path_factory.mktemp("clips")
    first = scenes.scene(1, 24, SIZE)
    scenes.write(folder / "b_1.mp4", first)
    scenes.write(folder / "b_2.mp4", torch.cat([scenes.scene(2, 20, SIZE), scenes.scene(3, 9, SIZE)]))
    scenes.write(folder / "c/any.mkv", scenes.scene(4, 20, SIZE))
    scenes.write(folder / "d.mp4", scenes.scene(5, 20, SIZE))
    scenes.write(folder / "x_black.mp4", scenes.scene(6, 20, SIZE) * 0.05)
    grain = 0.012 * torch.randn(20, 3, 64, 96, generator=torch.Generator().manual_seed(0))
    scenes.write(folder / "x_static.mp4", scenes.scene(7, 1, SIZE) + grain)
    (folder / "x_same.mp4").write_bytes((folder / "b_1.mp4").read_bytes())
    scenes.write(folder / "x_recoded.mp4", first, crf=38)
    scenes.write(folder / "x_small.mkv", F.interpolate(first, scale_factor=0.5, mode="area"))
    (folder / "x_text.mp4").write_text("not a video")
    (folder / "x_empty.mp4").touch()
    whole = scenes.write(folder / "x_cut.mkv", scenes.scene(8, 40, SIZE)).read_bytes()
    (folder / "x_cut.mkv").write_bytes(whole[: len(whole) // 2])
    return folder


@pytest.fixture(scope="module")
def index(folder, tmp_path_factory) -> Index:
    return prepare(folder, tmp_path_factory.mktemp("set"), valid=0.3)


def test_what_is_kept(index):
    kept = [(shot.file.as_posix(), shot.first, shot.frames, shot.source) for shot in index.shots]
    assert kept == [("b_1.mp4", 0, 24, "b"), ("b_2.mp4", 0, 20, "b"), ("c/any.mkv", 0, 20, "c"), ("d.mp4", 0, 20, "d")]
    assert all((shot.width, shot.height) == SIZE for shot in index.shots)


def test_what_is_dropped_and_why(index):
    why = {(each.file.as_posix(), each.first): each.reason for each in index.dropped}
    assert why.pop(("b_2.mp4", 20)) == "short: 9 frames of 16"
    assert why.pop(("x_black.mp4", 0)).startswith("black: ")
    assert why.pop(("x_static.mp4", 0)).startswith("static: ")
    assert why.pop(("x_same.mp4", 0)) == "copy: the same file as b_1.mp4"
    for name in ("x_recoded.mp4", "x_small.mkv"):
        assert why.pop((name, 0)) == "copy: it shows the same as b_1.mp4 from frame 0"
    assert why.pop(("x_text.mp4", 0)).startswith("unreadable: this is not a video")
    assert why.pop(("x_empty.mp4", 0)) == "unreadable: the file is empty"
    assert why.pop(("x_cut.mkv", 0)).startswith("damaged: ")
    assert not why
    assert index.reasons()["copy"] == 3


def test_no_source_is_in_two_parts(index):
    train, valid = set(index.sources("train")), set(index.sources("valid"))
    assert train and valid and not train & valid
    assert train | valid == {"b", "c", "d"}


def test_the_same_folder_gives_the_same_files(folder, index, tmp_path):
    told = []
    prepare(folder, tmp_path / "new" / "set", valid=0.3, progress=lambda done, total: told.append((done, total)))
    assert told == [(n, 12) for n in range(1, 13)]
    again = json.loads((tmp_path / "new" / "set" / "index.json").read_text())
    assert again["shots"] == json.loads(json.dumps(index.as_json()))["shots"]
    assert set(again["files"]) == {"b_1.mp4", "b_2.mp4", "c/any.mkv", "d.mp4"}


def test_the_sheet_shows_every_piece(folder, tmp_path):
    prepare(folder, tmp_path, valid=0.3)
    with av.open(str(tmp_path / "sheet.png")) as file:
        sheet = next(file.decode(video=0)).to_ndarray(format="rgb24")
    red = (sheet == (230, 40, 40)).all(-1)
    blue = (sheet == (50, 130, 250)).all(-1)
    frame = 134 * 78 - 128 * 72
    assert red.sum() >= 9 * frame  # nine dropped pieces, and their letters
    assert frame <= blue.sum() < red.sum()
    assert sheet.shape[1] == 10 * 134 and sheet.shape[0] == 2 * (78 + 13)


def test_open_shots(folder, tmp_path):
    prepare(folder, tmp_path, valid=0.3)
    parts = {split: open_shots(tmp_path, split) for split in ("train", "valid", "all")}
    assert len(parts["train"]) + len(parts["valid"]) == len(parts["all"]) == 4
    assert all(shot.file.is_file() for shot in parts["all"])


def test_clips_may_move_with_their_index(folder, tmp_path):
    before = tmp_path / "before"
    scenes.write(before / "clips" / "a.mp4", scenes.scene(1, 20))
    prepare(before / "clips", before)
    before.rename(tmp_path / "after")
    assert [shot.file.is_file() for shot in open_shots(tmp_path / "after", "all")] == [True]


def test_files_that_changed_since(tmp_path):
    clip = scenes.write(tmp_path / "clips" / "a.mp4", scenes.scene(1, 20))
    prepare(clip.parent, tmp_path / "set")
    with clip.open("ab") as file:
        file.write(b"more")
    with pytest.raises(BadInput, match="has changed since"):
        open_shots(tmp_path / "set", "all")
    clip.unlink()
    with pytest.raises(BadInput, match="the file is gone"):
        open_shots(tmp_path / "set", "all")


def test_one_source_leaves_nothing_to_validate_on(tmp_path):
    scenes.write(tmp_path / "clips" / "a_1.mp4", scenes.scene(1, 20))
    assert prepare(tmp_path / "clips", tmp_path / "set").sources("valid") == ()
    with pytest.raises(BadInput, match="nothing is left for valid"):
        open_shots(tmp_path / "set", "valid")


def test_a_bare_folder_of_clips(folder, tmp_path):
    for name in ("b_1.mp4", "b_2.mp4", "d.mp4"):
        (tmp_path / name).write_bytes((folder / name).read_bytes())
    shots = open_shots(tmp_path, "all")
    assert [(shot.file.name, shot.first, shot.frames) for shot in shots] == [
        ("b_1.mp4", 0, 24),
        ("b_2.mp4", 0, 29),
        ("d.mp4", 0, 20),
    ]
    held = {shot.source for shot in open_shots(tmp_path, "valid")}
    assert held | {shot.source for shot in open_shots(tmp_path, "train")} == {"b", "d"} and len(held) == 1


def test_long_shots_are_cut_into_pieces(tmp_path, monkeypatch):
    monkeypatch.setattr("vidwright.data.index.PIECE_FRAMES", 20)
    scenes.write(tmp_path / "clips" / "long.mp4", scenes.scene(1, 48))
    index = prepare(tmp_path / "clips", tmp_path / "set", shortest=5)
    assert [(shot.first, shot.frames) for shot in index.shots] == [(0, 20), (20, 20), (40, 8)]
    assert [(shot.first, shot.frames) for shot in open_shots(tmp_path / "clips", "all")] == [(0, 20), (20, 20), (40, 8)]


def test_nothing_to_use(tmp_path):
    with pytest.raises(BadInput, match="no clip in this folder"):
        prepare(tmp_path, tmp_path / "set")
    (tmp_path / "a.mp4").write_text("no video")
    with pytest.raises(BadInput, match="no clip in it is of use"):
        prepare(tmp_path, tmp_path / "set")
    assert not (tmp_path / "set" / "index.json").exists()
    for numbers in ({"valid": 1.0}, {"valid": -0.1}, {"shortest": 0}):
        with pytest.raises(UsageError):
            prepare(tmp_path, tmp_path / "set", **numbers)


@pytest.mark.skipif(os.name != "posix", reason="needs /dev/null to be no folder")
def test_an_output_that_cannot_be_written(folder):
    with pytest.raises(JobFailed):
        prepare(folder, Path("/dev/null/set"))


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"schema": 99}', '{"schema": 1, "folder": 3}', "\x00"])
def test_a_damaged_index(tmp_path, content):
    (tmp_path / "index.json").write_text(content)
    with pytest.raises(BadInput, match="prepare` again"):
        open_shots(tmp_path, "all")
