"""How completion is judged, and what its recipe learns from."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

import scenes
from vidwright.core.errors import UsageError
from vidwright.data.holes import KINDS
from vidwright.data.loader import batches
from vidwright.metrics.psnr import psnr
from vidwright.models.edit.completion import Config, Net
from vidwright.train.completing import AREAS, SPACING, completed, gained, losses, puzzles
from vidwright.train.optimiser import Optimiser
from vidwright.train.recipe import load
from vidwright.train.recipes.completion import Completion

SMALL = Config(widths=(8, 8))


def excerpt(pace: int = 1) -> Tensor:
    return scenes.scene(0, 8, (64, 48), pace).mul(255).round().to(torch.uint8)


class Known(nn.Module):
    """Makes what is told it."""

    def __init__(self, truth_CHW: Tensor) -> None:
        super().__init__()
        self.truth = nn.Parameter(truth_CHW.float() / 255)

    def forward(self, x_BTCHW: Tensor, unknown_BT1HW: Tensor) -> Tensor:
        return torch.where(unknown_BT1HW[:, 1], self.truth, x_BTCHW[:, 1])


def test_a_puzzle_hides_the_same_place_in_three_frames_and_shows_it_nowhere():
    x = excerpt(pace=0)
    found = list(puzzles(x))
    assert [puzzle.kind for puzzle in found] == [kind for kind in KINDS for _ in AREAS]
    for puzzle, again in zip(found, puzzles(x), strict=True):
        earlier, middle, later = puzzle.unknown
        assert torch.equal(puzzle.truth, x[4]) and torch.equal(puzzle.seen, again.seen)
        assert (middle & earlier & later).sum() == middle.sum() >= AREAS[0] * 48 * 64 - 1
        assert torch.equal(puzzle.seen[1][~middle.expand(3, -1, -1)], x[4][~middle.expand(3, -1, -1)])


def test_the_outer_frames_are_those_that_far_away():
    flat = torch.arange(8, dtype=torch.uint8).mul(20).view(-1, 1, 1, 1).expand(-1, 3, 48, 64).contiguous()
    seen = next(puzzles(flat)).seen
    assert [int(frame.float().median()) // 20 for frame in seen] == [4 - SPACING, 4, 4 + SPACING]


def test_the_gain_is_that_inside_of_the_hole():
    puzzle = list(puzzles(excerpt()))[2]
    hole = puzzle.unknown[1].expand(3, -1, -1)
    off = torch.where(hole, puzzle.truth.float() + 10, 255 - puzzle.truth.float()).clamp(0, 255).to(torch.uint8)
    before, after = (psnr(each[hole], puzzle.truth[hole], peak=255.0) for each in (puzzle.seen[1], off))
    assert gained(off, puzzle) == pytest.approx(after - before)
    assert gained(puzzle.seen[1], puzzle) == 0
    assert gained(completed(Known(puzzle.truth), puzzle), puzzle) > 10


def test_a_flat_hole_that_is_filled_exactly_gains_nothing():
    puzzle = next(puzzles(torch.full((8, 3, 48, 64), 77, dtype=torch.uint8)))
    assert gained(puzzle.truth, puzzle) == 0


def test_the_task_is_judged_by_its_protocol(tmp_path):
    scenes.write(tmp_path / "a.mp4", scenes.scene(0, 16))
    net, task = Net(SMALL), Completion(patch=32)
    nn.init.normal_(net.exit.weight, std=0.1)
    found = task.evaluate(net, tmp_path, "all", 0, None)
    per_kind = [found.metrics[f"gain.{kind}"] for kind in KINDS]
    assert found.metrics["gain"] == pytest.approx(sum(per_kind) / len(KINDS)) and found.metrics["gain"] != 0
    assert {picture.shape for picture in found.pictures.values()} == {(3, 48, 192)}


def test_only_what_counts_counts_and_the_truth_is_best():
    random = torch.Generator().manual_seed(0)
    truth = torch.rand(2, 3, 16, 16, generator=random)
    counted = torch.zeros(2, 1, 16, 16, dtype=torch.bool)
    counted[..., 4:9, 4:9] = True
    elsewhere, inside = (truth + 0.1 * mask for mask in (~counted, counted))
    assert losses(elsewhere, truth, counted) == losses(truth, truth, counted)
    for name, least in losses(truth, truth, counted).items():
        assert losses(inside, truth, counted)[name] > least


def test_steps_on_a_few_samples_make_their_loss_less(tmp_path):
    scenes.write(tmp_path / "a.mp4", scenes.scene(0, 16, (96, 64)))
    torch.manual_seed(0)
    net, task = Net(SMALL), Completion(patch=48)
    samples = task.samples(tmp_path, "all", 0)
    batch = next(batches(samples, 4))
    (optimiser,) = Optimiser(learning_rate=1e-2).build(net)
    found: list[float] = []
    for _ in range(25):
        loss = torch.stack(list(task.objective(net, batch).values())).sum()
        found.append(float(loss.detach()))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    assert found[-1] < found[0] - 0.3


def test_settings_that_make_no_sense_are_refused():
    with pytest.raises(UsageError, match="patch must be at least 32"):
        load("edit/completion:fast").changed(["task.patch=16"])
