"""How an interpolator is judged, what its recipe learns from, and what there is to compare with."""

from __future__ import annotations

from fractions import Fraction

import pytest
import torch

import scenes
from vidwright.core import Frame
from vidwright.core.errors import UsageError
from vidwright.metrics.psnr import psnr
from vidwright.models.enhance.interpolator import Config, Net
from vidwright.train.excerpts import FIRST
from vidwright.train.interpolation import FRAMES, blend, dis_warp, hold, mean_psnr_rgb, rebuilt
from vidwright.train.recipe import load
from vidwright.train.recipes.interpolator import Interpolation

SMALL = Config(channels=4, features=2, width=4)


def truth(frames: int = 5) -> torch.Tensor:
    return scenes.scene(0, frames, (96, 64), 2).mul(255).round().to(torch.uint8)


def test_the_odd_frames_are_made_from_their_neighbours_alone():
    seen = []

    def way(first, second, times):
        seen.append((first.data, second.data, first.time, second.time, list(times)))
        return hold(first, second, times)

    x = truth()
    assert torch.equal(rebuilt(way, x), x[[0, 2]])
    for n, (first, second, start, stop, times) in enumerate(seen):
        assert torch.equal(first, x[2 * n] / 255) and torch.equal(second, x[2 * n + 2] / 255)
        assert times == [(start + stop) / 2]


def test_the_figure_is_the_mean_over_frames():
    x = truth()
    found = rebuilt(blend, x)
    wanted = [psnr(found[n], x[2 * n + 1], peak=255.0) for n in range(2)]
    assert mean_psnr_rgb(found, x[1::2]) == pytest.approx(sum(wanted) / 2)


def test_following_the_motion_beats_mixing_which_beats_waiting():
    x = truth()
    held, mixed, moved = (mean_psnr_rgb(rebuilt(way, x), x[1::2]) for way in (hold, blend, dis_warp))
    assert held < mixed < moved


@pytest.mark.parametrize("way", [hold, blend, dis_warp])
def test_frames_made_without_a_network_are_at_the_times_asked_for(way):
    pair = [Frame(data, Fraction(n, 25)) for n, data in enumerate(scenes.scene(0, 2))]
    times = [Fraction(1, 100), Fraction(3, 100)]
    made = way(*pair, times)
    assert [frame.time for frame in made] == times
    near = [float((frame.data - pair[0].data).abs().mean()) for frame in made]
    assert near[0] <= near[1] and all(frame.data.shape == (3, 48, 64) for frame in made)


def test_the_task_is_judged_by_its_protocol(tmp_path):
    scenes.write(tmp_path / "a.mp4", scenes.scene(0, FIRST + FRAMES))
    net, task = Net(SMALL), Interpolation(patch=32)
    found = task.evaluate(net, tmp_path, "all", 0, None)
    ((output, wanted),) = task.outputs(net, tmp_path, "all", None)
    assert output.shape == wanted.shape == (8, 3, 48, 64)
    assert found.metrics == {"psnr": pytest.approx(mean_psnr_rgb(output, wanted))}
    (picture,) = found.pictures.values()
    assert picture.shape == (3, 48, 128)


def test_the_loss_of_the_truth_itself_is_least(tmp_path):
    scenes.write(tmp_path / "a.mp4", scenes.scene(0, 8))
    task = Interpolation(patch=32)
    batch = {name: x[None] for name, x in task.samples(tmp_path, "all", 0).sample(0, 0).items()}

    class Known(torch.nn.Module):
        def forward(self, x: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
            return batch["middle"].float() / 255

    def total(net: torch.nn.Module) -> float:
        return float(sum(loss.detach() for loss in task.objective(net, batch).values()))

    assert total(Known()) < total(Net(SMALL))


def test_settings_that_make_no_sense_are_refused():
    with pytest.raises(UsageError, match="patch must be at least 16"):
        load("enhance/interpolator:fast").changed(["task.patch=8"])
