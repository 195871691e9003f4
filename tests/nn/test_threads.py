"""Threads inside operations, or one each for pieces of work."""

from __future__ import annotations

import threading

import pytest
import torch

from vidwright.nn.threads import one_torch_thread, together


def test_one_thread_is_for_the_inside_alone():
    before = torch.get_num_threads()
    with pytest.raises(KeyError), one_torch_thread():
        assert torch.get_num_threads() == 1
        raise KeyError
    assert torch.get_num_threads() == before


def test_pieces_are_done_at_the_same_time_in_the_mode_of_their_caller():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    met, total = threading.Barrier(2, timeout=20), torch.zeros(4)
    try:
        with torch.inference_mode():
            kept = torch.zeros(4)

            def work(n: int) -> None:
                met.wait()  # which two have to reach
                kept[n] += n  # of the caller's inference mode, which a thread does not have by itself

            together(work, range(4))
            total += kept
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
    assert total.tolist() == [0, 1, 2, 3]
