"""Tiny idx files in the shape of MNIST's, for tests that must not depend on a download."""

from __future__ import annotations

import gzip
import struct
from pathlib import Path

import numpy as np


def idx(values: np.ndarray) -> bytes:
    """The idx file of a uint8 array."""
    return bytes((0, 0, 8, values.ndim)) + struct.pack(f">{values.ndim}I", *values.shape) + values.tobytes()


def digits(count: int, seed: int = 0) -> np.ndarray:
    """(count, 28, 28) uint8: blots, each like no other, black at the edge as MNIST's digits are."""
    images = np.zeros((count, 28, 28), np.uint8)
    random = np.random.default_rng(seed)
    images[:, 4:24, 4:24] = random.integers(1, 256, (count, 20, 20)) * (random.random((count, 20, 20)) < 0.7)
    return images


def write_mnist(folder: Path, train: int = 5_020, test: int = 30, packed: bool = False) -> Path:
    """Four idx files of blots whose label is their number modulo 10."""
    for name, count, seed in (("train", train, 1), ("t10k", test, 2)):
        for kind, values in (
            ("images-idx3", digits(count, seed)),
            ("labels-idx1", (np.arange(count) % 10).astype(np.uint8)),
        ):
            content = idx(values)
            path = folder / f"{name}-{kind}-ubyte"
            if packed:
                path.with_name(path.name + ".gz").write_bytes(gzip.compress(content, 1))
            else:
                path.write_bytes(content)
    return folder
