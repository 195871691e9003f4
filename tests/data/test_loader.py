"""Batches come in an order that nothing but their numbers decides, and whoever makes them is cleaned up after."""

from __future__ import annotations

import itertools
import multiprocessing
import os
import signal
import threading

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from draws import Draws
from vidwright.core.errors import BadInput, JobFailed
from vidwright.data.loader import Batch, Share, batches
from vidwright.data.seeding import generator
from waiting import until


def first(count: int, size: int = 4, samples: Draws | None = None, **options) -> list[Batch]:
    source = batches(samples or Draws(), size, **options)
    found = list(itertools.islice(source, count))
    source.close()
    return found


def assert_equal(some: list[Batch], others: list[Batch]) -> None:
    for one, other in zip(some, others, strict=True):
        assert one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def workers() -> list[int]:
    return [child.pid for child in multiprocessing.active_children() if child.pid is not None]


def loading_threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if "vidwright" in thread.name or "Queue" in thread.name]


def test_epochs_roll_on():
    found = first(5)
    assert [batch["sample"].tolist() for batch in found[:2]] == [[0, 1, 2, 3], [4, 5, 6, 7]]
    places = torch.cat([batch["place"] for batch in found])
    assert places.tolist() == [[*divmod(number, 7)] for number in range(20)]
    assert found[0]["sample"].dtype == torch.int64 and found[0]["x"].shape == (4, 3)
    assert torch.equal(found[1]["x"][3], torch.randn(3, generator=generator(0, 1, 0)))


@given(start=st.integers(0, 10**6), size=st.integers(1, 9))
@settings(max_examples=20, deadline=None)
def test_a_start_goes_on_where_an_earlier_run_was(start, size):
    found = first(2, size, start=start)
    assert torch.cat([batch["sample"] for batch in found]).tolist() == list(range(start * size, (start + 2) * size))


def test_a_start_gives_the_batches_from_there():
    assert_equal(first(3, start=4), first(7)[4:])


@pytest.mark.parametrize("world", [2, 3])
def test_shares_together_are_the_whole_batch(world):
    shares = [first(4, 6, share=Share(rank, world)) for rank in range(world)]
    joined = [
        {name: torch.cat([part[name] for part in parts]) for name in parts[0]} for parts in zip(*shares, strict=True)
    ]
    assert_equal(joined, first(4, 6))


class Nothing(Draws):
    def __len__(self) -> int:
        return 0


def test_an_empty_set_is_an_error_of_three_lines():
    with pytest.raises(BadInput, match="no sample") as error:
        batches(Nothing(), 4)
    assert len(str(error.value).splitlines()) == 3


def test_closing_early_leaves_no_thread():
    source = batches(Draws(), 4)
    next(source)
    assert loading_threads()
    source.close()
    assert not loading_threads()


def test_an_error_of_a_sample_arrives_as_itself():
    source = batches(Draws(damaged=9), 4)
    assert len(list(itertools.islice(source, 2))) == 2
    with pytest.raises(BadInput, match=r"clip2\.mp4\n  cause: it is torn"):
        next(source)
    assert not loading_threads()


def test_processes_make_the_same_batches_and_survive_the_terminals_interrupt():
    """One start of processes for all that they can do right: a process takes seconds to import torch."""
    source = batches(Draws(damaged=31), 4, start=1, workers=2)
    found = list(itertools.islice(source, 2))  # one of each process, so both are past their start
    assert len(workers()) == 2
    for pid in workers():
        os.kill(pid, signal.SIGINT)
    found += itertools.islice(source, 4)
    assert_equal(found, first(6, start=1))
    with pytest.raises(BadInput, match=r"clip3\.mp4\n  cause: it is torn") as error:
        next(source)
    assert len(str(error.value).splitlines()) == 3
    until(lambda: not workers() and not loading_threads(), 10)  # a queue's own thread ends a moment later


def test_a_killed_process_is_an_error_of_three_lines():
    source = batches(Draws(), 4, workers=1)
    next(source)
    os.kill(workers()[0], signal.SIGKILL)
    with pytest.raises(JobFailed, match="a worker process died") as error:
        for _ in source:
            pass
    assert len(str(error.value).splitlines()) == 3


@pytest.mark.slow
@pytest.mark.parametrize("count", [1, 2])
def test_closing_early_leaves_no_process(count):
    source = batches(Draws(), 4, workers=count)
    found = list(itertools.islice(source, 4))
    assert len(workers()) == count
    source.close()
    until(lambda: not workers() and not loading_threads(), 10)
    assert_equal(found, first(4))
