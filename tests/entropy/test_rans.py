"""The coder against its own definition in whole numbers, its cost, and its round trip."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from vidwright.data.seeding import generator
from vidwright.entropy import rans
from vidwright.entropy.tables import PRECISION, frequencies


def by_definition(symbols: list[int], rows: list[list[int]]) -> bytes:
    """Streaming rANS with a 64-bit state and 32-bit words, in Python's integers."""
    words, state = [], 0
    for symbol, row in reversed(list(zip(symbols, rows, strict=True))):
        frequency, start = row[symbol], sum(row[:symbol])
        if state >> (64 - PRECISION) >= frequency:
            words.append(state & 0xFFFFFFFF)
            state >>= 32
        state = (state // frequency << PRECISION) + start + state % frequency
    while state:
        words.append(state & 0xFFFFFFFF)
        state >>= 32
    return b"".join(word.to_bytes(4, "little") for word in words).rstrip(b"\0")


def drawn(seed: int, count: int, classes: int, scale: float) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Symbols drawn from a random model, its logits and its tables."""
    random = generator(seed, count, classes)
    logits_NK = torch.randn(count, classes, generator=random) * scale
    symbols_N = torch.multinomial(logits_NK.softmax(1), 1, generator=random)[:, 0].to(torch.uint8)
    return symbols_N, logits_NK, frequencies(logits_NK)


@pytest.mark.parametrize("classes", [2, 3, 16, 256])
@pytest.mark.parametrize("scale", [0.5, 8, 60])
def test_the_bytes_are_those_of_the_definition(classes, scale):
    symbols_N, _, table_NK = drawn(3, 700, classes, scale)
    assert rans.encode([symbols_N], [table_NK]) == by_definition(symbols_N.tolist(), table_NK.tolist())


def test_the_tables_reach_the_library_bit_by_bit():
    """The extremes: a certain symbol, an impossible one, and every place in a table of 256."""
    last = 2**PRECISION
    rows = [[last - 1, 1], [1, last - 1], [last - 255, *[1] * 255], [*[1] * 255, last - 255], [65536] * 256]
    for row in rows:
        symbols = list(range(len(row))) * 3
        table_NK = torch.tensor([row] * len(symbols), dtype=torch.int32)
        data = rans.encode([torch.tensor(symbols)], [table_NK])
        assert data == by_definition(symbols, [row] * len(symbols))
        assert rans.Decoder(data).take(table_NK).tolist() == symbols


@settings(deadline=None, max_examples=50)
@given(st.integers(0, 2**32), st.lists(st.integers(0, 60), max_size=5), st.integers(2, 20), st.floats(0, 40))
def test_what_goes_in_comes_out_in_order(seed, counts, classes, scale):
    parts = [drawn(seed + number, count, classes, scale) for number, count in enumerate(counts) if count]
    data = rans.encode([symbols_N for symbols_N, _, _ in parts], [table_NK for _, _, table_NK in parts])
    decoder = rans.Decoder(data)
    for symbols_N, _, table_NK in parts:
        assert torch.equal(decoder.take(table_NK), symbols_N)
    assert decoder.finished


@pytest.mark.parametrize(("classes", "scale"), [(2, 12), (2, 1), (16, 4), (256, 2)])
def test_the_size_is_the_models_likelihood(classes, scale):
    symbols_N, logits_NK, table_NK = drawn(5, 100_000 // classes * 2, classes, scale)
    nats = torch.nn.functional.cross_entropy(logits_NK.double(), symbols_N.long(), reduction="sum")
    spent = 8 * len(rans.encode([symbols_N], [table_NK]))
    assert spent == pytest.approx(float(nats) / math.log(2), rel=1e-3, abs=32)


def test_a_symbol_that_is_no_class_is_refused():
    table_NK = frequencies(torch.zeros(2, 3))
    for symbols in ([0, 3], [-1, 0]):
        with pytest.raises(ValueError, match="not a class"):
            rans.encode([torch.tensor(symbols)], [table_NK])


def test_bytes_that_nothing_encodes_to_are_refused():
    with pytest.raises(ValueError, match="zero byte"):
        rans.Decoder(b"\1\2\0")


def test_of_other_bytes_it_says_only_that_something_is_left():
    symbols_N, _, table_NK = drawn(7, 50, 4, 2)
    data = rans.encode([symbols_N], [table_NK])
    decoder = rans.Decoder(data + b"\7\7\7\7\7\7\7\7")
    decoder.take(table_NK)
    assert not decoder.finished
