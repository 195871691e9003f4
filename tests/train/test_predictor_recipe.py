"""What the predictor is trained for: errors as they are published, and runs that learn."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
import torch
from torch import nn

from mnist import write_mnist
from vidwright import models
from vidwright.metrics.psnr import mean_psnr, psnr
from vidwright.metrics.ssim import ssim
from vidwright.models.generate.predictor import Config, Net
from vidwright.train import recipe
from vidwright.train.optimiser import Optimiser
from vidwright.train.recipes.predictor import NextFrames, convlstm64, digits64
from vidwright.train.run import Setting, run

SMALL = NextFrames(digits=1, size=16, digit=8, given=3)


class Constant(nn.Module):
    """Predicts the same of every pixel."""

    def __init__(self, value: float) -> None:
        super().__init__()
        self.value = nn.Parameter(torch.tensor(value))

    def forward(self, x_BTCHW):
        return torch.zeros_like(x_BTCHW) + self.value


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    return write_mnist(tmp_path_factory.mktemp("mnist"))


def clips(data: Path, count: int) -> torch.Tensor:
    samples = SMALL.samples(data, "valid", 0)
    return torch.stack([samples.sample(0, k)["clip"] for k in range(count)]).float() / 255


def test_clips_have_as_many_frames_to_predict_as_are_given(data):
    assert clips(data, 1).shape == (1, 6, 1, 16, 16)


def test_the_objective_is_the_error_of_what_follows(data):
    truth = clips(data, 4)[:, 3:]
    batch = {"clip": (clips(data, 4) * 255).round().byte()}
    found = SMALL.objective(Constant(0.25), batch)["mse"]
    torch.testing.assert_close(found, (truth - 0.25).square().mean())


def test_errors_are_sums_over_a_frame_and_means_over_frames(data):
    """By their definition, of 20 clips, which is more than are judged at a time."""
    found = SMALL.evaluate(Constant(0.25), data, "valid", 0, 20).metrics
    given, truth = clips(data, 20).chunk(2, dim=1)
    made = torch.full_like(truth, 0.25)
    assert found["mse"] == pytest.approx(float((truth - made).square().sum(dim=(2, 3, 4)).mean()), rel=1e-5)
    assert found["mae"] == pytest.approx(float((truth - made).abs().sum(dim=(2, 3, 4)).mean()), rel=1e-5)
    assert found["ssim"] == pytest.approx(ssim(made, truth, peak=1.0), rel=1e-5)
    pairs = list(zip(given[:, -1:].expand_as(truth).flatten(0, 1), truth.flatten(0, 1), strict=True))
    assert found["mse.copy_last"] == pytest.approx(sum(float((a - b).square().sum()) for a, b in pairs) / 60, rel=1e-5)
    assert found["psnr.copy_last"] == pytest.approx(mean_psnr(psnr(a, b, peak=1.0) for a, b in pairs), rel=1e-5)


def test_predictions_are_clipped_before_they_are_judged(data):
    below, black = (SMALL.evaluate(Constant(value), data, "valid", 0, 2).metrics for value in (-0.5, 0.0))
    assert below == black


def test_the_picture_shows_what_was_given_what_came_and_what_was_predicted(data):
    strip = SMALL.evaluate(Constant(0.25), data, "valid", 0, 2).pictures["prediction"]
    given, truth = (torch.cat(list(half), dim=-1) for half in clips(data, 1)[0].chunk(2))
    assert torch.equal(strip, torch.cat([given, truth, torch.full_like(truth, 0.25)], dim=-2))


def test_the_test_set_is_another_than_the_validation(data):
    test, valid = (SMALL.samples(data, split, 0).sample(0, 0)["clip"] for split in ("test", "valid"))
    assert not torch.equal(test, valid)
    assert torch.equal(test, SMALL.samples(data, "test", 1).sample(0, 0)["clip"])  # whatever the seed


@pytest.mark.parametrize("kind", ["simvp", pytest.param("convlstm", marks=pytest.mark.slow)])
def test_a_run_learns_and_its_weights_predict(data, tmp_path, kind):
    """Some steps on blots: better than no prediction, as the weights that were written say."""
    made = recipe.Recipe(
        model="generate/predictor", weights="test", task=SMALL, optimiser=Optimiser("muon", 2e-2, warmup=5, ema=0.0),
        config=Config(kind=kind, frames=3, width=8, channels=16, depth=1),
        budget=recipe.Budget(steps=40), batch=8, validations=1, validate_on=8,
    )  # fmt: skip
    run(made, Setting(data, tmp_path / "run", valid=data, device="cpu"), stop=threading.Event())
    net = models.load("generate/predictor", tmp_path / "run" / "last.safetensors", kind=Net)
    found, black = (SMALL.evaluate(each, data, "valid", 0, 8).metrics["mse"] for each in (net, Constant(0.0)))
    assert found < 0.75 * black


@pytest.mark.parametrize("make", [digits64, convlstm64])
def test_recipes_are_found_and_survive_json(make):
    found = recipe.load(make().name)
    assert found == make()
    assert recipe.from_json(found.as_json()) == found
    assert found.task.given == found.config.frames  # what is shown is what the network takes


def test_the_baseline_has_no_more_parameters_and_predicts_the_same_clips():
    ours, theirs = (sum(p.numel() for p in Net(make().config).parameters()) for make in (digits64, convlstm64))
    assert theirs <= ours <= 1.5e6
    assert digits64().task == convlstm64().task and digits64().budget == convlstm64().budget
