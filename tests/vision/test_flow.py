"""Optical flow on textures that move by a known amount."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from vidwright.data.seeding import generator
from vidwright.nn.warp import warp
from vidwright.vision.flow import LINES, Preset, optical_flow, optical_flows


def _texture(height: int, width: int, coarseness: int = 8) -> Tensor:
    coarse = torch.rand(1, 3, height // coarseness + 2, width // coarseness + 2, generator=generator(1, height, width))
    return F.interpolate(coarse, (height, width), mode="bicubic")[0].clamp(0, 1)


def _moved(dx: int, dy: int, height: int, width: int, coarseness: int = 8) -> tuple[Tensor, Tensor]:
    """A window on a texture, and the same after the picture has moved by (dx, dy)."""
    big = _texture(height + 2 * abs(dy), width + 2 * abs(dx), coarseness)
    top, left = abs(dy), abs(dx)
    second = big[:, top - dy : top - dy + height, left - dx : left - dx + width]
    return big[:, top : top + height, left : left + width], second


@pytest.mark.parametrize(("dx", "dy"), [(3, 0), (0, -4), (-5, 2), (0, 0)])
def test_finds_how_a_picture_moved(dx: int, dy: int):
    flow = optical_flow(*_moved(dx, dy, 96, 120))
    middle = flow[:, 16:-16, 16:-16].flatten(1)
    assert torch.allclose(middle.median(dim=1).values, torch.tensor([dx, dy]).float(), atol=0.1)


def test_large_pictures_are_searched_small_and_answered_in_their_own_pixels():
    first, second = _moved(12, -8, 2 * LINES, 500, coarseness=24)
    flow = optical_flow(first, second)
    assert flow.shape == (2, 2 * LINES, 500) and flow.dtype == torch.float32
    assert torch.allclose(flow[:, 40:-40, 40:-40].flatten(1).median(dim=1).values, torch.tensor([12.0, -8]), atol=0.3)


@pytest.mark.parametrize("preset", ["fast", "light", "medium"])
def test_fewer_lines_and_a_faster_search_find_it_as_well(preset: Preset):
    first, second = _moved(6, 4, 96, 120)
    rough = optical_flow(first, second, lines=48, preset=preset)
    assert not torch.equal(rough, optical_flow(first, second, preset=preset))
    middle = rough[:, 16:-16, 16:-16].flatten(1)
    assert torch.allclose(middle.median(dim=1).values, torch.tensor([6.0, 4]), atol=0.3)


def test_warping_the_second_picture_along_it_gives_the_first():
    first, second = _moved(4, 3, 96, 96)
    warped = warp(second[None], optical_flow(first, second)[None])[0]
    inner = (slice(None), slice(16, -16), slice(16, -16))
    before, after = ((picture - first)[inner].square().mean() for picture in (second, warped))
    assert after < before / 100


@pytest.mark.parametrize("size", [(2, 2), (9, 300), (300, 9)])
def test_equal_pictures_of_any_size_do_not_move(size: tuple[int, int]):
    picture = torch.rand(4, *size, generator=generator(2, *size))
    assert torch.equal(optical_flow(picture, picture.clone()), torch.zeros(2, *size))


def test_pictures_of_two_sizes_and_code_values_are_refused():
    with pytest.raises(ValueError, match="two \\(C, H, W\\) of one size"):
        optical_flow(torch.zeros(3, 8, 8), torch.zeros(3, 8, 9))
    with pytest.raises(ValueError, match=r"floating-point pictures in \[0, 1\], got torch.uint8"):
        optical_flow(*torch.zeros(2, 3, 8, 8, dtype=torch.uint8))


def test_motion_is_seen_in_luma():
    """Red and blue that change places at the same sum are a texture to the eye, and to the search."""
    grain = _texture(96, 126)[0] / 2
    picture = torch.stack([grain, torch.full_like(grain, 0.25), 0.5 - grain])
    flow = optical_flow(picture[:, :, 3:-3], picture[:, :, :-6])
    assert torch.allclose(flow[:, 16:-16, 16:-16].flatten(1).median(dim=1).values, torch.tensor([3.0, 0]), atol=0.1)


@pytest.mark.parametrize("threads", [1, 2])
def test_a_batch_gives_the_flow_of_each_of_its_pictures(threads: int, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(torch, "get_num_threads", lambda: threads)
    pairs = [_moved(3, 0, 96, 96), _moved(0, -4, 96, 96), _moved(-2, 2, 96, 96)]
    flows = optical_flows(*(torch.stack(side) for side in zip(*pairs, strict=True)), preset="light")
    assert torch.equal(flows, torch.stack([optical_flow(*pair, preset="light") for pair in pairs]))


def test_mixed_precision_of_a_training_changes_nothing():
    pair = _moved(3, 1, 96, 96)
    with torch.autocast("cpu", torch.bfloat16):
        mixed = optical_flow(*pair)
    assert torch.equal(mixed, optical_flow(*pair))
