"""How a deinterlacer is judged, and what its recipe learns from."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise

import pytest
import torch

import scenes
from vidwright.core.errors import UsageError
from vidwright.io.filters import bwdif
from vidwright.models.enhance.deinterlacer import Config, Net
from vidwright.train.deinterlacing import deinterlaced
from vidwright.train.excerpts import RATE
from vidwright.train.recipe import load
from vidwright.train.recipes.deinterlacer import Deinterlacing
from vidwright.train.upscaling import mean_psnr_y


def truth() -> torch.Tensor:
    return scenes.scene(0, 8).mul(255).round().to(torch.uint8)


def test_every_frame_of_the_excerpt_is_one_field_and_comes_back_whole():
    seen = []

    def doubled(frames):
        for frame in frames:
            seen.append(frame)
            yield from (frame, frame)

    output, wanted = deinterlaced(doubled, truth()), truth()
    assert [frame.field_order for frame in seen] == ["top"] * 4
    assert {b.time - a.time for a, b in pairwise(seen)} == {1 / RATE} == {Fraction(1, 25)}
    for n in range(8):
        kept = slice(n % 2, None, 2)
        assert torch.equal(output[n, :, kept], wanted[n, :, kept])
        assert not torch.equal(output[n], wanted[n])


def test_bwdif_is_judged_in_the_same_way():
    output = deinterlaced(lambda frames: bwdif(frames, RATE), truth())
    assert output.shape == truth().shape and 30 < mean_psnr_y(output, truth()) < 60


def test_the_task_is_judged_by_its_protocol(tmp_path):
    scenes.write(tmp_path / "a.mp4", scenes.scene(0, 16))
    net, task = Net(Config(widths=(4,))), Deinterlacing(patch=16)
    found = task.evaluate(net, tmp_path, "all", 0, None)
    ((output, wanted),) = task.outputs(net, tmp_path, "all", None)
    assert found.metrics == {"psnr_y": pytest.approx(mean_psnr_y(output, wanted))}
    assert torch.equal(output, deinterlaced(net.stream, wanted))
    (picture,) = found.pictures.values()
    assert picture.shape == (3, 48, 128)


def test_the_loss_of_the_truth_itself_is_least(tmp_path):
    scenes.write(tmp_path / "a.mp4", scenes.scene(0, 8))
    task = Deinterlacing(patch=16)
    batch = {name: x[None] for name, x in task.samples(tmp_path, "all", 0).sample(0, 0).items()}

    class Known(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return batch["truth"].float() / 255

    def total(net: torch.nn.Module) -> float:
        return float(sum(loss.detach() for loss in task.objective(net, batch).values()))

    assert total(Known()) < 0.0021 < total(Net(Config(widths=(4,))))


def test_settings_that_make_no_sense_are_refused():
    with pytest.raises(UsageError, match="patch must be even"):
        load("enhance/deinterlacer:fast").changed(["task.patch=33"])
