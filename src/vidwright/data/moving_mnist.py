"""Moving MNIST: handwritten digits that glide over a black square and bounce off its edges.

The law is that of Srivastava et al., "Unsupervised Learning of Video Representations using LSTMs" (2015): each digit
starts at a random place, moves by a tenth of its free way per frame in a random direction, and where digits cross
the brighter pixel is seen.

Shapes: T frames, H and W the side of the square, D digits; pixels are uint8 code values.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch

from vidwright.core.errors import BadInput, UsageError
from vidwright.data.idx import read_idx
from vidwright.data.samples import Sample, Split
from vidwright.data.seeding import generator

Array = np.ndarray[Any, np.dtype[np.uint8]]

#: Each frame moves a digit by this part of its free way.
STEP = 0.1
#: The last digits of MNIST's training files are kept out of training.
HELD_OUT = 5_000
#: Clips of one digit: 16 pixels in a square of 32.
SMALL = {"digits": 1, "size": 32, "digit": 16}

#: The fixed test set: its seed, and SHA-256 of the uint8 pixels of its 10,000 clips of 20 frames in order, for two
#: digits of 28 pixels in a square of 64 and for `SMALL`.
TEST_SEED = 2015
TEST_CLIPS = 10_000
TEST_SHA256 = "9868b53a3c6b8cd5f322b4e747e4269eac8a8d48e9138fcc60559ac84c3401bf"
TEST_SHA256_SMALL = "ca1ce62fff6b272a75407a8802aabdbf593b08c2f5ca25a7adb340bfb9345f6d"
#: The same of the first 100 clips alone.
TEST_SHA256_FIRST = "b44663d5a150d771fbce61ca0866b7a013bd1dd820b6c240d7b596c7022780fa"
TEST_SHA256_SMALL_FIRST = "d463643f2fd382f3d81a7d21de445813bff9be7fc69994377c2b28ed70617ddb"


class MovingMnist:
    """Clips of moving digits as `Samples`, drawn anew in each epoch and never stored.

    `folder` holds MNIST's idx files. `split` says whose digits move: those of "train", the last 5,000 of the training
    files ("valid"), both ("all"), or MNIST's test digits ("test"). `digits` of `digit` pixels move in a square of
    `size` pixels for `frames` frames. Raises `BadInput` for missing or damaged files, `UsageError` for digits that do
    not fit into the square.
    """

    def __init__(
        self,
        folder: Path,
        split: Split = "train",
        *,
        digits: int = 2,
        size: int = 64,
        digit: int = 28,
        frames: int = 20,
        seed: int = 0,
        length: int = 10_000,
    ) -> None:
        if not 1 <= digit <= size or min(digits, frames, length) < 1:
            sizes = f"{digits} digits of {digit} pixels in {size}, {frames} frames, {length} clips"
            raise UsageError("moving digits", f"there are no such clips: {sizes}", "give numbers from 1, digit <= size")
        images, self._labels = _pool(Path(folder), split)
        self._images = resized(images, digit)
        self._digits, self._size, self._frames = digits, size, frames
        self._seed, self._length = seed, length

    def __len__(self) -> int:
        return self._length

    def sample(self, epoch: int, k: int) -> Sample:
        """{"clip": uint8 (T, 1, H, W), "labels": int64 (D,)}: clip `k` of `epoch`."""
        random = generator(self._seed, epoch, k)
        chosen = torch.randint(len(self._labels), (self._digits,), generator=random).tolist()
        starts = torch.rand(self._digits, 3, generator=random, dtype=torch.float64).tolist()
        clip = np.zeros((self._frames, 1, self._size, self._size), np.uint8)
        side = self._images.shape[-1]
        for number, (across, down, turn) in zip(chosen, starts, strict=True):
            image = self._images[number]
            angle = 2 * math.pi * turn
            lefts = places(across, math.cos(angle), self._size - side, self._frames)
            tops = places(down, math.sin(angle), self._size - side, self._frames)
            for frame, left, top in zip(clip[:, 0], lefts, tops, strict=True):
                window = frame[top : top + side, left : left + side]
                np.maximum(window, image, out=window)
        labels = torch.from_numpy(self._labels[chosen].astype(np.int64))
        return {"clip": torch.from_numpy(clip), "labels": labels}


def test_set(folder: Path, *, digits: int = 2, size: int = 64, digit: int = 28, frames: int = 20) -> MovingMnist:
    """The 10,000 test clips, the same everywhere: MNIST's test digits, seed `TEST_SEED`, epoch 0."""
    return MovingMnist(
        folder, "test", digits=digits, size=size, digit=digit, frames=frames, seed=TEST_SEED, length=TEST_CLIPS
    )


def places(start: float, velocity: float, free: int, frames: int) -> Iterator[int]:
    """Whole-pixel places along one axis, from 0 to `free`, of a digit that bounces off the edges.

    `start` is in [0, 1] of the free way; the first place is one step after it. A digit that reaches an edge stops
    there for that frame and turns round. Plain floats, in this order: the test set's hash hangs on them.
    """
    place = start
    for _ in range(frames):
        place += velocity * STEP
        if place <= 0 or place >= 1:
            place = min(max(place, 0.0), 1.0)
            velocity = -velocity
        yield int(free * place)


def resized(images: Array, side: int) -> Array:
    """uint8 (N, H, H) pictures as (N, side, side): each pixel the mean over the area it covers, in exact integers."""
    old = images.shape[-1]
    if side == old:
        return images
    # In units of 1 / (old * side) of the picture a pixel is `side` units wide before and `old` units after.
    edges, targets = np.arange(old) * side, np.arange(side) * old
    ends = np.minimum(targets[:, None] + old, edges[None] + side)
    overlap = np.maximum(ends - np.maximum(targets[:, None], edges[None]), 0).astype(np.float32)
    total = overlap @ images.astype(np.float32) @ overlap.T  # whole numbers below 2^24: exact in any order
    return ((total + old * old // 2) // (old * old)).astype(np.uint8)


def _pool(folder: Path, split: Split) -> tuple[Array, Array]:
    """Images uint8 (N, 28, 28) and labels uint8 (N,) of the digits that `split` draws from."""
    name = "t10k" if split == "test" else "train"
    images = read_idx(folder / f"{name}-images-idx3-ubyte", 3)
    labels = read_idx(folder / f"{name}-labels-idx1-ubyte", 1)
    part = {"train": slice(-HELD_OUT), "valid": slice(-HELD_OUT, None)}.get(split, slice(None))
    if len(images) != len(labels) or len(images[part]) == 0 or images.shape[1] != images.shape[2]:
        cause = (
            f"{len(images)} pictures of {images.shape[1]}x{images.shape[2]} with {len(labels)} labels cannot be used"
        )
        raise BadInput(folder, cause, "put MNIST's four idx files in the folder, of one and the same set")
    if missing := sorted(set(range(10)) - set(labels[part].tolist())):
        cause = f"no picture of {name} shows {', '.join(map(str, missing))}"
        raise BadInput(folder, cause, "put MNIST's four idx files in the folder, which show all ten digits")
    return images[part], labels[part]
