"""What holds before any test is imported."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from forked import Forks

# As the command does: idle OpenMP threads spin by default, and starve whatever else runs on the machine.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
if "PYTEST_XDIST_WORKER" in os.environ:  # the cores are shared out already
    os.environ.setdefault("OMP_NUM_THREADS", "1")


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup() -> None:
    """Each test, with its fixtures, draws the same numbers whatever ran before it in its process."""
    if (torch := sys.modules.get("torch")) is not None:  # which some tests do without
        torch.manual_seed(0)


@pytest.fixture(scope="session")
def forks() -> Iterator[Forks]:
    """One process that has imported everything, for all tests that run jobs in forks of it."""
    from forked import Forks  # imports torch, which finds the environment as it is set above

    with Forks() as forks:
        yield forks
