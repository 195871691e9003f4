"""Every cell of the tables: who takes part, on what, and that the figures are those of the outputs."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

import media
import tiny
from vidwright import models
from vidwright.bench.enhance import cells, entries, excerpts, named_models, one_thread, shipped_models
from vidwright.bench.tasks import tasks
from vidwright.core.errors import BadInput, ModelRefused, UsageError
from vidwright.metrics.dtssd import dtssd
from vidwright.train.excerpts import truth

X2 = tasks()["x2"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    found = tmp_path_factory.mktemp("clips")
    for number, name in enumerate(("a", "b_screen", "c")):
        media.clip(found / f"{name}.mkv", frames=25, cuts=(number,), options={"crf": "1"})
    return found


@pytest.fixture(scope="module")
def nets():
    return {name: models.load("enhance/lanczos", scale=scale, device="cpu") for name, scale in (("a", 2), ("b", 4))}


def who(task, nets, folder):
    return entries(task, nets, truth(excerpts(task, folder)[0], frames=task.frames))


def test_a_model_takes_part_in_the_tasks_that_it_is_for(nets, folder):
    for name, task in tasks().items():
        assert who(task, nets, folder).ours == {"x2": ("a",), "x4": ("b",)}.get(name, ())


def test_all_shipped_sets_that_enhance_are_found():
    found = shipped_models()
    wanted = [(name, weights) for name in models.names() for weights in models.card(name).weights]
    assert list(found) == [f"{n.removeprefix('enhance/')}:{w}" for n, w in wanted if n.startswith("enhance/")]
    assert "restorer:x2-fast" in found


def test_others_are_named_as_users_name_them(tmp_path):
    path = tiny.weights(tmp_path / "mine.safetensors")
    assert list(named_models(["restorer:x2-fast", str(path), str(path)])) == ["restorer:x2-fast", str(path)]
    with pytest.raises(ModelRefused, match="no such weights"):
        named_models(["restorer:none"])


@pytest.mark.parametrize("task", tasks().values(), ids=list(tasks()))
def test_baselines_score_what_they_make(task, folder):
    entered = who(task, {}, folder)
    assert set(entered.methods) | set(entered.absent) == set(task.baselines) and not entered.ours
    assert {task.baseline, task.floor, task.steady} <= set(entered.methods)
    assert set(task.grid) <= set(task.columns)
    found = list(cells(entered, excerpts(task, folder, quick=True)[:1], quick=True))
    assert [cell.column for cell in found] == list(task.columns)
    for cell in found:
        assert set(cell.outputs) == set(entered.methods)
        assert 2 <= len(cell.target) <= task.fewest
        for score in cell.scores:
            output = cell.outputs[score.method]
            assert output.dtype == torch.uint8 and output.shape == cell.target.shape
            assert score.psnr == task.score(output, cell.target)
            assert score.pixels == output[:, 0].numel() and score.seconds > 0
            pairs = [(output[n : n + 2] / 255, cell.target[n : n + 2] / 255) for n in range(len(output) - 1)]
            flicker = [dtssd(*made, *wanted) for made, wanted in pairs]
            assert score.dtssd == pytest.approx(sum(flicker) / len(flicker), rel=1e-5)


def test_quick_is_fewer_frames_of_two_clips(folder):
    assert [shot.file.stem for shot in excerpts(X2, folder)] == ["a", "b_screen", "c"]
    assert [shot.file.stem for shot in excerpts(X2, folder, quick=True)] == ["a", "b_screen"]
    few = next(cells(who(X2, {}, folder), excerpts(X2, folder), quick=True))
    whole = next(cells(who(X2, {}, folder), excerpts(X2, folder)))
    assert len(whole.target) == X2.frames and torch.equal(few.target, whole.target[: X2.fewest])


def test_recorded_screens_do_not_move(folder, tmp_path):
    moving = replace(X2, moving=True)
    assert [shot.file.stem for shot in excerpts(moving, folder)] == ["a", "c"]
    media.clip(tmp_path / "only_screen.mkv", frames=20)
    assert len(excerpts(moving, tmp_path)) == 1
    with pytest.raises(BadInput, match="has 40 frames"):
        excerpts(replace(X2, frames=32), folder)


def test_what_ffmpeg_lacks_is_absent_with_the_reason(folder):
    def lacking(x):
        raise UsageError("filter nothing", "this FFmpeg does not have it", "leave it out")

    entered = who(replace(X2, baselines={**X2.baselines, "nothing": lacking}), {}, folder)
    assert entered.absent == {"nothing": "this FFmpeg does not have it"} and "nothing" not in entered.methods


def test_one_thread_is_for_the_inside_alone():
    before = torch.get_num_threads()
    with pytest.raises(KeyError), one_thread():
        assert torch.get_num_threads() == 1
        raise KeyError
    assert torch.get_num_threads() == before
