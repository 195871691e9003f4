"""Symbols and the logits they are coded by, to blocks of bytes and back.

A block is the CRC-32 of its symbols and their rANS bytes. The reader makes the tables from its own logits; where these
are not the writer's, it decodes other symbols, which the CRC-32 tells. Blocks end by a rule that both sides know, so
that the writer, whose coder is a stack, holds no more than one of them.

Shapes: M symbols of one step, K classes.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable

import torch
from torch import Tensor

from vidwright.entropy import rans
from vidwright.entropy.tables import frequencies

#: Table entries after which a block ends, with its step. Part of the format.
BLOCK_ENTRIES = 2**23

_CRC_BYTES = 4


class OtherSymbols(ValueError):
    """A block does not hold what was decoded from it: the logits are not those it was written with."""


class BlockWriter:
    """Collects steps; `finish` gives the blocks."""

    def __init__(self) -> None:
        self._blocks: list[bytes] = []
        self._symbols: list[Tensor] = []
        self._tables: list[Tensor] = []
        self._entries = 0

    def put(self, symbols_M: Tensor, logits_MK: Tensor) -> None:
        """Code the uint8 symbols of a step. Raises `ValueError` for one that is not below K."""
        self._symbols.append(symbols_M)
        self._tables.append(frequencies(logits_MK))
        self._entries += logits_MK.numel()
        if self._entries >= BLOCK_ENTRIES:
            self._end()

    def finish(self) -> list[bytes]:
        """The blocks of all steps."""
        if self._symbols:
            self._end()
        return self._blocks

    def _end(self) -> None:
        crc = zlib.crc32(torch.cat(self._symbols).numpy().data)
        self._blocks.append(crc.to_bytes(_CRC_BYTES, "little") + rans.encode(self._symbols, self._tables))
        self._symbols, self._tables, self._entries = [], [], 0


class BlockReader:
    """Gives the steps of `blocks` back, one `take` for each `put`; its symbols hold once `finish` returns."""

    def __init__(self, blocks: Iterable[bytes]) -> None:
        self._blocks = iter(blocks)
        self._decoder: rans.Decoder | None = None
        self._wanted = self._crc = self._entries = 0

    def take(self, logits_MK: Tensor) -> Tensor:
        """The next step's symbols, (M,) uint8. Raises `OtherSymbols` at the end of a block that holds others."""
        decoder = self._decoder or self._begin()
        symbols_M = decoder.take(frequencies(logits_MK))
        self._crc = zlib.crc32(symbols_M.numpy().data, self._crc)
        self._entries += logits_MK.numel()
        if self._entries >= BLOCK_ENTRIES:
            self._end(decoder)
        return symbols_M

    def finish(self) -> None:
        """Check the last block. Raises `OtherSymbols`, and `ValueError` when there are blocks left."""
        if self._decoder is not None:
            self._end(self._decoder)
        if next(self._blocks, None) is not None:
            raise ValueError("there are more blocks than steps")

    def _begin(self) -> rans.Decoder:
        block = next(self._blocks, b"")
        if len(block) < _CRC_BYTES:
            raise ValueError("there are fewer blocks than steps")
        self._wanted = int.from_bytes(block[:_CRC_BYTES], "little")
        self._decoder = rans.Decoder(block[_CRC_BYTES:])
        return self._decoder

    def _end(self, decoder: rans.Decoder) -> None:
        if self._crc != self._wanted or not decoder.finished:
            raise OtherSymbols("the symbols do not have their checksum")
        self._decoder, self._crc, self._entries = None, 0, 0
