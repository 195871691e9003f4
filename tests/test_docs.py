"""What the pages promise: their commands run as they are written, and their links lead somewhere."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

import media
import scenes
from vidwright.cli.main import app
from vidwright.train import recipe

HOUSE = Path(__file__).parent.parent
TRAINING = HOUSE / "docs" / "training.md"
ENHANCE, EDIT, GENERATE = (HOUSE / "docs" / f"{name}.md" for name in ("enhance", "edit", "generate"))
PAGES = sorted([*(HOUSE / "docs").glob("*.md"), *HOUSE.glob("*.md")])


def blocks(page: Path) -> list[tuple[str, str]]:
    """Language and code of all blocks of a page, in order; those without a language are only shown."""
    return re.findall(r"^```(\w*)\n(.*?)^```$", page.read_text(), re.MULTILINE | re.DOTALL)


def anchors(page: Path) -> set[str]:
    """The headings of a page, as links name them."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page):
    for link in re.findall(r"\]\(([^)]+)\)", page.read_text()):
        if "://" in link or link.startswith("mailto:"):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


def test_recipes_and_fields_that_are_only_shown_exist():
    lines = [line for language, code in blocks(TRAINING) if not language for line in code.splitlines()]
    shown = [line for line in lines if "vidwright train" in line]
    assert len(shown) >= 4
    for line in shown:
        words = shlex.split(line)
        changes = [words[n + 1] for n, word in enumerate(words) if word == "--set"]
        recipe.load(words[words.index("train") + 1]).changed(changes)


@pytest.mark.parametrize(("page", "needed"), [(ENHANCE, "files"), (EDIT, "files"), (GENERATE, "out")])
def test_commands_that_are_only_shown_are_commands(page, needed):
    lines = [line for _, code in blocks(page) for line in code.splitlines()]
    shown = [line for line in lines if line.startswith(f"vidwright {page.stem}")]
    assert len(shown) >= 6
    for line in shown:
        _, bound, _ = app.parse_args(shlex.split(line, comments=True)[1:], exit_on_error=False, print_error=False)
        assert bound.arguments[needed]


@pytest.fixture
def clone(tmp_path) -> Path:
    """A folder like a clone's, with clips beside the source and `vidwright` as a command of its own."""
    shutil.copytree(HOUSE / "src", tmp_path / "src", ignore=shutil.ignore_patterns("__pycache__"))
    for number, name in enumerate(("walk_1", "walk_2", "boat", "street")):
        scenes.write(tmp_path / "clips" / f"{name}.mp4", scenes.scene(number, 20, (128, 96)))
    scenes.write(tmp_path / "unseen" / "river.mp4", scenes.scene(9, 20, (128, 96)))
    media.clip(tmp_path / "in.mp4")
    command = tmp_path / "bin" / "vidwright"
    command.parent.mkdir()
    command.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m vidwright.cli.main "$@"\n')
    command.chmod(0o755)
    return tmp_path


def run(clone: Path, code: str) -> str:
    """What lines of bash print on stdout in the clone; they have to succeed."""
    places = {"PATH": f"{clone / 'bin'}{os.pathsep}{os.environ['PATH']}", "PYTHONPATH": str(clone / "src")}
    command = ["bash", "-euc", code]
    done = subprocess.run(command, cwd=clone, env=os.environ | places, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{code}\n{done.stdout}{done.stderr}"
    return done.stdout


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="bash")
def test_the_page_on_training_runs_as_it_is_written(clone):
    said = ""
    for language, code in blocks(TRAINING):
        if language == "python":
            (clone / "src" / "vidwright" / "train" / "recipes" / "cleaner.py").write_text(code)
        if language == "bash":
            said += run(clone, code)
    assert "validation: 1 shot, 20 frames, 1 source" in said
    assert (clone / "run" / "report.html").exists()
    assert (clone / "mine.safetensors").read_bytes() == (clone / "run" / "best.safetensors").read_bytes()
    assert next(media.decoded(clone / "out.mp4")).shape == (3, 96, 128)
    before, after = (float(re.findall(rf"^{name} +(\S+)$", said, re.MULTILINE)[0]) for name in ("psnr.before", "psnr"))
    assert after > before + 1  # noise is gone


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="bash")
def test_the_recipe_of_a_new_model_trains_it(clone):
    """The recipe in CONTRIBUTING.md, for a copy of the template."""
    page = (HOUSE / "CONTRIBUTING.md").read_text()
    (code,) = (each for each in re.findall(r"```python\n(.*?)```", page, re.DOTALL) if "-> Recipe" in each)
    package = clone / "src" / "vidwright"
    (package / "train" / "recipes" / "sharper.py").write_text(textwrap.dedent(code))
    shutil.copy(package / "models" / "enhance" / "_template.py", package / "models" / "enhance" / "sharper.py")
    run(clone, "vidwright train enhance/sharper:x2 --data clips --valid unseen --out run --steps 2 --set batch=2")
    run(clone, "vidwright enhance in.mp4 -o out.mp4 --model run/best.safetensors")
    assert next(media.decoded(clone / "out.mp4")).shape == (3, 96, 128)
