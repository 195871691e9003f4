"""The budget and the learning rate."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vidwright.core.errors import UsageError
from vidwright.train.schedule import Budget, learning_rate


@pytest.mark.parametrize("fields", [{}, {"steps": 3, "minutes": 1.0}, {"steps": 0}, {"minutes": -1.0}])
def test_a_budget_is_either_steps_or_minutes(fields):
    with pytest.raises(UsageError):
        Budget(**fields)


def test_progress_is_the_share_used():
    assert Budget(steps=200).progress(50, 1e9) == 0.25
    assert Budget(minutes=2).progress(10**9, 30.0) == 0.25
    assert Budget(minutes=2).progress(0, 500.0) == 1.0


@given(step=st.integers(0, 10_000), warmup=st.integers(0, 500), progress=st.floats(0, 1))
def test_the_rate_stays_between_nothing_and_its_peak(step, warmup, progress):
    assert 0 <= learning_rate(2.0, step, warmup, progress) <= 2.0


def test_the_rate_rises_and_falls_to_nothing():
    rates = [learning_rate(1.0, step, 10, step / 100) for step in range(101)]
    assert rates[0] == 0.1 and max(rates) == pytest.approx(rates[9], rel=0.02) and rates[100] == pytest.approx(0)
    assert rates[50] == pytest.approx(0.5) and sorted(rates[10:], reverse=True) == rates[10:]
