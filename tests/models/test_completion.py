"""What the completion network promises beyond the contract of all models that complete."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from tiny import randomise
from vidwright import models
from vidwright.data.degrade import to_bytes
from vidwright.data.holed import hidden
from vidwright.metrics.psnr import psnr
from vidwright.models.edit.completion import Config, Net, OverTime


def holed(size: tuple[int, int] = (40, 56), seed: int = 0) -> tuple[Tensor, Tensor]:
    """Three frames (1, 3, 3, H, W) of noise, and a hole in each (1, 3, 1, H, W)."""
    random = torch.Generator().manual_seed(seed)
    unknown = torch.zeros(1, 3, 1, *size, dtype=torch.bool)
    unknown[..., size[0] // 3 : size[0] // 2, size[1] // 3 : size[1] // 2] = True
    return torch.rand(1, 3, 3, *size, generator=random), unknown


def test_training_starts_from_what_the_hole_was_filled_with():
    x, unknown = holed()
    assert torch.equal(Net(Config())(x, unknown), x[:, 1])


def test_a_film_that_runs_backwards_gives_the_same_picture():
    net, (x, unknown) = randomise(Net(Config())), holed()
    unknown[:, 0, :, 20:] = True
    torch.testing.assert_close(net(x.flip(1), unknown.flip(1)), net(x, unknown))


def test_what_the_outer_frames_show_and_whether_they_know_it_both_count():
    net, (x, unknown) = randomise(Net(Config())), holed()
    shown, known = x.clone(), unknown.clone()
    shown[:, 2] = 1 - shown[:, 2]
    known[:, 0] = False
    plain = net(x, unknown)
    for other in (net(shown, unknown), net(x, known)):
        assert (other - plain)[unknown[:, 1].expand_as(plain)].abs().max() > 1e-3


@pytest.mark.parametrize("config", [Config(widths=(8,)), Config(widths=(8, 8)), Config(widths=(8, 8, 8), depth=2)])
def test_nothing_beyond_its_reach_counts_and_something_near_it_does(config):
    torch.manual_seed(0)
    net = Net(config)
    nn.init.normal_(net.exit.weight)
    size = 2 * net.reach + net.multiple
    x, unknown = torch.rand(1, 3, 3, 16, size), torch.zeros(1, 3, 1, 16, size)
    unknown[..., : net.multiple] = 1
    x.requires_grad_(True)
    net(x, unknown)[..., : net.multiple].sum().backward()
    assert x.grad is not None
    (columns,) = (x.grad.abs().amax(dim=(0, 1, 2, 3)) > 0).nonzero(as_tuple=True)
    furthest = int(columns.max()) - net.multiple + 1
    assert 0.75 * net.reach <= furthest <= net.reach


def test_a_window_moved_by_its_multiple_makes_the_same_pixels():
    net = Net(Config(widths=(8, 8)))
    nn.init.normal_(net.exit.weight, std=0.1)
    wide = net.reach + net.multiple
    x, unknown = holed((2 * wide + net.multiple, 2 * wide + net.multiple))
    unknown[:] = False
    unknown[..., wide : wide + 4, wide : wide + 4] = True
    window = (..., slice(net.multiple, None), slice(2 * net.multiple, None))
    torch.testing.assert_close(net(x[window], unknown[window]), net(x, unknown)[window], rtol=0, atol=1e-5)


def test_attention_over_time_takes_the_frame_that_answers():
    """Queries ask for what keys of one frame alone have; what comes out is that frame's value."""
    over = OverTime(8)
    for conv in (over.query, over.key, over.value, over.output):
        nn.init.zeros_(conv.weight)
    nn.init.constant_(over.query.bias, 100.0)
    over.key.weight.data[:, 0] = 1.0
    over.value.weight.data[:, 1] = 1.0
    over.output.weight.data[:] = torch.eye(8)[..., None, None]
    for conv in (over.value, over.output):
        nn.init.zeros_(conv.bias)
    x_BTCHW = torch.rand(1, 3, 8, 2, 2)
    x_BTCHW[:, :, 0] = torch.tensor([0.0, 0.0, 5.0]).view(1, 3, 1, 1)
    torch.testing.assert_close(over(x_BTCHW), x_BTCHW[:, 1] + x_BTCHW[:, 2, 1:2])


@pytest.mark.parametrize("slope", [0.0, 0.3, -1.2])
def test_the_shipped_weights_continue_an_edge_that_telea_does_not(slope):
    net = models.load("edit/completion", "fast", kind=Net, device="cpu", dtype="fp32")
    y, x = torch.meshgrid(torch.arange(96.0) - 48, torch.arange(128.0) - 64, indexing="ij")
    truth = torch.where((x - slope * y + 9 > 0), 200, 60).to(torch.uint8).expand(3, 3, -1, -1)
    unknown = torch.zeros(3, 1, 96, 128, dtype=torch.bool)
    unknown[..., 36:60, 46:82] = True
    filled = hidden(truth, unknown)
    made = to_bytes(255 * net(filled[None].float() / 255, unknown[None])[0])
    hole = unknown[1].expand(3, -1, -1)
    before, after = (psnr(each[hole], truth[1][hole], peak=255.0) for each in (filled[1], made))
    assert after > before + 1


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"widths": ()}, "up to six"),
        ({"widths": (8,) * 7}, "up to six"),
        ({"widths": (8, 10**6)}, "from 8 to 512"),
        ({"widths": (12,)}, "multiples of 8"),
        ({"depth": 0}, "depth must be from 1 to 8"),
        ({"depth": 10**9}, "depth must be from 1 to 8"),
    ],
)
def test_configs_out_of_bounds_are_refused(change, words):
    with pytest.raises(ValueError, match=words):
        Config(**change)
