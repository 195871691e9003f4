"""What a cleaner learns from noise that is new in each frame, and where it refuses to."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

import scenes
from vidwright import models
from vidwright.data.degrade import to_bytes
from vidwright.data.seeding import generator
from vidwright.metrics.psnr import mean_psnr, psnr
from vidwright.models.enhance.cleaner import Config, Net
from vidwright.train import frame_to_frame
from vidwright.train.adapt import adapt
from vidwright.train.cleaning import cleaned
from vidwright.train.frame_to_frame import FrameToFrame, align
from vidwright.train.schedule import Budget

SIGMA = 20.0


def network() -> Net:
    return models.load("enhance/cleaner", "fast", kind=Net, device="cpu", dtype="fp32")


def clean(number: int, length: int = 7, pace: int = 1) -> Tensor:
    """A texture that moves by `pace` pixels a frame, far from black and white."""
    return to_bytes(scenes.scene(number, length, (72, 56), pace) * 90 + 80)


def noisy(x_TCHW: Tensor, seed: int, sigma: float = SIGMA) -> Tensor:
    return to_bytes(x_TCHW + sigma * torch.randn(x_TCHW.shape, generator=torch.Generator().manual_seed(seed)))


def true_quality(net: Net, damaged: list[Tensor], truth: list[Tensor]) -> float:
    """Of the frames that have targets on both sides."""
    away = net.config.radius + 1
    pairs = [(cleaned(net, one)[away:-away], other[away:-away]) for one, other in zip(damaged, truth, strict=True)]
    return mean_psnr(psnr(output, target, peak=255.0) for output, target in pairs)


def test_without_the_clean_frames_it_comes_nearer_to_them():
    truth = [clean(n) for n in range(6)]
    damaged = [noisy(x, n) for n, x in enumerate(truth)]
    net = network()
    held = [damaged[n] for n in (1, 5)], [truth[n] for n in (1, 5)]
    before = true_quality(net, *held)
    gain = adapt(net, FrameToFrame(net, damaged), Budget(steps=15))
    assert gain.won and true_quality(net, *held) > before + 0.5


def test_the_held_out_figure_is_the_one_that_clean_frames_would_give():
    """Where nothing moves every place is the same place, so all that is between the two is chance."""
    truth = [clean(n, pace=0) for n in range(4)]
    damaged = [noisy(x, n) for n, x in enumerate(truth)]
    net = network()
    lesson, plain = FrameToFrame(net, damaged), true_quality(net, damaged[1:2], truth[1:2])
    assert lesson.quality(net) == pytest.approx(plain, abs=0.5)
    net.strength = 0.5
    halved = true_quality(net, damaged[1:2], truth[1:2])
    assert halved < plain - 3 and lesson.quality(net) == pytest.approx(halved, abs=0.5)
    assert lesson.noise == pytest.approx(SIGMA, rel=0.1) and abs(lesson.correlation) < 0.05


def test_targets_are_other_frames_moved_onto_the_one_between():
    truth, net = clean(0, length=9, pace=3), network()
    away = net.config.radius + 1
    found = align(net, noisy(truth, 0, 4.0), away)
    both = found.trusted.all(dim=1).expand(-1, 3, -1, -1)
    assert found.targets.shape == (9 - 2 * away, 2, 3, 56, 72) and 0.2 < both.float().mean() < 0.95
    for side, still in enumerate((truth[: -2 * away], truth[2 * away :])):
        moved = (found.targets[:, side].float() - truth[away:-away])[both].square().mean()
        assert moved < 30 < (still.float() - truth[away:-away])[both].square().mean() / 2


def test_what_is_not_there_in_the_other_frame_is_not_trusted():
    truth, net = clean(0, length=9, pace=0), network()
    away = net.config.radius + 1
    truth[-away:, :, 16:40, 16:40] += 60
    found = align(net, noisy(truth, 0, 4.0), away)
    before, after = (found.trusted[-away:, side, :, 20:36, 20:36].float().mean() for side in (0, 1))
    assert after == 0 and before > 0.5


def test_where_nothing_is_known_the_network_is_to_stay_as_it_is():
    net, damaged = network(), [noisy(clean(n), n) for n in range(4)]
    lesson = FrameToFrame(net, damaged)
    batch = lesson.batch(generator(0))
    losses = lesson.objective(net, batch | {"trusted": torch.zeros_like(batch["trusted"])})
    assert losses["noisy"] == 0 and losses["stay"] < 0.02
    other = network()
    other.strength = 0
    assert lesson.objective(other, batch | {"trusted": torch.zeros_like(batch["trusted"])})["stay"] > 0.7
    losses = lesson.objective(net, batch | {"trusted": torch.ones_like(batch["trusted"])})
    assert losses["stay"] == 0 and losses["noisy"] == pytest.approx(1, rel=0.25)


def test_nothing_held_out_is_ever_learned_from():
    pieces = [to_bytes(torch.full((7, 3, 48, 64), 60.0 + 20 * number)) for number in range(8)]
    lesson = FrameToFrame(network(), [noisy(piece, n, 4.0) for n, piece in enumerate(pieces)])
    seen = {
        round(float(window.float().mean()) / 20) for n in range(20) for window in lesson.batch(generator(n))["seen"]
    }
    assert seen == {3 + number for number in (0, 2, 3, 4, 6, 7)}


@pytest.mark.parametrize(
    ("damage", "cause"),
    [
        (lambda x: noisy(x, 0, 1.0), "hardly any noise"),
        (lambda x: noisy(x[:1], 0).expand_as(x), "noise is not new in each frame: its correlation is"),
        (lambda x: noisy(x, 0)[:4], "there are 0"),
    ],
)
def test_where_there_is_no_new_noise_nothing_is_learned(damage, cause):
    with pytest.raises(ValueError, match=cause):
        FrameToFrame(network(), [damage(clean(n, pace=0)) for n in range(4)])


def test_networks_that_do_not_clean_do_not_learn():
    with pytest.raises(ValueError, match="no cleaner"):
        FrameToFrame(models.load("enhance/lanczos", scale=2), [])


def test_around_crops_there_is_room_for_the_search_for_motion(monkeypatch):
    for limit in ("DIFFERENT", "MISSED", "CORRELATED"):  # a network without weights would be refused
        monkeypatch.setattr(frame_to_frame, limit, 99.0)
    monkeypatch.setattr(frame_to_frame, "LEAST_NOISE", 0.0)
    monkeypatch.setattr(frame_to_frame, "CUT", 0.0)
    torch.manual_seed(0)
    net = Net(Config(radius=2, align=True, widths=(4, 6), estimate=4)).eval()
    torch.nn.init.normal_(net.unet.exit.weight, 0, 0.01)
    lesson = FrameToFrame(net, [noisy(to_bytes(scenes.scene(n, 9, (160, 140)) * 90 + 80), n) for n in range(2)])
    batch = lesson.batch(generator(0))
    assert {name: tuple(tensor.shape) for name, tensor in batch.items()} == {
        "seen": (6, 5, 3, 128, 128), "plain": (6, 3, 128, 128),
        "targets": (6, 2, 3, 128, 128), "trusted": (6, 2, 1, 128, 128),
    }  # fmt: skip
    around = {name: tensor.clone() for name, tensor in batch.items()}
    for name in ("plain", "targets"):
        around[name][..., :24, :] = 0
        around[name][..., -24:] = 0
    assert lesson.objective(net, batch) == lesson.objective(net, around)
