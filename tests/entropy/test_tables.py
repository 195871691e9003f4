"""Integer tables: exact sums, no zero, near the softmax, the same from every chunking."""

from __future__ import annotations

import hashlib
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from vidwright.core.errors import ModelRefused
from vidwright.data.seeding import generator
from vidwright.entropy import tables
from vidwright.entropy.tables import PRECISION, frequencies

logits = st.one_of(st.floats(-200, 200, width=32), st.just(-math.inf), st.floats(-(2.0**100), 2.0**100, width=32))


@settings(deadline=None)
@given(st.lists(logits, min_size=2, max_size=256).filter(lambda row: max(row) > -math.inf))
def test_every_symbol_can_be_coded_and_the_sum_is_exact(row):
    table = frequencies(torch.tensor([row]))
    assert table.dtype == torch.int32 and table.shape == (1, len(row))
    assert int(table.min()) >= 1
    assert int(table.sum()) == 2**PRECISION


@pytest.mark.parametrize("classes", [2, 3, 16, 256])
@pytest.mark.parametrize("scale", [0.1, 3, 12])
def test_the_cost_is_the_models_own(classes, scale):
    logits_NK = torch.randn(500, classes, generator=generator(1, classes)) * scale
    exact_NK = torch.softmax(logits_NK.double(), dim=1)
    bits_NK = PRECISION - frequencies(logits_NK).double().log2()
    # On average over the model's own symbols: what the fixed point adds to the entropy.
    added = (exact_NK * (bits_NK + exact_NK.log2())).sum(1)
    assert float(added.max()) < 1e-4 and float(added.min()) > -1e-9


def test_known_tables():
    third = math.log(2.0)
    assert frequencies(torch.zeros(1, 2)).tolist() == [[2**23, 2**23]]
    assert frequencies(torch.zeros(1, 4)).tolist() == [[2**22] * 4]
    # Two thirds and one third of what is left when each has its 1; the rest of the division goes to the likelier.
    free = 2**24 - 2
    assert frequencies(torch.tensor([[third, 0.0]])).tolist() == [[2**24 - 1 - free // 3, 1 + free // 3]]
    assert frequencies(torch.tensor([[0.0, -100.0]])).tolist() == [[2**24 - 1, 1]]
    assert frequencies(torch.tensor([[-math.inf, 5.0, -math.inf]])).tolist() == [[1, 2**24 - 2, 1]]


def test_of_equal_classes_the_first_gets_the_rest():
    assert frequencies(torch.zeros(1, 3)).tolist() == [[5592406, 5592405, 5592405]]


def test_the_tables_are_part_of_the_format():
    """Made from logits that every machine holds exactly; files written with other tables could not be read."""
    ramp_NK = torch.arange(-4096, 4096).view(-1, 16).float() / 64
    digest = hashlib.sha256(frequencies(ramp_NK.flip(1) * ramp_NK / 8).numpy().tobytes()).hexdigest()
    assert digest == "c2e54bb82101584abd0676f013094586179084a0e216c231f895a5ee42da5440"


def test_chunks_do_not_show(monkeypatch):
    logits_NK = torch.randn(100, 7, generator=generator(2)) * 5
    whole = frequencies(logits_NK)
    monkeypatch.setattr(tables, "AT_ONCE", 21)
    assert torch.equal(frequencies(logits_NK), whole)


@pytest.mark.parametrize("row", [[math.nan, 0.0], [0.0, math.inf], [-math.inf, -math.inf]])
def test_logits_without_a_distribution_are_refused(row):
    with pytest.raises(ModelRefused, match="not finite"):
        frequencies(torch.tensor([[0.0, 1.0], row]))
