"""`vidwright train`, `evaluate` and `weights` as a person runs them: from clips to weights, and what can be wrong."""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

import media
import tiny
import toy
from vidwright.cli.main import run
from vidwright.data.crops import KINDS
from vidwright.models.enhance.restorer import Config
from vidwright.train.log import read
from vidwright.train.run import BEST, CHECKPOINTS, LAST
from vidwright.weights.store import read_header, read_weights

X2 = "enhance/restorer:x2-fast"

#: The recipe as small as it gets.
FIELDS = (
    "config.channels=8",
    "config.depth=3",
    "config.parts=2",
    "task.patch=12",
    'task.mix=[["area", 1.0]]',
    "batch=4",
    "validations=1",
    "validate_on=1",
    "dtype=fp32",
)
SMALL = [word for field in FIELDS for word in ("--set", field)] + ["--device", "cpu"]


def said(*arguments: object) -> tuple[int, str, str]:
    """Exit code, stdout and stderr of a command that is run in this process."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = run([str(argument) for argument in arguments])
    return code, out.getvalue(), err.getvalue()


def contents(folder: Path) -> dict[str, bytes]:
    """All that lies in `folder` and below it, hidden or not."""
    files = {str(path.relative_to(folder)): path for path in folder.rglob("*")}
    return {name: path.read_bytes() if path.is_file() else b"" for name, path in files.items()}


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Path:
    """A folder with clips, with a run on them, and with all that a command may wrongly be given."""
    place = tmp_path_factory.mktemp("place")
    toy.clips(place / "clips")
    (place / "empty").mkdir()
    (place / "junk").mkdir()
    (place / "junk" / "a.mp4").write_text("not a video")
    tiny.weights(place / "no-recipe.safetensors")
    save_file({"x": torch.zeros(2)}, place / "foreign.safetensors")
    code, out, err = said(
        *("train", X2, "--data", place / "clips", "--valid", place / "clips", "--out", place / "run"),
        *("--steps", 3, "--licence", "CC0", "--json", *SMALL),
    )
    assert code == 0, err
    (place / "said.json").write_text(out)
    (place / "said.txt").write_text(err)
    return place


def test_the_commands_are_listed(capsys):
    assert run(["--help"]) == 0
    listed = capsys.readouterr().out
    assert all(command in listed for command in ("train", "evaluate", "weights", "data"))


def test_train_prints_what_the_last_validation_found(place):
    found = json.loads((place / "said.json").read_text())
    assert found == {"schema": 1, "metrics": read_header(place / "run" / LAST)["metrics"]}
    lines = (place / "said.txt").read_text()
    assert f"{X2}: step 1, " in lines and str(place / "run" / "report.html") in lines


def test_what_was_set_is_what_was_trained(place):
    header = read_header(place / "run" / BEST)
    assert header["config"] == asdict(Config(channels=8, depth=3, parts=2)) | {"kinds": list(KINDS)}
    assert (header["steps"], header["data"]["licence"]) == (3, "CC0")
    assert header["recipe"]["task"]["mix"] == [["area", 1.0]]


def test_a_longer_run_goes_on(place, tmp_path):
    shutil.copytree(place / "run", tmp_path / "run")
    where = ("--data", place / "clips", "--valid", place / "clips", "--out", tmp_path / "run")
    code, out, err = said("train", X2, *where, "--steps", 5, "--resume", *SMALL)
    assert code == 0, err
    assert [row["step"] for row in read(tmp_path / "run") if row["kind"] == "step"] == [1, 2, 3, 4, 5]
    assert re.match(r"psnr_y +\d+\.\d+\n", out)


def test_evaluate_measures_what_the_run_measured(place):
    code, out, _ = said("evaluate", place / "run", "--data", place / "clips", "--limit", 1, "--device", "cpu", "--json")
    assert code == 0
    found, noted = json.loads(out)["metrics"], read_header(place / "run" / BEST)["metrics"]
    assert {name: found[name] for name in noted} == pytest.approx(noted, abs=0.01)


def test_exported_weights_are_whole_and_enlarge_a_clip(place, tmp_path):
    clip, weights, result = place / "clips" / "a.mp4", tmp_path / "mine.safetensors", tmp_path / "o.mp4"
    assert said("weights", "export", place / "run", "-o", weights)[0] == 0
    assert weights.read_bytes() == (place / "run" / BEST).read_bytes()
    assert said("models", "verify", weights)[0] == 0
    code, _, err = said("enhance", clip, "-o", result, "--model", weights, "--preset", "ultrafast")
    assert code == 0, err
    assert next(media.decoded(result)).shape == (3, 96, 128)


def test_half_the_bytes_say_the_same_to_three_digits(place, tmp_path):
    out = tmp_path / "half.safetensors"
    assert said("weights", "export", place / "run", "-o", out, "--half")[0] == 0
    whole, half = read_weights(place / "run" / BEST), read_weights(out)
    assert half[1] == whole[1] and half[0].keys() == whole[0].keys()
    for name, tensor in half[0].items():
        assert tensor.dtype == torch.float16
        torch.testing.assert_close(tensor.float(), whole[0][name], rtol=1e-3, atol=1e-6)
    assert said("models", "verify", out)[0] == 0


def test_export_replaces_only_when_told(place, tmp_path):
    out = tmp_path / "mine.safetensors"
    out.write_text("mine")
    code, _, err = said("weights", "export", place / "run", "-o", out)
    assert code == 3 and three_lines(err) and out.read_text() == "mine"
    assert said("weights", "export", place / "run", "-o", out, "--last", "--overwrite")[0] == 0
    assert out.read_bytes() == (place / "run" / LAST).read_bytes()


def three_lines(text: str) -> bool:
    lines = text.strip().splitlines()
    return len(lines) == 3 and lines[1].startswith("  cause: ") and lines[2].startswith("  next:  ")


#: What is said wrongly of `train`, the exit code, and words of the answer.
TRAINING: list[tuple[str, int, str]] = [
    (f"train {X2} --data empty --out new", 4, "there is no clip in this folder"),
    (f"train {X2} --data junk --out new", 4, "a.mp4"),
    (f"train {X2} --data nowhere --out new", 4, "there is no such folder"),
    (f"train {X2} --data clips --valid empty --out new", 4, "there is no clip in this folder"),
    ("train enhance/restorer:x2-fats --data clips --out new", 2, f"did you mean {X2}"),
    (f"train {X2} --data clips --out new --set optimizer.clip=1", 2, "did you mean optimiser"),
    (f"train {X2} --data clips --out new --set optimiser.cilp=1", 2, "did you mean clip"),
    (f"train {X2} --data clips --out new --set batch=many", 2, "--set batch=many"),
    (f"train {X2} --data clips --out new --set batch", 2, "there is no ="),
    (f"train {X2} --data clips --out new --set config.depth=0", 2, "depth must be from 1"),
    (f"train {X2} --data clips --out new --steps 1 --minutes 1", 2, "either steps or minutes"),
    (f"train {X2} --data clips --out new --threads 0", 2, "--threads"),
    (f"train {X2} --data clips --out new --workers=-1", 2, "--workers"),
    (f"train {X2} --data clips --out run", 3, "it holds a run already"),
    (f"train {X2} --data clips --out new --resume", 4, "there is no sound checkpoint"),
    (f"train {X2} --data clips --out run --resume", 2, "begun with another"),
    ("train generate/cnn_lstm:digits --data clips --out run --resume", 2, "begun with another model"),
    ("train generate/cnn_lstm:digits --data clips --out new", 4, "MNIST"),
]
#: The same of `evaluate` and `weights`.
USING: list[tuple[str, int, str]] = [
    ("evaluate enhance/lanczos --data clips", 5, "no weights"),
    ("evaluate foreign.safetensors --data clips", 5, "no vidwright card"),
    ("evaluate no-recipe.safetensors --data clips", 5, "do not say how they were trained"),
    ("evaluate empty --data clips", 5, "best.safetensors"),
    ("evaluate run --data empty", 4, "there is no clip in this folder"),
    ("evaluate run --data clips --limit 0", 2, "--limit"),
    ("weights export empty -o new.safetensors", 4, "there are no weights in it yet"),
    ("weights export run -o new.pt", 2, "weights are .safetensors files"),
    ("weights export run -o nowhere/new.safetensors", 1, "the folder does not exist"),
    ("weights export run -o no-recipe.safetensors", 3, "it exists already"),
]


@pytest.mark.parametrize(("command", "code", "words"), [*TRAINING, *USING], ids=lambda value: str(value)[:70])
def test_three_lines_a_code_and_nothing_left(place, monkeypatch, command, code, words):
    monkeypatch.chdir(place)
    before = contents(place)
    found, out, err = said(*shlex.split(command))
    assert (found, out) == (code, "") and three_lines(err), err
    assert words in err
    assert contents(place) == before


def test_an_error_as_json(place):
    code, out, _ = said("train", X2, "--data", place / "empty", "--out", place / "new", "--json")
    assert code == json.loads(out)["error"]["exit_code"] == 4


def test_of_many_processes_only_the_first_speaks(place, monkeypatch, tmp_path):
    shutil.copytree(place / "run", tmp_path / "run")
    monkeypatch.setenv("RANK", "1")
    where = ("--data", place / "clips", "--valid", place / "clips", "--out", tmp_path / "run")
    code, out, err = said("train", X2, *where, "--steps", 3, "--resume", "--json", *SMALL)
    assert (code, out) == (0, "") and "report.html" not in err


def interrupted(*arguments: str) -> str:
    """What `vidwright` with these arguments says when Ctrl-C is pressed after its first step."""
    command = [sys.executable, "-m", "vidwright.cli.main", *arguments]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        assert any(": step 1, " in line for line in process.stderr)
        process.send_signal(signal.SIGINT)
        rest = process.stderr.read()
        assert process.wait() == 130
    return rest


@pytest.mark.skipif(os.name != "posix", reason="signals")
def test_ctrl_c_keeps_what_was_trained_and_says_how_to_go_on(place, tmp_path):
    out, clips = tmp_path / "a run", str(place / "clips")
    rest = interrupted("train", X2, "--data", clips, "--valid", clips, "--out", str(out), "--steps", "9999999", *SMALL)
    assert "writing a checkpoint after this step" in rest and "Traceback" not in rest
    assert three_lines("\n".join(rest.strip().splitlines()[-3:])) and "run it again with --resume" in rest
    (checkpoint,) = (out / CHECKPOINTS).iterdir()
    reached = int(checkpoint.name)
    assert reached >= 1 and read(out)[-1]["why"] == "interrupted"
    name, *arguments = shlex.split(rest.partition("resume with: ")[2].splitlines()[0])
    assert name == "vidwright" and arguments[-1] == "--resume"
    arguments[arguments.index("--steps") + 1] = str(reached + 2)  # else it goes on for days
    assert said(*arguments)[0] == 0
    assert [row["step"] for row in read(out) if row["kind"] == "step"] == list(range(1, reached + 3))
    assert read(out)[-1]["why"] == "budget"
