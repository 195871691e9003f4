"""Rice's code: every list comes back, other bytes are refused, and it is short."""

from __future__ import annotations

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vidwright.core.errors import BadInput
from vidwright.entropy.fields import Source
from vidwright.entropy.rice import MOST, Rice

FIELD = Rice(60)
numbers = st.lists(st.integers(-MOST, MOST), max_size=60).map(tuple)


@given(numbers, st.binary(max_size=3))
def test_numbers_survive(value, rest):
    source = Source(FIELD.write(value) + rest, "list")
    assert FIELD.read(source) == value
    assert source.left == len(rest)


@given(st.binary(max_size=12))
def test_other_bytes_are_refused_or_have_this_spelling(data):
    source = Source(data, "list")
    try:
        value = FIELD.read(source)
    except BadInput:
        return
    assert FIELD.write(value) == data[: len(data) - source.left]


def test_a_code_by_hand():
    # 0, 1 and -1 are 0, 2 and 1 by zigzag: in unary 0, 110 and 10, of which with two bits of filling a byte is made.
    assert FIELD.write((0, 1, -1)) == bytes([3, 0, 0b01101000])


def test_it_takes_little_more_than_there_is_to_tell():
    source = random.Random(1)
    value = tuple(round(source.gauss(0, 5)) for _ in range(60))
    entropy = 60 * math.log2(5 * math.sqrt(2 * math.pi * math.e)) / 8
    assert len(FIELD.write(value)) < 1.1 * entropy + 3


@pytest.mark.parametrize("value", [(128,), (-128,), (0,) * 61])
def test_what_it_cannot_hold_is_refused(value):
    with pytest.raises(ValueError, match="not from"):
        FIELD.write(value)
