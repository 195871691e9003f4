"""Samplers against what is known in closed form for a Gaussian (see `test_flow`)."""

from __future__ import annotations

import itertools
import math

import pytest
import torch
from torch import Tensor

from vidwright.core.errors import JobFailed
from vidwright.process.samplers import SAMPLERS, guided
from vidwright.process.schedules import grid, staggered, together

M, S = 1.5, 0.4


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def optimal(x: Tensor, t: Tensor) -> Tensor:
    """E[clean | x_t] for clean ~ N(M, S^2)."""
    t = t.to(x.dtype).reshape(*t.shape, *[1] * (x.ndim - t.ndim))
    return M + t * S**2 * (x - t * M) / (t**2 * S**2 + (1 - t) ** 2)


def sampled(name: str, noise: Tensor, schedule: Tensor, **options) -> Tensor:
    *_, end = SAMPLERS[name](optimal, noise, schedule, **options)
    return end


def columns(steps: int, count: int, shift: float = 3.0) -> Tensor:
    return grid(steps, shift=shift)[:, None].expand(-1, count)


def error(name: str, steps: int) -> float:
    """How far from m + s n, where the exact flow carries noise n."""
    noise = normal(64)
    return float((sampled(name, noise, columns(steps, 64)) - (M + S * noise)).abs().mean())


@pytest.mark.parametrize(("name", "order"), [("euler", 1), ("heun", 2), ("multistep", 2)])
def test_each_has_its_order(name, order):
    """Twice the steps divide the error by about two to the order."""
    falls = [math.log2(error(name, steps) / error(name, 2 * steps)) for steps in (16, 32, 64, 128)]
    assert all(order - 0.15 < fall < order + 0.6 for fall in falls)


def test_the_second_order_is_worth_it_from_a_few_steps_on():
    for steps in (8, 16, 50):
        assert error("multistep", steps) < 0.5 * error("euler", steps)
        assert error("heun", steps) < 0.9 * error("euler", steps)


def refreshed(name: str, steps: int, refresh: float) -> Tensor:
    source = torch.Generator().manual_seed(1)

    def fresh(x: Tensor) -> Tensor:
        return torch.randn(x.shape, generator=source, dtype=x.dtype)

    return sampled(name, normal(40_000), columns(steps, 40_000), refresh=refresh, fresh=fresh)


@pytest.mark.parametrize("name", SAMPLERS)
def test_samples_have_the_mean_and_spread_of_the_data(name):
    end = refreshed(name, 200, 0.0)
    assert abs(float(end.mean()) - M) < 0.01 and abs(float(end.std()) - S) < 0.01


@pytest.mark.parametrize("refresh", [0.0, 0.5, 0.8, 1.0])
@pytest.mark.parametrize("steps", [4, 20])
def test_refreshed_samples_spread_as_the_recursion_says(steps, refresh):
    """Each step is affine in x and in the fresh noise. All of it refreshed, samples spread less than the data."""
    times = grid(steps).double()
    mean, variance = 0.0, 1.0
    for t, to in itertools.pairwise(times.tolist()):
        slope = t * S**2 / (t**2 * S**2 + (1 - t) ** 2)
        kept = (1 - to) / (1 - t) * (1 - refresh**2) ** 0.5
        mean = (to - kept * t) * (M + slope * (mean - t * M)) + kept * mean
        variance = ((to - kept * t) * slope + kept) ** 2 * variance + ((1 - to) * refresh) ** 2
    end = refreshed("euler", steps, refresh)
    assert abs(float(end.mean()) - mean) < 0.01 and abs(float(end.std()) - variance**0.5) < 0.01
    assert variance**0.5 < S + 1e-6 or not refresh


@pytest.mark.parametrize("name", SAMPLERS)
def test_refreshing_keeps_the_mean(name):
    assert abs(float(refreshed(name, 50, 1.0).mean()) - M) < 0.02


@pytest.mark.parametrize("name", SAMPLERS)
def test_a_given_frame_stays_and_does_not_hurry_the_others(name):
    noise = normal(5, 3, 2)
    given = torch.tensor([[True, False, False]]).expand(5, 3)
    schedule = together(grid(24), given)
    end = sampled(name, noise, schedule)
    assert torch.equal(end[:, 0], noise[:, 0])
    torch.testing.assert_close(end[:, 1:], sampled(name, noise[:, 1:].flatten(), columns(24, 20)).view(5, 2, 2))


@pytest.mark.parametrize("name", SAMPLERS)
def test_staggered_frames_come_out_in_turn_and_alike(name):
    noise, times = normal(2, 3), grid(8)
    schedule = staggered(times, torch.zeros(2, 3, dtype=torch.bool), lag=2)
    assert schedule.shape == (9 + 4, 2, 3)
    steps = list(SAMPLERS[name](optimal, noise, schedule))
    whole = sampled(name, noise.flatten(), columns(8, 6)).view(2, 3)
    for frame, done in enumerate((7, 9, 11)):
        torch.testing.assert_close(steps[done][:, frame], whole[:, frame])
        assert bool((schedule[done + 1, :, frame] == 1).all() and (schedule[done, :, frame] < 1).all())


def test_a_grid_is_denser_near_noise():
    times = grid(10, shift=3.0)
    assert times[0] == 0 and times[-1] == 1 and bool((times.diff() > 0).all())
    assert times.diff()[0] < times.diff()[-1]
    torch.testing.assert_close(grid(4, shift=1.0), torch.linspace(0, 1, 5))


@pytest.mark.parametrize(("name", "step"), [("euler", 9), ("heun", 8), ("multistep", 9)])
def test_numbers_that_are_none_end_it_with_the_step(name, step):
    """From t = 0.7 on; Heun's eighth step looks ahead to it."""

    def broken(x: Tensor, t: Tensor) -> Tensor:
        return x * float("nan") if t[0] > 0.7 else optimal(x, t)

    with pytest.raises(JobFailed, match=f"step {step} gave numbers that are none"):
        list(SAMPLERS[name](broken, normal(3), columns(10, 3, 1.0)))


def test_guidance_draws_out_what_is_told():
    told, untold = torch.tensor([2.0]), torch.tensor([1.0])
    assert [float(guided(told, untold, scale)) for scale in (0, 1, 3)] == [1, 2, 4]
