"""What an interpolator learns from a clip, and what of the clip it is judged by."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

import scenes
from vidwright.data.seeding import generator
from vidwright.models.enhance.interpolator import Config, Net
from vidwright.train.adapt import adapt
from vidwright.train.between_frames import GAPS, PATCH, BetweenFrames
from vidwright.train.interpolation import hold
from vidwright.train.schedule import Budget

SMALL = Config(channels=4, features=2, width=4)


def pieces(length: int = 6, number: int = 8) -> list[Tensor]:
    """Of a texture that moves by two pixels a frame."""
    return [scenes.scene(n, length, (80, 64), 2).mul(255).round().to(torch.uint8) for n in range(number)]


def network() -> Net:
    """As before training, which is flow alone, and wrong: it shows too much of the first frame."""
    torch.manual_seed(0)
    net = Net(SMALL).eval().requires_grad_(False)
    torch.nn.init.constant_(net.exit.bias[:4], -0.3)
    return net


def test_what_was_wrong_on_a_clip_is_mended_on_its_held_out_frames():
    net = network()
    lesson = BetweenFrames(net, pieces())
    gain = adapt(net, lesson, Budget(steps=25))
    assert gain.won and gain.before == BetweenFrames(network(), pieces()).quality(network())
    assert lesson.quality(net) == gain.after > gain.before + 0.1


@pytest.mark.parametrize("length", [3, 4, 6])
def test_samples_are_frames_of_the_clip_in_their_order_and_time(length):
    """The frames are flat and as bright as their number says, so what is seen tells where it came from."""
    flat = torch.arange(length, dtype=torch.uint8).mul(20).view(-1, 1, 1, 1).expand(-1, 3, 40, 150)
    lesson = BetweenFrames(network(), [flat, flat + 1, flat + 2])
    seen = set[int]()
    for n in range(20):
        batch = lesson.batch(generator(0, n))
        assert batch["pair"].shape == (4, 2, 3, 40, PATCH) and batch["middle"].shape == (4, 3, 40, PATCH)
        first, last = batch["pair"][:, :, 0, 0, 0].int().unbind(1)
        torch.testing.assert_close(first + batch["time"] * (last - first), batch["middle"][:, 0, 0, 0].float())
        seen |= {int(gap) for gap in (last - first).abs() // 20}
        assert {int(v) % 20 for v in batch["pair"].unique()} <= {0, 2}  # and never of the piece that is held out
    assert seen == {gap for gap, _ in GAPS if gap < length}


def test_held_out_frames_are_made_from_both_neighbours():
    class Hold(Net):
        def between(self, first, second, times):
            assert (second.time - first.time) / 2 == times[0] - first.time
            return hold(first, second, times)

    x = pieces(length=6)
    apart = [(one.float() - other.float()).square().mean() for one, other in zip(x[1][:4], x[1][1:5], strict=True)]
    apart += [(one.float() - other.float()).square().mean() for one, other in zip(x[5][:4], x[5][1:5], strict=True)]
    wanted = torch.stack([10 * (255**2 / each).log10() for each in apart]).mean()
    assert BetweenFrames(network(), x).quality(Hold(SMALL)) == pytest.approx(float(wanted), abs=1e-4)


def test_pieces_without_a_middle_or_without_motion_teach_nothing():
    with pytest.raises(ValueError, match="there are 1"):
        BetweenFrames(network(), [piece[: 3 if n == 1 else 2] for n, piece in enumerate(pieces())])
    with pytest.raises(ValueError, match="nothing moves"):
        BetweenFrames(network(), [piece[:1].expand(4, -1, -1, -1) for piece in pieces()])
