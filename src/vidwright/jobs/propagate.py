"""Key frames that somebody painted, carried to the other frames of their shots.

    frames --small, grey--> ways from each frame to the key before it and the key after it, in a file
    painted key - key as it was = what was painted --along the ways, both mixed--> added to each frame

What is carried is what was painted, as a difference: where nothing was painted nothing changes, and light and detail
that pass over a painted place stay. Of colours only that part of the difference is kept that leaves lightness alone.

Shapes: H rows, W columns; h, w those of small pictures; C = 3 channels R'G'B'.
"""

from __future__ import annotations

import bisect
import json
import math
import os
import tempfile
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import IO, Any

import torch
from torch import Tensor
from torch.nn import functional as F

from vidwright.core import Frame
from vidwright.core.files import atomic_file
from vidwright.jobs.records import Records
from vidwright.vision.carrying import carried, looked_up, missed, still
from vidwright.vision.flow import small_grey, small_size
from vidwright.vision.membrane import membrane

#: Ways are kept so many times coarser than they are found, as coarse as the search is, and in so many parts of a pixel.
COARSER, FINE = 2, 16
#: Pixels, of small pictures, of missing there and back from which a way counts half, and from which it is lost.
DOUBTFUL, LOST = 4.0, 24.0
#: Lightness of R'G'B', BT.709.
LIGHT = (0.2126, 0.7152, 0.0722)
#: What is painted at all: half of a code value is what writing the key with 8 bits made of it.
LEAST = 0.51 / 255


def propagated(
    frames: Callable[[], Iterable[Frame]], keys: Mapping[int, Tensor], *, colour: bool = False
) -> Iterator[Frame]:
    """Each frame with what was painted on the key frames; `keys` are these, (3, H, W), by their numbers.

    `frames` are gone through twice. A shot without keys is as it was.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "ways"
        find(frames(), keys, path)
        ways = Ways(path)
        for frame in frames():
            yield ways.painted(frame, colour=colour)


def find(frames: Iterable[Frame], keys: Mapping[int, Tensor], path: Path) -> None:
    """Write to `path` the ways from all frames to the `keys`, and what was painted on those.

    Raises `ValueError` for a key that is no frame, or of another size than it.
    """
    times: list[str] = []
    starts: list[int] = []
    deltas: dict[int, Tensor] = {}
    greys: Records | None = None
    for n, frame in enumerate(frames):
        size = (frame.height, frame.width)
        greys = greys or Records(small_size(*size), torch.uint8)
        greys[n] = small_grey(frame.data, small_size(*size))
        times.append(str(frame.time))
        starts += [n] * (frame.cut or n == 0)
        if n in keys:
            if keys[n].shape[1:] != size:
                raise ValueError(f"a key of {keys[n].shape[2]}x{keys[n].shape[1]} for a frame of {size[1]}x{size[0]}")
            delta_CHW = keys[n] - frame.data[:3].clamp(0, 1)  # as a picture file has it
            deltas[n] = delta_CHW * (delta_CHW.abs().amax(0) > LEAST)
    if greys is None or len(deltas) < len(keys):
        raise ValueError(f"there are {len(times)} frames")
    with atomic_file(path) as file:
        shape = _write_ways(file, greys, len(times), starts, deltas)
        file.seek(0, os.SEEK_END)
        for n in sorted(deltas):
            file.write(deltas[n].to(torch.float16).numpy().tobytes())
        some = next(iter(deltas.values()))
        header = json.dumps(
            {"times": times, "keys": sorted(deltas), "ways": shape, "of": greys.shape, "delta": list(some.shape)}
        ).encode()
        file.write(header + len(header).to_bytes(8, "little"))
    greys.close()


def _write_ways(
    file: IO[bytes], greys: Records, count: int, starts: Sequence[int], keys: Container[int]
) -> tuple[int, int, int]:
    """Ways from each frame to the key before it and after it, where its shot has one, as codes; their shape."""
    size = tuple(greys[0].shape)
    shape = (3, size[0] // COARSER, size[1] // COARSER)
    both = [Records(shape, torch.int16, file) for _ in range(2)]
    for side, numbers in enumerate((range(count), range(count - 1, -1, -1))):
        way: Tensor | None = None
        for n in numbers:
            if n in keys:
                way = still((size[0], size[1]))
            elif (n if side == 0 else n + 1) in starts:
                way = None
            elif way is not None:
                way = carried(way, greys[n - 1 if side == 0 else n + 1], greys[n])
            both[side][2 * n + side] = _codes(way, shape)
    return shape


def _codes(way_3HW: Tensor | None, shape: tuple[int, int, int]) -> Tensor:
    """A way in parts of a pixel, coarser; all of it lost where there is none."""
    if way_3HW is None:
        return torch.full(shape, LOST * FINE)
    return F.interpolate(way_3HW[None], shape[1:], mode="area")[0].mul(FINE).round().clamp(-32767, 32767)


class Ways:
    """The file that `find` wrote."""

    def __init__(self, path: Path) -> None:
        self._path = path
        with path.open("rb") as file:
            file.seek(-8, os.SEEK_END)
            length = int.from_bytes(file.read(8), "little")
            file.seek(-8 - length, os.SEEK_END)
            header: dict[str, Any] = json.loads(file.read(length))
        self._numbers = {Fraction(time): n for n, time in enumerate(header["times"])}
        self._keys: list[int] = header["keys"]
        self._ways, self._delta = tuple(header["ways"]), tuple(header["delta"])
        coarser = [own / coarse for own, coarse in zip(header["of"], self._ways[1:], strict=True)]
        self._parts = FINE * torch.tensor([coarser[1], coarser[0], 1])[:, None, None]
        self._deltas = 2 * len(self._numbers) * math.prod(self._ways) * 2

    def painted(self, frame: Frame, *, colour: bool = False) -> Frame:
        """The frame with what was painted on the keys of its shot; as it is where there is no way to any."""
        n = self._numbers.get(frame.time)
        if n is None:
            return frame
        after = bisect.bisect_left(self._keys, n)
        sides = [(1, key) for key in self._keys[after : after + 1]]
        if (1, n) not in sides:  # a key is as it was painted, whatever was painted on the one before
            sides += [(0, key) for key in self._keys[:after][-1:]]
        total_CHW = torch.zeros_like(frame.data[:3])
        weight_HW = torch.zeros(frame.height, frame.width)
        for side, key in sides:
            way_3hw = self._way(n, side)
            if float(way_3hw[2].min()) >= LOST:
                continue
            missed_HW = missed(way_3hw, (frame.height, frame.width))
            share_HW = torch.exp2(-missed_HW / DOUBTFUL) * (missed_HW < LOST) / (1 + abs(n - key))
            total_CHW += looked_up(self._painted(key), way_3hw) * share_HW
            weight_HW += share_HW
        if not bool((weight_HW > 0).any()):
            return frame
        delta_CHW = total_CHW / weight_HW.clamp(min=1e-9)
        if colour:
            delta_CHW = membrane(delta_CHW, weight_HW > 0)
            light_HW = torch.einsum("chw,c->hw", delta_CHW, torch.tensor(LIGHT))
            delta_CHW = delta_CHW - light_HW
        data = frame.data.clone()
        data[:3] = torch.where(delta_CHW == 0, frame.data[:3], frame.data[:3] + delta_CHW)
        return frame.with_data(data)

    def _way(self, n: int, side: int) -> Tensor:
        """(3, h, w) in pixels of pictures of that size."""
        codes = self._read((2 * n + side) * math.prod(self._ways) * 2, torch.int16, self._ways)
        return codes.float() / self._parts

    def _painted(self, key: int) -> Tensor:
        size = math.prod(self._delta) * 2
        return self._read(self._deltas + self._keys.index(key) * size, torch.float16, self._delta).float()

    def _read(self, offset: int, dtype: torch.dtype, shape: tuple[int, ...]) -> Tensor:
        with self._path.open("rb") as file:
            file.seek(offset)
            content = bytearray(file.read(math.prod(shape) * 2))
        return torch.frombuffer(content, dtype=dtype).reshape(shape)
