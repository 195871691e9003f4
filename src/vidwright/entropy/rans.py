"""Symbols to bytes by asymmetric numeral systems, with an integer table for each symbol.

    encode:  state <- (state // f) * 2**24 + start + state % f      f: the symbol's frequency, start: those before it
    decode:  the symbol whose [start, start + f) holds state % 2**24, and back

The coder is a stack, so `encode` begins at the end and a `Decoder` gives the symbols from the beginning on, table by
table. A range coder of the same arithmetic (32-bit words, 64-bit state, 24-bit tables) loses 1.3e-4 bits a symbol,
which is 0.5 % where a symbol costs 0.03 bits; this one loses a thirtieth of that.

The library takes floats and makes its own integers of them: of weights w it makes floor(cumulative w * scale) + k, with
scale = (2**24 - K) / sum(w). For w = frequency - 1 the scale is exactly 1 and every number an integer below 2**24,
which float32 holds: its tables are ours, bit by bit.

Duda 2013 (arXiv:1311.2540). Shapes: N symbols, K classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import constriction  # pyright: ignore[reportMissingTypeStubs]
import numpy as np
import torch
from torch import Tensor

_WORD = 4  # bytes of a word, little-endian
_LIBRARY: Any = constriction.stream  # pyright: ignore


def encode(symbols: Sequence[Tensor], tables_NK: Sequence[Tensor]) -> bytes:
    """The bytes of all `symbols` (each (N,) integers), each coded with its row of `frequencies` (each (N, K) int32).

    Raises `ValueError` for a symbol that is not a class of its table.
    """
    coder = _coder()
    for part_N, table_NK in zip(reversed(symbols), reversed(tables_NK), strict=True):
        if part_N.numel() and not 0 <= int(part_N.min()) <= int(part_N.max()) < table_NK.shape[1]:
            raise ValueError("a symbol is not a class of its table")
        coder.encode_reverse(part_N.int().numpy(), _family(), _weights(table_NK))
    words: Any = coder.get_compressed()
    return words.astype("<u4").tobytes().rstrip(b"\0")


class Decoder:
    """Gives the symbols back that `encode` put into `data`, in their order.

    Raises `ValueError` for bytes that `encode` cannot have written. Other bytes than those of `encode` decode to other
    symbols without a word: a checksum must stand guard.
    """

    def __init__(self, data: bytes) -> None:
        if data.endswith(b"\0"):
            raise ValueError("a coded stream never ends in a zero byte")
        padded = data + bytes(-len(data) % _WORD)
        self._coder = _coder(np.frombuffer(padded, "<u4").astype(np.uint32))

    def take(self, table_NK: Tensor) -> Tensor:
        """The next N symbols, (N,) uint8, by their rows of `frequencies`, (N, K) int32."""
        symbols: Any = self._coder.decode(_family(), _weights(table_NK))
        return torch.from_numpy(symbols.astype(np.uint8))  # pyright: ignore[reportUnknownMemberType]

    @property
    def finished(self) -> bool:
        """Whether all that was encoded has been taken."""
        return bool(self._coder.is_empty())


def _coder(*words: Any) -> Any:
    return _LIBRARY.stack.AnsCoder(*words)


def _family() -> Any:
    return _LIBRARY.model.Categorical(perfect=False)


def _weights(table_NK: Tensor) -> Any:
    return (table_NK - 1).float().contiguous().numpy()
