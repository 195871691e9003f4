"""`vidwright bench` as a person runs it."""

from __future__ import annotations

import json

import pytest

import media
import scenes
import tiny
from pans import pan
from vidwright.bench.edit import ALONE, OURS, PLAIN
from vidwright.bench.fillers import FILLERS
from vidwright.bench.holes import KINDS
from vidwright.cli.main import run


@pytest.fixture(scope="module")
def clips(tmp_path_factory):
    folder = tmp_path_factory.mktemp("clips")
    for name in ("a", "b"):
        media.clip(folder / f"{name}.mkv", frames=25)
    return folder


def test_tables_data_and_page(clips, tmp_path, capsys):
    mine = str(tiny.weights(tmp_path / "mine.safetensors"))
    files = {"--json": tmp_path / "all.json", "--report": tmp_path / "page.html"}
    options = [str(word) for pair in files.items() for word in pair]
    assert run(["bench", "enhance", "--data", str(clips), "--task", "x2", "--model", mine, "--quick", *options]) == 0
    said = capsys.readouterr()
    assert said.out.startswith("x2: PSNR of luma") and mine in said.out and "restorer:x2-fast" in said.out
    assert "torch" in said.err and "x2: b, area" in said.err
    content = json.loads(files["--json"].read_text())
    (task,) = content["tasks"]
    assert task["task"] == "x2" and mine in {score["method"] for score in task["scores"]}
    assert content["machine"]["processor"] and content["machine"]["threads"] == 1
    assert files["--report"].read_text().startswith("<!doctype html>")


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["--task", "x3"], 2, "--task x3"),
        (["--model", "nothing"], 5, "nothing"),
        (["--json", "nowhere/all.json"], 1, "folder does not exist"),
    ],
)
def test_errors_come_before_the_work(arguments, code, words, clips, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert run(["bench", "enhance", "--data", str(clips), "--quick", *arguments]) == code
    said = capsys.readouterr()
    assert words in said.err and "dB" not in said.out
    assert list(tmp_path.iterdir()) == []


def test_a_folder_without_clips(tmp_path, capsys):
    assert run(["bench", "enhance", "--data", str(tmp_path), "--quick"]) == 4
    assert "cause" in capsys.readouterr().err


def test_generations_of_nothing(capsys):
    assert run(["bench", "generate"]) == 2
    assert "--like" in capsys.readouterr().err


def test_holes_objects_and_colours(tmp_path, capsys):
    for name, seed in (("a", 1), ("b", 2)):
        scenes.write(tmp_path / "clips" / f"{name}.mkv", pan(seed, 16, (64, 96), 3).float() / 255)
    files = {"--json": tmp_path / "all.json", "--contact-sheet": tmp_path / "sheet.png"}
    options = [str(word) for pair in files.items() for word in pair]
    assert run(["bench", "edit", "--data", str(tmp_path / "clips"), "--quick", *options]) == 0
    said = capsys.readouterr()
    assert all(f"hole: {kind};" in said.out for kind in KINDS) and "moving hole: b" in said.err
    content = json.loads(files["--json"].read_text())
    ways = {row["method"] for row in content["rows"]}
    assert ways == {*FILLERS, ALONE, PLAIN, OURS} and len(content["rows"]) == len(KINDS) * len(ways)
    assert [len(content[name]) for name in ("clips", "tracking", "colour")] == [2, 2, 2]
    assert content["clips"][0]["motion"] == "panning" and content["clips"][0]["frames"] == 8
    sheet = next(media.decoded(files["--contact-sheet"]))
    assert sheet.shape[-2] > len(KINDS) * (2 + len(ways)) * 64


@pytest.mark.slow
def test_every_task_in_a_quick_look(clips, tmp_path):
    assert run(["bench", "enhance", "--data", str(clips), "--quick", "--json", str(tmp_path / "all.json")]) == 0
    assert len(json.loads((tmp_path / "all.json").read_text())["tasks"]) > 5
