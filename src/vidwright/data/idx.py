"""Read the idx files that MNIST comes in, plain or gzipped.

The format is described on the MNIST page of LeCun, Cortes and Burges: two zero bytes, a type, the number of
dimensions, each dimension as a big-endian 32-bit number, then the values.
"""

from __future__ import annotations

import gzip
import math
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np

from vidwright.core.errors import BadInput

Array = np.ndarray[Any, np.dtype[np.uint8]]

UNSIGNED_BYTE = 0x08
#: More values than any idx file of MNIST's family holds; a damaged header may ask for anything.
MOST_VALUES = 1 << 30


def read_idx(path: Path, dimensions: int) -> Array:
    """The uint8 array of the idx file at `path`, or at `path` + ".gz" when that is the one there.

    Raises `BadInput` when there is neither, when the file is damaged, and when it does not hold bytes in just
    `dimensions` dimensions.
    """
    content = _content(path, dimensions)
    header = 4 + 4 * dimensions
    if content[:4] != bytes((0, 0, UNSIGNED_BYTE, dimensions)) or len(content) < header:
        raise _damaged(path, f"this is no idx file of bytes in {dimensions} dimensions")
    shape = struct.unpack(f">{dimensions}I", content[4:header])
    if len(content) - header != math.prod(shape):
        raise _damaged(path, f"it should hold {math.prod(shape)} values and holds {len(content) - header}")
    return np.frombuffer(content, np.uint8, offset=header).reshape(shape)


def _content(path: Path, dimensions: int) -> bytes:
    packed = path.with_name(path.name + ".gz")
    try:
        if path.exists():
            with path.open("rb") as plain:
                return plain.read(MOST_VALUES)
        with gzip.open(packed) as unpacked:
            return unpacked.read(MOST_VALUES)  # no more, whatever a damaged or hostile file unpacks to
    except FileNotFoundError as error:
        what = "images" if dimensions == 3 else "labels"
        raise BadInput(
            path, f"these {what} of MNIST are not there", "put MNIST's four idx files (or .gz) in the folder"
        ) from error
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise _damaged(packed, f"it cannot be unpacked ({error})") from error
    except OSError as error:
        raise BadInput(path, f"it cannot be read ({error.strerror or error})", "check the folder's rights") from error


def _damaged(path: Path, cause: str) -> BadInput:
    return BadInput(path, cause, "the file is damaged or foreign: download MNIST again")
