"""Arrays in a file, by their number."""

from __future__ import annotations

import warnings

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from vidwright.jobs.records import Records

KINDS = [torch.uint8, torch.int16, torch.float16, torch.float32, torch.bool]


@pytest.mark.parametrize("dtype", KINDS)
@given(st.integers(0, 10**6), st.integers(1, 6), st.integers(1, 5))
@settings(max_examples=8, deadline=None)
def test_what_was_written_is_read_in_any_order(dtype, seed, rows, columns):
    random = torch.Generator().manual_seed(seed)
    arrays = torch.randint(-300, 300, (7, 3, rows, columns), generator=random).to(dtype)
    records = Records((3, rows, columns), dtype)
    for n in torch.randperm(7, generator=random).tolist():
        records[n] = arrays[n]
    for n in torch.randperm(7, generator=random).tolist():
        assert records[n].dtype == dtype and torch.equal(records[n], arrays[n])
    records[3] = arrays[5]
    assert (
        torch.equal(records[3], arrays[5]) and torch.equal(records[2], arrays[2]) and torch.equal(records[4], arrays[4])
    )
    records.close()


def test_what_is_read_is_ones_own():
    records = Records((4,), torch.uint8)
    records[0] = torch.arange(4)
    records[0].add_(9)
    assert records[0].tolist() == [0, 1, 2, 3]
    records.close()


def test_other_types_and_layouts_are_stored_as_said():
    records = Records((2, 3), torch.uint8)
    records[0] = torch.tensor([[True, False], [True, True], [False, False]]).mT
    assert records[0].tolist() == [[1, 1, 0], [0, 1, 0]]
    records.close()


def test_in_a_file_that_is_given_they_lie_one_after_the_other_and_stay(tmp_path):
    with (tmp_path / "a").open("w+b") as file:
        one, other = (Records((2,), torch.int16, file) for _ in range(2))
        one[0], other[1] = torch.tensor([1, 2]), torch.tensor([3, 4])
    assert (tmp_path / "a").read_bytes() == torch.tensor([1, 2, 3, 4], dtype=torch.int16).numpy().tobytes()
    records = Records((2,), torch.int16, (tmp_path / "a").open("rb"))
    assert records[1].tolist() == [3, 4]
    records.close()
    with pytest.raises(ValueError, match="closed"):
        records[0]


def test_a_temporary_file_is_closed_when_nobody_holds_it_any_more():
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        records = Records((2,), torch.uint8)
        file = records._file
        del records
    assert file.closed and not caught
