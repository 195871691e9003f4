"""`vidwright generate` and `vidwright repro` as a person runs them."""

from __future__ import annotations

import json
from pathlib import Path

import av
import pytest

from vidwright.cli.main import run

SMALL = {"--model": "cnn_lstm", "--size": "16x16", "--seconds": "0.5", "--progress": "none"}
QUICK = [word for option in SMALL.items() for word in option]


def test_several_are_numbered_by_their_seeds_and_shown_together(tmp_path, capsys):
    sheet, out = tmp_path / "sheet.png", tmp_path / "a.mp4"
    assert run(["generate", "-o", str(out), "--class", "3", "--count", "2", "--seed", "7", *QUICK,
                "--contact-sheet", str(sheet), "--preview", str(tmp_path / "now.png"), "--json"]) == 0  # fmt: skip
    assert {path.name for path in tmp_path.iterdir()} == {"a.7.mp4", "a.8.mp4", "sheet.png", "now.png"}
    said = json.loads(capsys.readouterr().out)
    assert [row["details"]["job"]["seed"] for row in said["results"]] == [7, 8]
    with av.open(str(sheet)) as page:
        assert page.streams.video[0].width > 5 * 96 and page.streams.video[0].height == 2 * 96 + 3 * 2


def test_a_file_is_made_again_with_the_same_bytes(tmp_path, capsys):
    first, copy = tmp_path / "a.mp4", tmp_path / "b.mp4"
    assert run(["generate", "-o", str(first), *QUICK]) == 0
    assert run(["repro", str(first), "-o", str(copy), "--progress", "none"]) == 0
    assert first.read_bytes() == copy.read_bytes()
    assert "b.mp4: 5 frames in" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["--loop"], 2, "cannot be told that"),
        (["--size", "wide"], 2, "--size wide"),
        (["--continue", "missing.mp4"], 4, "missing.mp4"),
        (["--model", "nothing"], 5, "there is no such model"),
    ],
)
def test_errors_are_three_lines_and_leave_nothing(tmp_path: Path, capsys, arguments, code, words):
    rest = [word for option in SMALL.items() if option[0] not in arguments for word in option]
    assert run(["generate", "-o", str(tmp_path / "a.mp4"), *rest, *arguments]) == code
    said = capsys.readouterr().err.strip().splitlines()
    assert len(said) == 3 and words in "\n".join(said)
    assert list(tmp_path.iterdir()) == []


def test_what_exists_is_not_replaced(tmp_path, capsys):
    out = tmp_path / "a.mp4"
    out.write_bytes(b"mine")
    assert run(["generate", "-o", str(out), *QUICK]) == 3
    assert out.read_bytes() == b"mine"
