"""`vidwright data prepare` as a person runs it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import scenes
from vidwright.cli.data import data


def run(*arguments: object) -> None:
    data(
        [str(argument) for argument in arguments], exit_on_error=False, print_error=False, result_action="return_value"
    )


@pytest.fixture(scope="module")
def clips(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("clips")
    for number, name in enumerate(("walk_1.mp4", "walk_2.mp4", "talk/a.mp4")):
        scenes.write(folder / name, scenes.scene(number, 20))
    (folder / "notes.mp4").write_text("no video")
    return folder


def test_prepare_says_what_it_found(clips, tmp_path, capsys):
    run("prepare", clips, "-o", tmp_path / "set")
    said = capsys.readouterr().out.splitlines()
    assert said[0] == "training  : 2 shots, 40 frames, 1 source"
    assert said[1] == "validation: 1 shot, 20 frames, 1 source"
    assert said[2] == "dropped   : 1 unreadable"
    assert "notes.mp4: unreadable: this is not a video" in said[3]
    assert said[4].endswith(str(tmp_path / "set" / "index.json"))
    assert str(tmp_path / "set" / "sheet.png") in said[5] and (tmp_path / "set" / "sheet.png").exists()


def test_prepare_as_json(clips, tmp_path, capsys):
    run("prepare", clips, "-o", tmp_path, "--json", "--valid", 0, "--shortest", 10, "--seed", 3)
    index = json.loads(capsys.readouterr().out)
    assert index["schema"] == 1 and index["seed"] == 3
    assert [shot["file"] for shot in index["shots"]] == ["talk/a.mp4", "walk_1.mp4", "walk_2.mp4"]
    assert {shot["split"] for shot in index["shots"]} == {"train"}


def test_one_source_is_said(clips, tmp_path, capsys):
    for name in ("walk_1.mp4", "walk_2.mp4"):
        (tmp_path / name).write_bytes((clips / name).read_bytes())
    run("prepare", tmp_path, "-o", tmp_path / "set")
    assert "nothing: all clips are of one source" in capsys.readouterr().out
    run("prepare", tmp_path, "-o", tmp_path / "set", "--valid", 0)
    assert "nothing, as asked" in capsys.readouterr().out
