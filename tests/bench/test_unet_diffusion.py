"""The U-Net that flow models are measured against is a working one: it learns, and draws from seeds of its own."""

from __future__ import annotations

import torch

from mnist import write_mnist
from vidwright.bench import unet_diffusion
from vidwright.bench.unet_diffusion import TIMES, Shape, UNet, sampled, trained
from vidwright.data.moving_mnist import MovingMnist

TINY = Shape(width=8, levels=(1, 2))


def test_it_learns_and_counts_what_it_saw(tmp_path, monkeypatch):
    monkeypatch.setattr(unet_diffusion, "LEARNING_RATE", 3e-3)  # there are a few steps only
    samples = MovingMnist(write_mnist(tmp_path), digits=1, size=16, digit=8, frames=3)
    losses: list[float] = []
    made = trained(samples, 3.0, shape=TINY, watch=lambda step, loss: losses.append(loss))
    assert made.clips == 8 * len(losses) and made.seconds >= 3.0
    assert min(losses[-3:]) < 0.9 * losses[0]


def test_classes_and_seeds_decide_what_is_drawn():
    torch.manual_seed(0)
    net = UNet(TINY).eval()
    labels = torch.tensor([1, 2])
    both = sampled(net, labels, 3, 16, [5, 6], number=3)
    assert both.shape == (2, 3, 1, 16, 16) and bool((both >= 0).all() and (both <= 1).all())
    alone = sampled(net, labels[1:], 3, 16, [6], number=3)
    assert (alone[0] - both[1]).abs().max() < 1e-3
    assert not torch.allclose(sampled(net, labels[:1], 3, 16, [6], number=3), alone, atol=1e-3)


def test_time_and_label_reach_the_result():
    torch.manual_seed(0)
    net, clip = UNet(TINY).eval(), torch.zeros(1, 2, 1, 16, 16)
    said = [net(clip, torch.tensor([step]), torch.tensor([label])) for step, label in ((0, 1), (TIMES - 1, 1), (0, -1))]
    assert not torch.allclose(said[0], said[1]) and not torch.allclose(said[0], said[2])
