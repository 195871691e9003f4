"""From file to file: each task as `enhance` does it."""

from __future__ import annotations

import pytest
import torch

import scenes
from vidwright.bench.enhance import entries, shipped_models
from vidwright.bench.tasks import tasks
from vidwright.bench.whole import as_job, film, whole_fps
from vidwright.data.degrade import to_bytes
from vidwright.io import open_video
from vidwright.jobs.run import run


@pytest.fixture(scope="module")
def clip():
    return to_bytes(scenes.scene(2, 8) * 255)


@pytest.fixture(scope="module")
def nets():
    return shipped_models()


@pytest.mark.parametrize("task", tasks().values(), ids=list(tasks()))
def test_the_job_makes_what_the_task_asks_for(task, clip, nets, tmp_path):
    source = next(iter(task.columns.values()))(clip)
    path = film(source, tmp_path / "in.mkv")
    for number, name in enumerate(entries(task, nets, clip).ours):
        job = as_job(path, tmp_path / f"{number}.mp4", task.job(name))
        report = run(job)
        made = list(open_video(job.output))
        assert report.frames == len(made) and made[0].data.shape == clip[0].shape
        assert len(made) == len(clip)  # what was left out is there again


def test_speed_is_what_the_reports_say_and_threads_stay(clip):
    before = torch.get_num_threads()
    assert 0 < whole_fps(clip, {"model": "lanczos", "scale": 2}, rounds=1) < 1e5
    assert torch.get_num_threads() == before
