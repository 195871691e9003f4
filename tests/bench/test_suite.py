"""From a folder to sections: which tasks, what is told meanwhile, and what is left as data."""

from __future__ import annotations

import pytest

import media
from vidwright.bench.suite import as_json, chosen, machine, sections
from vidwright.bench.tasks import tasks
from vidwright.core.errors import BadInput, UsageError


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    found = tmp_path_factory.mktemp("clips")
    media.clip(found / "a.mkv", frames=16)
    return found


def test_watching_is_told_of_every_cell_and_job(folder):
    (task,) = chosen(["x4"])
    said: list[str] = []
    (section,) = sections(folder, [task], {}, quick=True, watch=said.append)
    assert said == [*(f"x4: a, {column}" for column in task.columns), "x4: lanczos, from file to file"]
    assert [crop.column for crop in section.crops] == ["bicubic", "bicubic+crf28"]
    assert {row.method: row.whole is not None for row in section.table.rows} == {"bicubic": False, "lanczos": True}


def test_the_data_hold_every_task_and_the_machine(folder):
    facts = machine()
    content = as_json(sections(folder, chosen(["deblock", "clean"]), {}, quick=True), facts)
    assert [task["task"] for task in content["tasks"]] == ["deblock", "clean"]
    assert content["schema"] == 1 and content["machine"] == facts
    assert {"date", "processor", "instructions", "torch", "threads"} <= set(facts)


def test_a_task_for_which_the_clips_are_too_short_is_said(folder):
    with pytest.raises(BadInput, match="has 25 frames"):
        list(sections(folder, chosen(["interpolation"]), {}))


def test_unknown_tasks_are_refused_and_none_means_all():
    assert chosen([]) != [] and [task.name for task in chosen([])] == list(tasks())
    with pytest.raises(UsageError, match="denoise-s25"):
        chosen(["denoise"])
