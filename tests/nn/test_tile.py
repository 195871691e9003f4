"""Pictures in parts are the pictures as a whole, and parts become smaller where memory runs out."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from vidwright.core.errors import OutOfMemory
from vidwright.nn.tile import SMALLEST_HALOS, Tiles, stripes, tiled
from vidwright.nn.unet import UNet


def chain(depth: int) -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(*[nn.Conv2d(3, 3, 3, padding=1) for _ in range(depth)]).requires_grad_(False)


def striped(fn, x, *, rows: int, halo: int) -> torch.Tensor:
    parts = list(stripes(fn, x, rows=rows, halo=halo))
    assert [row for rows_of, _ in parts for row in range(rows_of.start, rows_of.stop)] == list(range(x.shape[-2]))
    return torch.cat([part for _, part in parts], dim=-2)


@pytest.mark.parametrize("height", [1, 2, 7, 8, 9, 16, 31])
@pytest.mark.parametrize("rows", [1, 4, 8])
def test_striped_equals_whole(height, rows):
    net, x = chain(3), torch.rand(2, 3, height, 11)
    torch.testing.assert_close(striped(net, x, rows=rows, halo=3), net(x), rtol=0, atol=1e-6)


def test_a_halo_that_is_too_small_shows():
    net, x = chain(3), torch.rand(1, 3, 16, 11)
    assert (striped(net, x, rows=4, halo=2) - net(x)).abs().max() > 1e-4


@pytest.mark.parametrize("height", [3, 8, 33, 41])
@pytest.mark.parametrize("rows", [4, 12])
def test_a_unet_in_stripes_of_its_strides_is_the_unet(height, rows):
    torch.manual_seed(0)
    net, x = UNet(3, 3, [4, 6, 8], depth=1).requires_grad_(False), torch.rand(1, 3, height, 11)
    torch.testing.assert_close(striped(net, x, rows=rows, halo=28), net(x), rtol=0, atol=1e-5)


@pytest.mark.parametrize("rows", [4, 5, 16, 100])
def test_no_stripe_is_higher_than_promised(rows):
    heights: list[int] = []

    def noted(x):
        heights.append(x.shape[-2])
        return x

    x = torch.rand(1, 1, 33, 2)
    assert torch.equal(striped(noted, x, rows=rows, halo=2), x)
    assert max(heights) <= rows + 4 and len(heights) == -(-33 // rows)


@pytest.mark.parametrize("size", [(1, 1), (5, 40), (40, 5), (31, 29), (64, 64), (17, 33)])
@pytest.mark.parametrize("positions", [150, 400, 10_000])
def test_tiled_equals_whole(size, positions):
    net, x = chain(3), torch.rand(2, 3, *size)
    torch.testing.assert_close(tiled(net, x, positions=positions, halo=3), net(x), rtol=0, atol=1e-6)


def test_a_halo_that_is_too_small_shows_in_tiles():
    net, x = chain(3), torch.rand(1, 3, 31, 29)
    assert (tiled(net, x, positions=150, halo=2) - net(x)).abs().max() > 1e-4


@pytest.mark.parametrize(
    ("size", "positions", "halo", "multiple"), [((31, 29), 100, 2, 1), ((90, 7), 64, 1, 1), ((36, 52), 400, 3, 4)]
)
def test_tiles_keep_their_size_and_their_places(size, positions, halo, multiple):
    """No tile is larger than promised, and each begins at a multiple; places are seen in the picture itself."""
    place = torch.arange(size[0] * size[1], dtype=torch.float32).view(1, 1, *size)
    seen: list[torch.Tensor] = []

    def enlarged(x):
        seen.append(x)
        return F.interpolate(x, scale_factor=2.0)

    out = tiled(enlarged, place, positions=positions, halo=halo, scale=2, multiple=multiple)
    assert torch.equal(out, F.interpolate(place, scale_factor=2.0)) and len(seen) > 1
    assert max(x[0, 0].numel() for x in seen) <= positions
    corners = [divmod(int(x[0, 0, 0, 0]), size[1]) for x in seen]
    assert all(row % multiple == 0 and column % multiple == 0 for row, column in corners)


class Machine:
    """Memory for a number of positions, and a function that needs it."""

    def __init__(self, positions: float, error: Exception | None = None) -> None:
        self.positions, self.error, self.done = positions, error or MemoryError(), 0

    def __call__(self, x):
        if x[0, 0].numel() > self.positions:
            raise self.error
        self.done += 1
        return x + 1


ERRORS = [
    MemoryError(),
    torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"),
    RuntimeError("[enforce fail at alloc_cpu.cpp:127] DefaultCPUAllocator: can't allocate memory"),
    RuntimeError("could not create a primitive"),
]


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: str(error)[:20] or type(error).__name__)
def test_where_memory_runs_out_tiles_are_halved_once_and_for_all(error, caplog):
    machine, tiles, x = Machine(9000, error), Tiles(bytes_per_position=4, halo=2), torch.rand(1, 3, 190, 210)
    for _ in range(3):
        assert torch.equal(tiles(machine, x), x + 1)
    # 39,900 positions are the picture; half of them, and again, does not fit yet.
    assert 4500 < tiles.positions <= 9000
    assert [record.name for record in caplog.records] == ["vidwright"] and "memory ran out" in caplog.text


def test_where_the_smallest_tile_does_not_fit_the_figure_is_named(caplog):
    machine, tiles = Machine(0), Tiles(bytes_per_position=2**10, halo=2, scale=4)
    with pytest.raises(OutOfMemory) as error:
        tiles(machine, torch.rand(1, 3, 500, 400))
    # 64 x 64 positions of 1 kB are 4 MB, and the result of 3 x 2000 x 1600 numbers is 36.6 MB.
    assert "about 41 MB" in error.value.cause and "400x500" in error.value.subject and machine.done == 0
    assert len(str(error.value).splitlines()) == 3 and len(caplog.records) == 1


def test_tiles_are_not_so_small_that_they_are_all_halo():
    assert Tiles(bytes_per_position=2**30, halo=50).positions == (SMALLEST_HALOS * 50) ** 2


def test_other_errors_are_not_taken_for_lack_of_memory():
    tiles = Tiles(bytes_per_position=4, halo=2)
    with pytest.raises(RuntimeError, match="sizes do not match"):
        tiles(Machine(0, RuntimeError("sizes do not match")), torch.rand(1, 3, 90, 90))
