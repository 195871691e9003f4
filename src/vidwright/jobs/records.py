"""Arrays of one shape in a file, by their number: what is too much for memory when a shot is long."""

from __future__ import annotations

import math
import tempfile
import weakref
from typing import IO

import torch
from torch import Tensor


class Records:
    """Tensors of `shape` and `dtype`, in a temporary file unless one is given, from its beginning on."""

    def __init__(self, shape: tuple[int, ...], dtype: torch.dtype, file: IO[bytes] | None = None) -> None:
        self.shape, self._dtype = shape, dtype
        self._bytes = math.prod(shape) * dtype.itemsize
        self._file: IO[bytes] = tempfile.TemporaryFile() if file is None else file  # noqa: SIM115 (closed by `close`)
        if file is None:
            weakref.finalize(self, self._file.close)  # work that fails on its way leaves it to this

    def __getitem__(self, n: int) -> Tensor:
        self._file.seek(n * self._bytes)
        content = bytearray(self._file.read(self._bytes))
        return torch.frombuffer(content, dtype=self._dtype).reshape(self.shape)

    def __setitem__(self, n: int, values: Tensor) -> None:
        self._file.seek(n * self._bytes)
        self._file.write(values.to(self._dtype).contiguous().numpy().tobytes())

    def close(self) -> None:
        """Close the file; a temporary one is gone then."""
        self._file.close()
