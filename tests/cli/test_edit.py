"""`vidwright edit`: words on the command line and what becomes of them."""

from __future__ import annotations

import json

import pytest
import torch

import scenes
from vidwright.cli.main import run
from vidwright.io import open_video, probe
from vidwright.io.stills import encode_still


@pytest.fixture
def clip(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    return scenes.write(tmp_path / "in.mp4", scenes.scene(1, 12, (96, 64), 2))


def test_a_box_is_removed_and_it_is_said_how(clip, capsys):
    words = ["edit", "in.mp4", "--remove", "box:30,20,50,40", "--model", "none", "--report", "fill.json", "--json"]
    assert run(words) == 0
    said = capsys.readouterr()
    assert "filled 12 frames" in said.err and "made up" in said.err
    page = json.loads(said.out)
    assert page["output"].endswith("in.edited.mp4") and len(page["details"]["filled"]) == 12
    (change,) = page["details"]["job"]["changes"]
    assert change["region"]["growth"] == pytest.approx(64 / 60)  # a rim that is left over is a ghost
    rows = json.loads((clip.parent / "fill.json").read_text())["frames"]
    assert [row["time"] for row in rows][:3] == [0, 0.04, 0.08] and all(0 < row["hidden"] < 0.2 for row in rows)


def test_the_region_itself_is_shown(clip):
    words = ["edit", "in.mp4", "--region", "ellipse:48,32,20,10", "--save-mask", "mask.mkv", "--codec", "ffv1"]
    assert run(words) == 0
    first = next(iter(open_video(clip.parent / "mask.mkv"))).data[0]
    assert first[32, 48] > 0.9 and first[2, 2] < 0.1 and abs(float((first > 0.5).sum()) - 628) < 30
    assert sorted(path.name for path in clip.parent.glob("*.m*")) == ["in.mp4", "mask.mkv"]


def test_edits_come_from_a_file_and_a_preview_writes_no_video(clip, capsys):
    picture = torch.ones(3, 64, 96) * 0.5
    (clip.parent / "grey.png").write_bytes(encode_still(picture, format="png"))
    edits = [
        {
            "region": {"shapes": [{"kind": "box", "numbers": [0, 0, 20, 20]}]},
            "put": {"kind": "picture", "path": "grey.png"},
        }
    ]
    (clip.parent / "edits.json").write_text(json.dumps(edits))
    assert run(["edit", "in.mp4", "--edits", "edits.json", "--preview", "look.png"]) == 0
    assert probe(clip.parent / "look.png").info.height > 64 and not (clip.parent / "in.edited.mp4").exists()
    assert run(["edit", "in.mp4", "--edits", "edits.json", "-o", "out.mp4"]) == 0
    assert (next(iter(open_video(clip.parent / "out.mp4"))).data[:, 4:16, 4:16] - 0.5).abs().max() < 0.1


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["--remove", "bxo:1,2,3,4"], 2, "did you mean box"),
        (["--remove", "box:1,2,3"], 2, "left,top,right,bottom"),
        (["--remove", "box:1,2,30,40", "--track"], 2, "it takes a shape with a time"),
        (["--key", "a.png"], 2, "give it as painted.png@1.2"),
        (["--key", "none.png@0"], 4, "none.png"),
        (["--key", "a.png@0", "--region", "box:1,2,30,40@0", "--track"], 2, "carried by itself"),
        (["--expand", "1,2"], 2, "left,top,right,bottom"),
        (["--remove", "box:1,2,30,40", "--between", "3-1"], 2, "no span of time"),
        (["--edits", "none.json"], 4, "none.json"),
        (["--remove", "box:1,2,30,40", "--model", "nothing"], 5, "there is no such model"),
        ([], 2, "no change was asked for"),
    ],
)
def test_what_makes_no_sense_is_said_in_three_lines(clip, capsys, words, code, said):
    assert run(["edit", "in.mp4", *words]) == code
    error = capsys.readouterr().err
    assert said in error and len(error.strip().splitlines()) <= 3
    assert not list(clip.parent.glob("*.edited.*"))
