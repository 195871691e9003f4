"""Key frames that somebody painted, carried to the other frames of their shots.

    frames --small, grey--> ways from each frame to the key before it and the key after it, in a file
    painted key - key as it was = what was painted --along the ways, both mixed----------------.
                             '--> network of the shot --what the frame itself shows----(mix by error)--> added to each

What is carried is what was painted, as a difference: where nothing was painted nothing changes, and light and detail
that pass over a painted place stay. Of colours only that part of the difference is kept that leaves lightness alone.

Ways get lost: behind what passes by, at the border, on water. There a network that was fitted to the shot's keys
(`models/edit/translation.py`) says what belongs on what the frame shows. Both are mixed in inverse proportion to their
squared errors: the network tells its own, and that of a way is how unlike the painted key is to itself
(`vision/variogram.py`) as far away as the way there and back misses its beginning.

Shapes: H rows, W columns; h, w those of small pictures; C = 3 channels R'G'B'; R distances.
"""

from __future__ import annotations

import bisect
import itertools
import json
import math
import os
import tempfile
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from pathlib import Path
from typing import IO, Any

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.nn.utils import parameters_to_vector, vector_to_parameters

from vidwright.core import Frame
from vidwright.core.files import atomic_file
from vidwright.jobs.records import Records
from vidwright.models.edit.translation import Config, Net
from vidwright.train.translating import translator
from vidwright.vision.carrying import carried, looked_up, missed, still
from vidwright.vision.flow import small_grey, small_size
from vidwright.vision.variogram import unlike, variogram

#: Ways are kept so many times coarser than they are found, as coarse as the search is, and in so many parts of a pixel.
COARSER, FINE = 2, 16
#: Pixels, of small pictures, of missing there and back from which a way counts half, and from which it is lost.
DOUBTFUL, LOST = 4.0, 24.0
#: Lightness of R'G'B', BT.709.
LIGHT = (0.2126, 0.7152, 0.0722)
#: What is painted at all: half of a code value is what writing the key with 8 bits made of it.
LEAST = 0.51 / 255
#: A network is a little less right about other frames than about its keys: so many times its squared error.
ELSEWHERE = 2.0


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
    pictures: dict[int, Tensor] = {}
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
            pictures[n] = frame.data[:3].clamp(0, 1)  # as a picture file has it
            delta_CHW = keys[n] - pictures[n]
            deltas[n] = delta_CHW * (delta_CHW.abs().amax(0) > LEAST)
    if greys is None or len(deltas) < len(keys):
        raise ValueError(f"there are {len(times)} frames")
    with atomic_file(path) as file:
        shape = _write_ways(file, greys, len(times), starts, deltas)
        file.seek(0, os.SEEK_END)
        for n in sorted(deltas):
            file.write(deltas[n].to(torch.float16).numpy().tobytes())
        shots = [
            _write_shot(file, [(pictures[n], deltas[n]) for n in sorted(deltas) if first <= n < end])
            for first, end in itertools.pairwise([*starts, len(times)])
        ]
        some = next(iter(deltas.values()))
        sizes = {"ways": shape, "of": greys.shape, "delta": list(some.shape)}
        header = json.dumps({"times": times, "starts": starts, "keys": sorted(deltas), "shots": shots, **sizes})
        file.write(header.encode() + len(header).to_bytes(8, "little"))
    greys.close()


def _write_shot(file: IO[bytes], keys: Sequence[tuple[Tensor, Tensor]]) -> list[float] | None:
    """Write the network fitted to a shot's keys, as they were and what was painted; their variogram; None of none."""
    if not keys:
        return None
    pictures, deltas = zip(*keys, strict=True)
    weights_N = parameters_to_vector(translator(pictures, deltas).parameters())
    file.write(weights_N.to(torch.float16).numpy().tobytes())
    return [float(value) for value in torch.stack([variogram(delta_CHW) for delta_CHW in deltas]).mean(0)]


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


@dataclass(frozen=True, slots=True)
class _Shot:
    """What is known of a shot that has keys: their variogram (R,), and the network fitted to them."""

    variogram: Tensor
    network: Net


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
        self._starts: list[int] = header["starts"]
        self._variograms: list[list[float] | None] = header["shots"]
        self._keys: list[int] = header["keys"]
        self._ways, self._delta = tuple(header["ways"]), tuple(header["delta"])
        coarser = [own / coarse for own, coarse in zip(header["of"], self._ways[1:], strict=True)]
        self._parts = FINE * torch.tensor([coarser[1], coarser[0], 1])[:, None, None]
        self._scale = self._delta[1] / header["of"][0]
        self._deltas = 2 * len(self._numbers) * math.prod(self._ways) * 2

    def painted(self, frame: Frame, *, colour: bool = False) -> Frame:
        """The frame with what was painted on the keys of its shot; as it is where that has none."""
        n = self._numbers.get(frame.time)
        shot = None if n is None else self._shots[bisect.bisect_right(self._starts, n) - 1]
        if n is None or shot is None:
            return frame
        delta_CHW, error_HW = self._carried(n, shot)
        if bool((error_HW > LEAST**2).any()):
            told_BCHW, width_B1HW = shot.network(frame.data[None, :3].float().clamp(0, 1))
            delta_CHW = mixed(delta_CHW, error_HW, told_BCHW[0], width_B1HW[0, 0])
        if colour:
            light_HW = torch.einsum("chw,c->hw", delta_CHW, torch.tensor(LIGHT))
            delta_CHW = delta_CHW - light_HW
        data = frame.data.clone()
        data[:3] = torch.where(delta_CHW == 0, frame.data[:3], frame.data[:3] + delta_CHW)
        return frame.with_data(data)

    def _carried(self, n: int, shot: _Shot) -> tuple[Tensor, Tensor]:
        """What the ways from a frame to its keys bring, and its squared error (H, W), infinite where all are lost."""
        after = bisect.bisect_left(self._keys, n)
        sides = [(1, key) for key in self._keys[after : after + 1]]
        if (1, n) not in sides:  # a key is as it was painted, whatever was painted on the one before
            sides += [(0, key) for key in self._keys[:after][-1:]]
        total_CHW, size = torch.zeros(self._delta), self._delta[1:]
        weight_HW, error_HW = torch.zeros(size), torch.zeros(size)
        for side, key in sides:
            way_3hw = self._way(n, side)
            if float(way_3hw[2].min()) >= LOST:
                continue
            missed_HW = missed(way_3hw, (size[0], size[1]))
            share_HW = torch.exp2(-missed_HW / DOUBTFUL) * (missed_HW < LOST) / (1 + abs(n - key))
            total_CHW += looked_up(self._painted(key), way_3hw) * share_HW
            error_HW += unlike(shot.variogram, missed_HW * self._scale) * share_HW
            weight_HW += share_HW
        known_HW = weight_HW > 0
        return torch.where(known_HW, total_CHW / weight_HW, 0), torch.where(known_HW, error_HW / weight_HW, math.inf)

    @cached_property
    def _shots(self) -> list[_Shot | None]:
        """Of each shot, None for those without keys."""
        place, found = self._deltas + len(self._keys) * math.prod(self._delta) * 2, list[_Shot | None]()
        for told in self._variograms:
            if told is None:
                found.append(None)
                continue
            network = Net(Config())
            count = sum(parameter.numel() for parameter in network.parameters())
            vector_to_parameters(self._read(place, torch.float16, (count,)).float(), network.parameters())
            found.append(_Shot(torch.tensor(told), network.eval().requires_grad_(False)))
            place += count * 2
        return found

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


def mixed(carried_CHW: Tensor, error_HW: Tensor, told_CHW: Tensor, width_HW: Tensor) -> Tensor:
    """What was carried and what a network told, in inverse proportion to the squared errors, summed over channels.

    `width_HW` is that of the network's Laplace distributions, whose variance is 2 b^2. What it tells of less than can
    be seen is nothing, so that what was not painted stays as it is to the bit.
    """
    own_HW = ELSEWHERE * 2 * len(told_CHW) * width_HW.square()
    share_HW = own_HW / (own_HW + error_HW)
    told_CHW = told_CHW * (1 - share_HW)
    return carried_CHW * share_HW + told_CHW * (told_CHW.abs().amax(0) >= LEAST)
