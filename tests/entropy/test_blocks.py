"""Steps through blocks: exact, however many blocks, and other logits are noticed."""

from __future__ import annotations

import pytest
import torch

from vidwright.data.seeding import generator
from vidwright.entropy import blocks
from vidwright.entropy.blocks import BlockReader, BlockWriter, OtherSymbols


def steps(count: int = 6, symbols: int = 40, classes: int = 5) -> list[tuple[torch.Tensor, torch.Tensor]]:
    random = generator(11, count)
    logits = [torch.randn(symbols, classes, generator=random) * 3 for _ in range(count)]
    return [(torch.multinomial(each.softmax(1), 1, generator=random)[:, 0].to(torch.uint8), each) for each in logits]


def written(parts: list[tuple[torch.Tensor, torch.Tensor]]) -> list[bytes]:
    writer = BlockWriter()
    for symbols_M, logits_MK in parts:
        writer.put(symbols_M, logits_MK)
    return writer.finish()


@pytest.mark.parametrize(("entries", "count"), [(10**9, 1), (1200, 1), (1199, 1), (400, 3), (401, 2), (1, 6)])
def test_blocks_end_by_rule_and_come_back(monkeypatch, entries, count):
    """A step is 200 entries, six of them 1200."""
    monkeypatch.setattr(blocks, "BLOCK_ENTRIES", entries)
    parts = steps()
    made = written(parts)
    assert len(made) == count
    reader = BlockReader(made)
    for symbols_M, logits_MK in parts:
        assert torch.equal(reader.take(logits_MK), symbols_M)
    reader.finish()


def test_other_logits_are_noticed():
    parts = steps()
    reader = BlockReader(written(parts))
    with pytest.raises(OtherSymbols):
        for number, (_, logits_MK) in enumerate(parts):
            reader.take(logits_MK.roll(1, 1) if number == 3 else logits_MK)
        reader.finish()


def test_too_many_and_too_few_blocks_are_noticed(monkeypatch):
    monkeypatch.setattr(blocks, "BLOCK_ENTRIES", 1)
    parts = steps()
    made = written(parts)
    for wrong, cause in ((made[:-1], "fewer blocks"), ([*made, b"abcdef"], "more blocks")):
        reader = BlockReader(wrong)
        with pytest.raises(ValueError, match=cause):
            for _, logits_MK in parts:
                reader.take(logits_MK)
            reader.finish()


def test_no_step_is_no_block():
    assert written([]) == []
