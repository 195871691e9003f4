"""Rectified flow against what is known in closed form for a Gaussian.

For clean ~ N(m, s^2), noise ~ N(0, 1) and x_t between them, the flow carries noise n to m + s n, and
E[clean | x_t] = m + t s^2 (x_t - t m) / (t^2 s^2 + (1 - t)^2).
"""

from __future__ import annotations

import itertools

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from vidwright.process import flow

M, S = 1.5, 0.4


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def optimal(x: Tensor, t: Tensor) -> Tensor:
    """The best prediction of clean from x_t."""
    return M + t * S**2 * (x - t * M) / (t**2 * S**2 + (1 - t) ** 2)


def integrated(noise: Tensor, steps: int, **options) -> Tensor:
    x = noise
    times = torch.linspace(0, 1, steps + 1, dtype=noise.dtype)
    for t, to in itertools.pairwise(times):
        x = flow.step(x, optimal(x, t), t.expand(len(x)), to.expand(len(x)), **options)
    return x


def test_the_line_goes_from_noise_to_clean_at_its_velocity():
    clean, noise = normal(3, 2, 4), normal(3, 2, 4, seed=1)
    assert torch.equal(flow.mix(clean, noise, torch.zeros(3)), noise)
    assert torch.equal(flow.mix(clean, noise, torch.ones(3)), clean)
    t, later = torch.tensor([0.25, 0.5, 0.75]), torch.tensor([0.5, 0.75, 1.0])
    slope = (flow.mix(clean, noise, later) - flow.mix(clean, noise, t)) / 0.25
    torch.testing.assert_close(slope, flow.velocity(clean, noise))


@given(t=st.floats(0, 1 - flow.MARGIN), frames=st.booleans())
@settings(max_examples=30, deadline=None)
def test_clean_and_velocity_are_two_ways_to_say_one_thing(t, frames):
    clean, noise = normal(2, 3, 4, 4), normal(2, 3, 4, 4, seed=1)
    times = torch.full((2, 3) if frames else (2,), t, dtype=torch.float64)
    x = flow.mix(clean, noise, times)
    v = flow.velocity_from_clean(clean, x, times)
    torch.testing.assert_close(v, flow.velocity(clean, noise))
    torch.testing.assert_close(flow.clean_from_velocity(v, x, times), clean)


def test_near_clean_the_velocity_stays_bounded():
    x, predicted = torch.zeros(2, 5), torch.ones(2, 5)
    v = flow.velocity_from_clean(predicted, x, torch.tensor([0.999, 1.0]))
    torch.testing.assert_close(v, torch.full((2, 5), 1 / flow.MARGIN))
    exact = flow.velocity_from_clean(predicted, x, torch.tensor([0.5, 0.999]), margin=1e-6)
    torch.testing.assert_close(exact[:, 0], torch.tensor([2.0, 1000.0]), rtol=1e-4, atol=0)


def test_times_may_differ_by_frame():
    clean, noise = normal(2, 3, 1, 2), normal(2, 3, 1, 2, seed=1)
    t = torch.tensor([[0.0, 0.5, 1.0], [1.0, 0.0, 0.25]])
    x = flow.mix(clean, noise, t)
    for b in range(2):
        for f in range(3):
            torch.testing.assert_close(x[b, f], t[b, f] * clean[b, f] + (1 - t[b, f]) * noise[b, f])


def test_times_of_another_shape_are_refused():
    with pytest.raises(ValueError, match=r"times \(3,\) are not for data \(2, 3, 4\)"):
        flow.mix(torch.zeros(2, 3, 4), torch.zeros(2, 3, 4), torch.zeros(3))


@pytest.mark.parametrize("predicts", ["clean", "velocity"])
def test_the_best_prediction_has_the_loss_of_the_posterior_and_any_other_more(predicts):
    count = 200_000
    clean, noise = M + S * normal(count, 1), normal(count, 1, seed=1)
    t = torch.full((count,), 0.6, dtype=torch.float64)
    x = flow.mix(clean, noise, t)
    best = optimal(x, t[:, None])
    if predicts == "velocity":
        best = flow.velocity_from_clean(best, x, t)
    expected = S**2 / (0.6**2 * S**2 + 0.4**2)
    at_best = flow.loss(best, clean, noise, t, predicts)
    torch.testing.assert_close(float(at_best), expected, rtol=0.02, atol=0)
    for worse in (best * 1.1, best + 0.1, best * 0.9):
        assert flow.loss(worse, clean, noise, t, predicts) > at_best


def test_the_loss_of_clean_is_the_loss_of_its_velocity():
    clean, noise, guess = normal(4, 3), normal(4, 3, seed=1), normal(4, 3, seed=2)
    t = torch.tensor([0.0, 0.3, 0.9, 0.99])
    of_velocity = flow.velocity_from_clean(guess, flow.mix(clean, noise, t), t)
    by_hand = (of_velocity - flow.velocity_from_clean(clean, flow.mix(clean, noise, t), t)).square().mean()
    torch.testing.assert_close(flow.loss(guess, clean, noise, t, "clean").double(), by_hand, rtol=1e-5, atol=0)


@pytest.mark.parametrize("predicts", ["clean", "velocity"])
def test_frames_that_are_given_are_not_counted(predicts):
    clean, noise, guess = normal(1, 3, 4), normal(1, 3, 4, seed=1), normal(1, 3, 4, seed=2)
    some = flow.loss(guess, clean, noise, torch.tensor([[1.0, 0.2, 0.7]]), predicts)
    without = flow.loss(guess[:, 1:], clean[:, 1:], noise[:, 1:], torch.tensor([[0.2, 0.7]]), predicts)
    torch.testing.assert_close(some, without)
    assert flow.loss(guess, clean, noise, torch.ones(1, 3), predicts) == 0


def test_the_flow_carries_noise_to_the_distribution_of_clean():
    noise = normal(20_000)
    end = integrated(noise, 400)
    torch.testing.assert_close(end, M + S * noise, rtol=0, atol=0.02)
    assert abs(float(end.mean()) - M) < 0.01
    assert abs(float(end.std()) - S) < 0.01


def test_a_step_is_eulers_along_the_velocity():
    x, clean, t, to = normal(3, 4), normal(3, 4, seed=1), torch.tensor([0.0, 0.3, 0.8]), torch.tensor([0.1, 0.5, 1.0])
    euler = x + (to - t).double()[:, None] * flow.velocity_from_clean(clean, x, t)
    torch.testing.assert_close(flow.step(x, clean, t, to), euler)
    torch.testing.assert_close(flow.step(x, clean, t, torch.ones(3)), clean)


@pytest.mark.parametrize("refresh", [0.0, 0.6, 1.0])
def test_a_step_towards_the_truth_stays_on_the_path_whatever_is_refreshed(refresh):
    count = 100_000
    clean, noise = torch.full((count,), M, dtype=torch.float64), normal(count)
    t, to = torch.full((count,), 0.3), torch.full((count,), 0.7)
    x = flow.mix(clean, noise, t)
    moved = flow.step(x, clean, t, to, refresh=refresh, fresh=normal(count, seed=1))
    assert abs(float(moved.mean()) - 0.7 * M) < 0.005
    assert abs(float(moved.std()) - 0.3) < 0.005
    kept = float(torch.corrcoef(torch.stack([moved, noise]))[0, 1])
    assert abs(kept - (1 - refresh**2) ** 0.5) < 0.02


def test_refreshing_takes_noise_and_given_frames_stay():
    x = normal(1, 2, 3)
    with pytest.raises(ValueError, match="fresh noise"):
        flow.step(x, x, torch.zeros(1), torch.ones(1), refresh=1.0)
    t, to = torch.tensor([[1.0, 0.5]]), torch.tensor([[1.0, 0.75]])
    moved = flow.step(x, torch.zeros_like(x), t, to, refresh=1.0, fresh=normal(1, 2, 3, seed=1))
    assert torch.equal(moved[:, 0], x[:, 0])
    assert not torch.equal(moved[:, 1], x[:, 1])


def test_times_are_logit_normal_and_follow_from_the_seed():
    def draw(**options) -> Tensor:
        return flow.logit_normal((50_000,), generator=torch.Generator().manual_seed(3), **options)

    logits = draw(mean=-0.8, std=1.2).double().logit()
    assert abs(float(logits.mean()) + 0.8) < 0.02
    assert abs(float(logits.std()) - 1.2) < 0.02
    assert torch.equal(draw(), draw())
    assert draw(shift=3.0).median() < draw().median()
    assert flow.logit_normal((2, 5), generator=torch.Generator()).shape == (2, 5)


def test_shifting_multiplies_the_odds_of_noise():
    t = torch.tensor([0.0, 0.2, 0.5, 1.0], dtype=torch.float64)
    moved = flow.shifted(t, 3.0)
    assert moved[0] == 0 and moved[-1] == 1
    torch.testing.assert_close((1 - moved[1:3]) / moved[1:3], 3 * (1 - t[1:3]) / t[1:3])
    assert torch.equal(flow.shifted(t, 1.0), t)
