"""What the restorer promises beyond the contract of all models."""

from __future__ import annotations

import itertools
from fractions import Fraction

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from tiny import CONFIG, Net, randomise
from vidwright.core import Frame
from vidwright.models.enhance import restorer
from vidwright.models.enhance.restorer import Config
from vidwright.nn.resample import lanczos


def test_training_starts_from_lanczos():
    torch.manual_seed(0)
    x = torch.rand(2, 3, 3, 9, 8)
    torch.testing.assert_close(Net(Config())(x), lanczos(x[:, 1], 2), rtol=0, atol=1e-6)


@pytest.mark.parametrize("size", [(1, 1), (1, 5), (6, 7)])
def test_surroundings_are_means_over_what_there_is(size):
    x = torch.rand(2, 3, *size, generator=torch.Generator().manual_seed(0))
    expected = F.avg_pool2d(x, 3, stride=1, padding=1, count_include_pad=False)
    torch.testing.assert_close(restorer.surroundings(x), expected)


def moving(frames: int = 3, size: tuple[int, int] = (64, 80), step: int = 3) -> Tensor:
    """(1, T, 3, H, W): a smooth picture that moves right by `step` columns a frame."""
    random = torch.Generator().manual_seed(0)
    wide = F.interpolate(torch.rand(1, 3, size[0] // 8, (size[1] + 40) // 8, generator=random), scale_factor=8.0)
    wide = F.avg_pool2d(wide, 5, stride=1, padding=2, count_include_pad=False)
    tops = [20 - step * n for n in range(frames)]
    return torch.stack([wide[..., left : left + size[1]] for left in tops], dim=1)


def test_neighbours_are_moved_onto_the_middle_frame():
    net, x = Net(Config(align=True)), moving()
    before, middle, after = net.aligned(x.unbind(1))
    inside = (..., slice(8, -8), slice(8, -8))
    for neighbour, original in ((before, x[:, 0]), (after, x[:, 2])):
        left = (neighbour - middle)[inside].abs().mean()
        assert left < 0.2 * (original - middle)[inside].abs().mean()
    assert middle is not None and torch.equal(middle, x[:, 1])


def test_an_aligned_stream_is_forward_on_windows():
    net = randomise(Net(Config(channels=6, depth=2, radius=2, align=True))).requires_grad_(False)
    x = moving(5)
    given = [Frame(data, Fraction(n, 25)) for n, data in enumerate(x[0])]
    torch.testing.assert_close(list(net.stream(given))[2].data, net(x)[0], rtol=0, atol=1e-5)


@pytest.mark.parametrize("contrast", [0.25, 0.5])
def test_how_strong_a_texture_is_does_not_change_what_is_read(contrast):
    net, x = randomise(Net(CONFIG)), torch.rand(1, 3, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    _, strong = net(x, estimate=True)
    _, weak = net(0.5 + contrast * (x - 0.5), estimate=True)
    torch.testing.assert_close(strong, weak, rtol=0, atol=1e-3)


def test_what_is_read_changes_what_is_made():
    net, x = randomise(Net(CONFIG)), torch.rand(1, 3, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    frames, logits = x.unbind(1), torch.eye(len(CONFIG.kinds)) * 50
    results = [net.upscale(frames, row) for row in logits]
    assert all((a - b).abs().max() > 1e-3 for a, b in itertools.combinations(results, 2))


def test_windows_of_one_origin_share_what_is_read():
    net, x = randomise(Net(CONFIG)), torch.rand(2, 3, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    both, logits = net(x, estimate=True)
    assert logits.shape == (2, len(CONFIG.kinds))
    torch.testing.assert_close(both[:1], net.upscale(x[:1].unbind(1), logits.mean(0)), rtol=0, atol=1e-5)
    apart = net(x, group=1)
    torch.testing.assert_close(apart, torch.cat([net(x[:1]), net(x[1:])]), rtol=0, atol=1e-5)
    assert (apart - both).abs().max() > 1e-4


@pytest.mark.parametrize("height", [1, 8, 9, 16, 23])
def test_large_pictures_in_stripes_are_the_pictures_as_a_whole(monkeypatch, height):
    net = randomise(Net(CONFIG)).requires_grad_(False)
    x = torch.rand(1, 3, 3, height, 12)
    whole = net(x)
    monkeypatch.setattr(restorer, "STRIPE_POSITIONS", 8 * 12)
    torch.testing.assert_close(net(x), whole, rtol=0, atol=1e-5)


def test_eight_bit_codes_stay_apart_in_bf16():
    codes = torch.arange(256).view(1, 1, 16, 16).expand(1, 3, 16, 16) / 255
    seen = Net(CONFIG).to(torch.bfloat16).features(codes)
    assert seen.dtype == torch.bfloat16 and len(seen[0, 0].unique()) == 256
    assert seen.min() == -2 and seen.max() < 2
    wanted = torch.arange(256).view(16, 16) / 64 - 2
    assert torch.equal(seen[0, 0].double(), wanted.double())


@pytest.mark.parametrize("scale", [1, 2, 3, 4])
def test_any_scale_can_be_built(scale):
    net = randomise(Net(Config(scale=scale, channels=4, depth=2, parts=2)))
    assert net(torch.rand(1, 3, 3, 5, 7)).shape == (1, 3, 5 * scale, 7 * scale)


@pytest.mark.parametrize("change", [{"scale": 0}, {"channels": 10**9}, {"depth": -1}, {"parts": 1000}])
def test_configs_out_of_bounds_are_refused(change):
    with pytest.raises(ValueError, match=f"{next(iter(change))} must be from 1 to"):
        Config(**change)
