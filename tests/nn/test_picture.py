"""What all networks share that see one picture at a time."""

from __future__ import annotations

import copy
import subprocess
import sys
from dataclasses import replace
from fractions import Fraction

import pytest
import torch

from tiny import randomise
from vidwright.core import Colour, Frame
from vidwright.models.enhance import compact, esrgan, span
from vidwright.nn.picture import PictureModel

MODELS = {"esrgan": esrgan, "compact": compact, "span": span}

STARVED = """
import os, resource
from fractions import Fraction
import torch
from vidwright.core import Frame
from vidwright.core.memory import keep_heap_small
from vidwright.models.enhance.esrgan import Config, Net

keep_heap_small()
torch.set_num_threads(1)
torch.manual_seed(0)
net = Net(Config(scale=4, channels=32, depth=1)).eval().requires_grad_(False)
given = [Frame(torch.rand(3, 240, 320), Fraction(0))]
wanted = [frame.data for frame in net.stream(given)]
size = int(open("/proc/self/statm").read().split()[0]) * os.sysconf("SC_PAGE_SIZE")
resource.setrlimit(resource.RLIMIT_AS, (size + {mb} * 2**20,) * 2)
found = [frame.data for frame in net.stream(given)]
print(net.tiles.positions, max(float((a - b).abs().max()) for a, b in zip(found, wanted)))
"""


def network(name: str, **config: object) -> PictureModel:
    page = MODELS[name].CARD
    return randomise(page.build(page.config(**config))).eval().requires_grad_(False)


def ramp(bits: int) -> Frame:
    """All codes of ten bits from left to right."""
    codes = torch.arange(1024).view(1, 1, 1024).expand(3, 3, 1024) / 1023
    return Frame(codes, Fraction(0), colour=Colour(bits=bits))


def made(net: PictureModel, frame: Frame) -> torch.Tensor:
    return next(net.stream([frame])).data


def levels(picture: torch.Tensor) -> int:
    """How many values of ten bits, over its own range, the middle row of a picture has."""
    row = picture[0, 1]
    return len(((row - row.min()) / (row.max() - row.min()) * 1023).round().unique())


@pytest.mark.parametrize("name", MODELS)
def test_ten_bits_are_computed_in_fp32_by_a_network_in_bf16_too(name):
    rough = network(name, scale=1, channels=8).to(torch.bfloat16)
    exact = copy.deepcopy(rough).float()
    assert torch.equal(made(rough, ramp(10)), made(exact, ramp(10)))
    assert levels(made(rough, ramp(10))) > 256
    assert levels(made(rough, ramp(8))) < levels(made(rough, ramp(10)))
    assert next(rough.parameters()).dtype == torch.bfloat16


@pytest.mark.parametrize("name", MODELS)
def test_large_pictures_in_tiles_are_the_pictures_as_a_whole(name):
    net = network(name)
    frame = Frame(torch.rand(3, 61, 83), Fraction(0))
    whole = next(net.stream([frame])).data
    net.tiles.positions = 3500
    tiled = next(net.stream([frame])).data
    reach = 1e-3 if name == "esrgan" else 1e-5  # of the whole range: ESRGAN sees further than its halo
    torch.testing.assert_close(tiled, whole, rtol=0, atol=reach * float(whole.abs().max()))
    assert not torch.equal(tiled, whole)  # so it was in tiles


@pytest.mark.parametrize("name", MODELS)
def test_networks_see_nothing_outside_their_range(name):
    net, x = network(name), torch.rand(1, 1, 3, 9, 7) * 4 - 2
    assert torch.equal(net(x), net(x.clamp(0, 1)))


@pytest.mark.parametrize("size", [(8, 8), (9, 8), (5, 3), (1, 1)])
def test_sides_that_do_not_fold_are_padded_by_what_is_there(size):
    net = network("esrgan", scale=1, unshuffle=4)
    x = torch.rand(1, 1, 3, *size)
    right, below = -size[1] % 4, -size[0] % 4
    padded = torch.nn.functional.pad(x[0], (0, right, 0, below), mode="replicate")[None]
    assert torch.equal(net(x), net(padded)[..., : size[0], : size[1]])


def test_several_frames_at_once_are_the_same_frames():
    net = network("span")
    given = [replace(ramp(bits), data=torch.rand(3, 12, 16)) for bits in (8, 10, 8, 10, 10, 8)]
    alone = [frame.data for frame in net.to(torch.bfloat16).stream(given)]
    net.at_once = 3
    together = [frame.data for frame in net.stream(given)]
    assert all(torch.equal(a, b) for a, b in zip(alone, together, strict=True))


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="needs a limit on memory")
def test_where_memory_really_runs_out_the_picture_is_the_same():
    def run(mb: int) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-c", STARVED.replace("{mb}", str(mb))]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    done = run(260)
    positions, error = done.stdout.split()
    assert int(positions) < 320 * 240 and float(error) < 1e-5
    assert "memory ran out" in done.stderr
    assert "OutOfMemory" in run(5).stderr
