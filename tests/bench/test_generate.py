"""The table of generated digits: real clips are real in it, and noise is not."""

from __future__ import annotations

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from mnist import write_mnist
from tiny import randomise
from vidwright.bench.generate import Clips, Figure, _seen, as_json, figures, real_clips, text
from vidwright.metrics.fvd import I3d
from vidwright.models.generate.flow import Config, Net


class Knows(nn.Module):
    """Reads the digit of real clips, by looking them up, and 0 in all others."""

    def __init__(self, real: Clips) -> None:
        super().__init__()
        frames = real.truth.flatten(0, 1)
        self.known = frames.flatten(1)
        self.labels = real.labels.repeat_interleave(real.truth.shape[1])

    def forward(self, clip: torch.Tensor) -> torch.Tensor:
        far = torch.cdist(clip[:, 0].flatten(1), self.known, compute_mode="donot_use_mm_for_euclid_dist")
        label = torch.where(far.min(dim=1).values < 1e-3, self.labels[far.argmin(dim=1)], 0)
        return 50.0 * nn.functional.one_hot(label, 10)


@pytest.fixture(scope="module")
def found(tmp_path_factory) -> list[Figure]:
    real = real_clips(write_mnist(tmp_path_factory.mktemp("mnist")), 6)
    net = randomise(Net(Config(widths=(4, 4), tokens=8, depth=1, heads=1))).eval().requires_grad_(False)
    assert isinstance(net, Net)
    return list(figures(net, Knows(real), real, seeds=2, joint=False))


def value(found: list[Figure], task: str, measure: str, way: str) -> float:
    (figure,) = (f for f in found if task in f.task and f.measure == measure and f.way == way)
    return figure.mean


def test_real_clips_are_read_and_move_as_the_law_has_it(found):
    assert value(found, "class", "label accuracy, middle frame", "real") == 1
    assert value(found, "class", "all frames read alike", "real") == 1
    assert value(found, "class", "path error, px", "real") < 0.5
    assert value(found, "between", "frames read as another digit", "real") == 0
    assert value(found, "continuation", "last frame's label", "real") == 1


def test_noise_is_not_read_and_jumps(found):
    assert value(found, "class", "label accuracy, middle frame", "one by one") < 0.5
    assert value(found, "class", "path error, px", "one by one") != value(found, "class", "path error, px", "real")


@pytest.mark.slow
def test_sets_of_clips_are_compared_by_given_weights(tmp_path):
    """Of real clips against themselves the distances are what two halves of nothing differ in: none."""
    torch.manual_seed(0)
    save_file(I3d().state_dict(), tmp_path / "i3d.safetensors")
    real = real_clips(write_mnist(tmp_path), 4)
    found = list(_seen("t", "w", [real.truth, 1 - real.truth], real, tmp_path / "i3d.safetensors"))
    assert [figure.measure for figure in found] == ["FVD", "KVD"]
    same, other = found[0].values  # tiny, for nothing was learned
    assert abs(same) < 1e-3 * other
    assert list(_seen("t", "w", [real.truth], real, None)) == []


def test_the_law_foresees_better_than_what_knows_no_edges(found):
    off = {
        way: value(found, "continuation", "centre off, px", way) for way in ("copy last", "straight on", "bounce law")
    }
    assert off["bounce law"] < off["straight on"] < off["copy last"]
    frames = [value(found, "continuation", f"centre off, px, frame {n}", "copy last") for n in (1, 2, 3, 4)]
    assert frames == sorted(frames) and off["copy last"] == pytest.approx(sum(frames) / 4)


def test_every_seed_is_another_sample_and_stands_in_the_table(found):
    rows = [f for f in found if f.way == "one by one" and f.measure == "MSE from one another"]
    assert len(rows[0].values) == 2 and rows[0].values[0] != rows[0].values[1] and rows[0].spread > 0
    table = text(found)
    assert "from a class" in table and "±" in table
    assert all(len(line) < 130 for line in table.splitlines())
    page = as_json(found, {"clips": 6})
    assert page["schema"] == 1 and page["clips"] == 6 and len(page["figures"]) == len(found)
