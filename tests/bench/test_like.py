"""The table of videos like a clip, and of two digits: the clip itself is the measure."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from media import clip
from mnist import write_mnist
from tiny import randomise
from vidwright.bench import like, pairs
from vidwright.bench.generate import Figure
from vidwright.data.idx import read_idx
from vidwright.data.moving_mnist import resized
from vidwright.data.moving_mnist import test_set as fixed_set
from vidwright.models.generate import flow, patches


def value(found: list[Figure], measure: str, way: str) -> float:
    (figure,) = (f for f in found if f.measure == measure and f.way == way)
    return figure.mean


def test_a_loop_goes_round_and_a_variation_is_of_the_clip_s_matter(tmp_path):
    path: Path = clip(tmp_path / "a.mp4", frames=8, size=(30, 20))
    frames, net = like.first_frames(path), patches.Net(patches.Config())
    found = list(like.figures(net, path, frames, seeds=2))
    steps = like.decibels(torch.stack([frame.data[:3] for frame in frames]))
    assert value(found, "frame to frame, dB", "the clip") == pytest.approx(float(steps[1:].mean()))
    assert (
        value(found, "coherence, MSE", "variation")
        < 0.02
        < value(found, "from one another, of the clip's spread", "variation")
    )
    assert value(found, "largest step, dB", "loop") <= value(found, "seam, dB", "loop")
    rows = like.rows(net, frames)
    assert len(rows) == 4 and {len(row) for row in rows} == {like.SHOWN} and rows[3][0].shape == (3, 20, 45)


def test_frames_and_their_own_are_decibels_apart():
    ramp = torch.linspace(0, 1, 4)[:, None, None, None].expand(-1, 3, 2, 2)
    assert like.decibels(ramp).tolist() == pytest.approx(
        [0, *[9.542425] * 3], abs=1e-5
    )  # 1, and a third, of full scale


class Knows(torch.nn.Module):
    """Names the digit that a picture is most like, of those that there are."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        small = resized(read_idx(folder / "t10k-images-idx3-ubyte", 3), 16)
        self.digits_NP = torch.from_numpy(small).flatten(1) / 255
        self.labels_N = torch.tensor(read_idx(folder / "t10k-labels-idx1-ubyte", 1).tolist())

    def forward(self, clip: torch.Tensor) -> torch.Tensor:
        nearest = torch.cdist(clip[:, 0, 0, 8:24, 8:24].flatten(1), self.digits_NP).argmin(dim=1)
        return 50 * torch.nn.functional.one_hot(self.labels_N[nearest], 10).float()


def test_pairs_are_read_and_their_clips_continued(tmp_path):
    net = randomise(flow.Net(flow.Config(widths=(4, 4), tokens=8, depth=1, heads=1, length=4, side=64)))
    samples = fixed_set(write_mnist(tmp_path), frames=4)
    clips = [samples.sample(0, k)["clip"][:, 0] / 255 for k in range(8)]
    readable = sum(any(pairs.apart(frame) is not None for frame in clip) for clip in clips) / 8
    found = list(pairs.figures(net.eval(), Knows(tmp_path), tmp_path, clips=8, seeds=2))
    assert value(found, "both digits read", "real") == readable > 0
    assert value(found, "both digits read", "one by one") == 0
    ours, copies, black = (value(found, "MSE", way) for way in ("ours", "copy last", "black"))
    assert ours > 0 and copies > 0 and black > 0
    assert [len(row) for row in pairs.rows(net)] == [2] * 5
