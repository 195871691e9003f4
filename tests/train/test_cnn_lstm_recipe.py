"""What the CNN-LSTM is trained for: exact nats, honest baselines, and runs that learn on real digits."""

from __future__ import annotations

import gzip
import math
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from vidwright.data.loader import Batch, batches
from vidwright.models.generate.cnn_lstm import Config, build
from vidwright.train import recipe
from vidwright.train.recipes.cnn_lstm import (
    Classify,
    NextFrame,
    classes,
    copy_last_nats,
    digits,
    frequency_nats,
    nats,
    next_frame,
)
from vidwright.train.task import Task

SMALL = NextFrame(digits=1, size=32, digit=16, frames=6, given=3)


@pytest.fixture(scope="module")
def mnist(tmp_path_factory) -> Path:
    """MNIST's four files with bars for digits: class n is n + 1 lines thick, the even ones upright."""
    folder = tmp_path_factory.mktemp("mnist")
    for name, count in (("train", 5100), ("t10k", 100)):
        labels = torch.arange(count) % 10
        images = torch.zeros(count, 28, 28, dtype=torch.uint8)
        for n in range(10):
            picture = torch.zeros(28, 28, dtype=torch.uint8)
            picture[4 : 6 + 2 * n, 4:24] = 255
            images[labels == n] = picture if n % 2 else picture.T
        pixels = bytes.fromhex("00000803") + b"".join(n.to_bytes(4, "big") for n in (count, 28, 28))
        (folder / f"{name}-images-idx3-ubyte.gz").write_bytes(gzip.compress(pixels + images.numpy().tobytes(), 1))
        names = bytes.fromhex("00000801") + count.to_bytes(4, "big") + labels.to(torch.uint8).numpy().tobytes()
        (folder / f"{name}-labels-idx1-ubyte.gz").write_bytes(gzip.compress(names, 1))
    return folder


def learn(task: Task, net: nn.Module, folder: Path, steps: int, batch: int, rate: float) -> list[float]:
    optimiser = torch.optim.AdamW(net.parameters(), lr=rate, betas=(0.9, 0.99), weight_decay=0.0)
    losses: list[float] = []
    for _, each in zip(range(steps), batches(task.samples(folder, "train", 0), batch), strict=False):
        loss = sum(task.objective(net, each).values(), torch.zeros(()))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(float(loss.detach()))
    return losses


def test_nats_are_the_log_likelihood():
    """Of independent pixels with the logits' probabilities, by their definition."""
    random = torch.Generator().manual_seed(0)
    logits = torch.randn(2, 3, 4, 5, 6, generator=random)
    truth = torch.randint(4, (2, 3, 5, 6), generator=random)
    likely = (logits.softmax(dim=2) * F.one_hot(truth, 4).movedim(-1, 2)).sum(dim=2)
    torch.testing.assert_close(nats(logits, truth), -likely.log().sum(dim=(2, 3)))


def test_copying_costs_the_entropy_of_its_flips():
    """Against the nats of the model itself, at the best of many flip probabilities."""
    truth = (torch.rand(3, 6, 8, 8, generator=torch.Generator().manual_seed(0)) > 0.8).long()
    costs: list[float] = []
    for flip in torch.linspace(0.01, 0.99, 99).tolist():
        right = F.one_hot(truth[:, 1:-1], 2).movedim(-1, 2).float()
        logits = (right * (1 - flip) + (1 - right) * flip).log()
        costs.append(float(nats(logits, truth[:, 2:]).mean()))
    assert copy_last_nats(truth, 2) == pytest.approx(min(costs), rel=1e-3)
    assert copy_last_nats(truth, 2) <= min(costs) + 1e-3
    assert copy_last_nats(torch.ones(1, 4, 3, 3, dtype=torch.long), 2) == 0
    four = torch.arange(4).repeat(2)[None, :, None, None]  # always another of four classes
    assert copy_last_nats(four, 2) == pytest.approx(math.log(3))


def test_frequencies_cost_their_entropy():
    truth = torch.zeros(4, 3, 1, 2, dtype=torch.long)
    truth[:1, 1:, 0, 1] = 1  # one pixel never, the other in a quarter of the scored frames
    assert frequency_nats(truth, 1) == pytest.approx(-(0.25 * math.log(0.25) + 0.75 * math.log(0.75)))


def test_the_objective_is_the_nats_of_all_frames_and_tells_now_and_then(mnist):
    task, told = SMALL, NextFrame(digits=1, size=32, digit=16, frames=6, given=3, told=1.0)
    net = build(Config(width=4, motions=1))
    batch: Batch = next(batches(task.samples(mnist, "train", 0), 8))
    clip = batch["clip"].float() / 255
    silent = NextFrame(digits=1, size=32, digit=16, frames=6, given=3, told=0.0).objective(net, batch)["nats"]
    torch.testing.assert_close(silent, 0.01 * nats(net(clip), classes(net, clip)).mean())
    everything = told.objective(net, batch)["nats"]
    torch.testing.assert_close(everything, 0.01 * nats(net(clip, batch["labels"]), classes(net, clip)).mean())
    assert not torch.equal(silent, everything)
    assert torch.equal(task.objective(net, batch)["nats"], task.objective(net, batch)["nats"])


def test_evaluation_scores_the_last_frames_without_labels(mnist):
    net = build(Config(width=4, motions=1)).eval()
    found = SMALL.evaluate(net, mnist, "valid", 0, 3)
    clip = torch.stack([SMALL.samples(mnist, "valid", 0).sample(0, k)["clip"] for k in range(3)]).float() / 255
    wanted = float(nats(net(clip), classes(net, clip))[:, 3:].mean().detach())
    assert found.metrics["nats_per_frame"] == pytest.approx(wanted, rel=1e-5)
    assert found.metrics["nats_per_frame.copy_last"] == copy_last_nats(classes(net, clip), 3)
    strip = found.pictures["continuation"]
    assert strip.shape == (1, 3 * 32, 3 * 32) and strip.min() >= 0 and strip.max() <= 1
    truth_row = torch.cat([frame[0] for frame in clip[0, 3:]], dim=1)
    assert torch.equal(strip[0, :32], (truth_row >= 0.5).float())


@pytest.mark.parametrize("task", [NextFrame(frames=2, given=1), Classify(frames=2)])
def test_the_test_set_is_another_than_the_validation(mnist, task):
    net = build(Config(width=4, motions=1) if isinstance(task, NextFrame) else Config("document", width=4, motions=1))
    test, valid = (task.samples(mnist, split, 0).sample(0, 0)["clip"] for split in ("test", "valid"))
    assert not torch.equal(test, valid)
    assert torch.equal(test, task.samples(mnist, "test", 1).sample(0, 0)["clip"])  # whatever the seed
    assert task.evaluate(net, mnist, "test", 0, 2).metrics != task.evaluate(net, mnist, "valid", 0, 2).metrics or (
        isinstance(task, Classify)
    )


def test_the_next_frame_is_learned(mnist):
    """Sixty steps bring it far below the models without a network."""
    torch.manual_seed(0)
    net = build(Config(width=8, motions=2))
    learn(SMALL, net, mnist, 60, 4, 5e-3)
    found = SMALL.evaluate(net.eval(), mnist, "valid", 0, 16).metrics
    assert found["nats_per_frame"] < 0.6 * found["nats_per_frame.copy_last"]
    assert found["nats_per_frame"] < 0.6 * found["nats_per_frame.frequency"]


def test_ten_clips_are_learned_by_heart():
    """Gradients find their way through all the LSTMs: a network that they do not reach stays at log(10)."""
    torch.manual_seed(0)
    net = build(Config(preset="document", width=8))
    batch = {"clip": (torch.rand(10, 2, 1, 32, 32) > 0.8).byte() * 255, "labels": torch.arange(10)[:, None]}
    optimiser = torch.optim.AdamW(net.parameters(), lr=2e-3)
    for _ in range(60):
        loss = Classify().objective(net, batch)["nats"]
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    assert float(loss.detach()) < 0.7 * math.log(10)


@pytest.mark.parametrize("make", [next_frame, digits])
def test_recipes_are_found_and_survive_json(make):
    found = recipe.load(make().name)
    assert found == make()
    assert recipe.from_json(found.as_json()) == found
    assert found.changed(["config.width=32", "task.frames=12"]).task.frames == 12
