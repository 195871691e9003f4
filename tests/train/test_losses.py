"""Losses have the values of their formulas and of other libraries."""

from __future__ import annotations

import math

import numpy as np
import pytest
import pytorch_msssim
import torch
from torch import Tensor
from torch.nn import functional as F

from vidwright.train import losses


def clips(*shape: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    return torch.rand(shape, generator=generator), torch.rand(shape, generator=generator)


PAIRED = [losses.l1, losses.charbonnier, losses.fft, losses.temporal_difference]


def each(test):
    return pytest.mark.parametrize("loss", PAIRED, ids=lambda loss: loss.__name__)(test)


def test_l1_is_torchs():
    x, y = clips(2, 3, 3, 8, 8)
    torch.testing.assert_close(losses.l1(x, y), F.l1_loss(x, y))


def test_charbonnier_is_a_parabola_near_zero_and_l1_far_away():
    zero = torch.zeros(4)
    for difference, expected in ((0.0, 0.001), (0.001, 0.001 * math.sqrt(2)), (0.3, math.sqrt(0.09 + 1e-6))):
        assert float(losses.charbonnier(zero + difference, zero)) == pytest.approx(expected, rel=1e-6)
    assert float(losses.charbonnier(zero + 3, zero, epsilon=4.0)) == pytest.approx(5.0)


def test_laplace_is_torchs_distribution_but_for_log_2():
    output, target, width = torch.rand(3, 2, 3, 4, 5)
    wanted = -torch.distributions.Laplace(output, width).log_prob(target).mean() - math.log(2)
    assert losses.laplace(output, target, width).item() == pytest.approx(wanted.item(), rel=1e-5)


def test_log_mse_counts_each_sample_in_decibels():
    x = torch.full((2, 3, 4, 4), 0.5)
    y = x + torch.tensor([0.1, 0.02]).view(2, 1, 1, 1)
    wanted = (math.log(0.01 + 1e-4) + math.log(4e-4 + 1e-4)) / 2
    assert float(losses.log_mse(y, x)) == pytest.approx(wanted, rel=1e-4)
    assert float(losses.log_mse(x, x, floor=1e-6)) == pytest.approx(math.log(1e-6), rel=1e-4)
    with pytest.raises(ValueError, match="shapes differ"):
        losses.log_mse(x, x[:1])


def test_fft_is_numpys():
    x, y = clips(2, 3, 9, 12)
    ours = losses.fft(x, y)
    theirs = np.abs(np.fft.rfft2(x.double().numpy()) - np.fft.rfft2(y.double().numpy())).mean() / math.sqrt(9 * 12)
    assert float(ours) == pytest.approx(theirs, rel=1e-5)


def test_fft_of_a_cosine_is_its_one_line():
    wave = torch.cos(2 * torch.pi * 3 * torch.arange(16) / 16).expand(1, 1, 8, 16)
    # Half of 8 * 16 in each of two conjugate lines, of which the half spectrum of 8 x 9 holds one.
    assert float(losses.fft(wave, torch.zeros(1, 1, 8, 16))) == pytest.approx(64 / math.sqrt(128) / 72, rel=1e-5)


def test_temporal_difference_costs_what_flickers_and_not_what_stands():
    x, _ = clips(2, 5, 3, 4, 4)
    still = torch.rand(2, 1, 3, 4, 4).expand_as(x)
    assert float(losses.temporal_difference(x + still, x)) == pytest.approx(0, abs=1e-6)
    flicker = 0.25 * torch.tensor([1, -1, 1, -1, 1]).view(1, 5, 1, 1, 1)
    assert float(losses.temporal_difference(x + flicker, x)) == pytest.approx(0.5, rel=1e-5)
    assert float(losses.temporal_difference(x[:, :1] + 1, x[:, :1])) == 0


def test_structural_is_one_minus_the_ms_ssim_of_another_library():
    x, y = clips(2, 3, 176, 165)
    y = 0.7 * x + 0.3 * y
    theirs = 1 - pytorch_msssim.ms_ssim(x, y, data_range=1.0)
    torch.testing.assert_close(losses.structural(x, y), theirs, rtol=0, atol=1e-4)
    assert float(losses.structural(x, x)) == pytest.approx(0, abs=1e-6)
    x.requires_grad_()
    losses.structural(x, y).backward()
    assert x.grad is not None and x.grad.isfinite().all() and x.grad.abs().max() > 0


def test_cross_entropy_is_the_mean_of_minus_log_softmax_in_nats():
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(2, 5, 3, 4, generator=generator)
    classes = torch.randint(5, (2, 3, 4), generator=generator)
    chosen = logits.double().exp() / logits.double().exp().sum(1, keepdim=True)
    expected = -chosen.gather(1, classes[:, None]).log().mean()
    assert float(losses.cross_entropy(logits, classes)) == pytest.approx(float(expected), rel=1e-6)
    assert float(losses.cross_entropy(torch.zeros(1, 8, 2), torch.zeros(1, 2).long())) == pytest.approx(math.log(8))


def test_hinge_losses_are_their_formulas():
    real, fake = torch.tensor([2.0, 0.5, -1.0]), torch.tensor([-2.0, -0.5, 1.0])
    assert float(losses.hinge_discriminator(real, fake)) == pytest.approx((0 + 0.5 + 2) / 3 + (0 + 0.5 + 2) / 3)
    assert float(losses.hinge_generator(fake)) == pytest.approx(0.5)


def test_a_discriminator_stops_pushing_beyond_the_margin_and_the_two_pull_apart():
    real, fake = torch.tensor([2.0, 0.0], requires_grad=True), torch.tensor([-2.0, 0.0], requires_grad=True)
    losses.hinge_discriminator(real, fake).backward()
    assert real.grad is not None and real.grad.tolist() == [0.0, -0.5]
    assert fake.grad is not None and fake.grad.tolist() == [0.0, 0.5]
    fake.grad = None
    losses.hinge_generator(fake).backward()
    assert fake.grad is not None and fake.grad.tolist() == [-0.5, -0.5]


def test_rate_distortion_weighs_distortion_against_bits():
    rate, distortion = torch.tensor([0.1, 0.3]), torch.tensor([0.02, 0.04])
    assert float(losses.rate_distortion(rate, distortion, tradeoff=10.0)) == pytest.approx(0.2 + 10 * 0.03)


@each
def test_it_has_a_gradient_even_where_nothing_differs(loss):
    x, y = clips(1, 3, 2, 6, 6)
    x.requires_grad_()
    loss(x, y).backward()
    assert x.grad is not None and x.grad.abs().max() > 0
    x.grad = None
    loss(x, x.detach().clone()).backward()
    assert x.grad is not None and x.grad.isfinite().all()


@each
def test_it_is_summed_in_fp32_when_the_network_is_in_bf16(loss):
    x, y = (clip.bfloat16() for clip in clips(1, 4, 3, 32, 32))
    assert loss(x, y).dtype is torch.float32
    torch.testing.assert_close(loss(x, y), loss(x.float(), y.float()))


@each
def test_shapes_that_would_broadcast_are_refused(loss):
    with pytest.raises(ValueError, match="shapes differ"):
        loss(torch.zeros(2, 3, 1, 4, 4), torch.zeros(2, 1, 1, 4, 4))
