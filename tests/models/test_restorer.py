"""What the restorer promises beyond the contract of all models."""

from __future__ import annotations

import pytest
import torch

from tiny import CONFIG, Net, randomise
from vidwright.models.enhance import restorer
from vidwright.models.enhance.restorer import Config
from vidwright.nn.conv import fold
from vidwright.nn.resample import lanczos


def test_training_starts_from_lanczos():
    torch.manual_seed(0)
    x = torch.rand(2, 3, 3, 9, 8)
    torch.testing.assert_close(Net(Config())(x), lanczos(x[:, 1], 2), rtol=0, atol=1e-6)


@pytest.mark.parametrize("height", [1, 8, 9, 16, 23])
def test_large_pictures_in_stripes_are_the_pictures_as_a_whole(monkeypatch, height):
    net = fold(randomise(Net(CONFIG))).requires_grad_(False)
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


def test_folding_changes_nothing():
    net, x = randomise(Net(CONFIG)), torch.rand(1, 3, 3, 6, 8)
    before = net(x)
    torch.testing.assert_close(fold(net)(x), before, rtol=0, atol=1e-5)


@pytest.mark.parametrize("scale", [1, 2, 3, 4])
def test_any_scale_can_be_built(scale):
    net = randomise(Net(Config(scale=scale, channels=4, depth=2, parts=2)))
    assert net(torch.rand(1, 3, 3, 5, 7)).shape == (1, 3, 5 * scale, 7 * scale)


@pytest.mark.parametrize("change", [{"scale": 0}, {"channels": 10**9}, {"depth": -1}, {"parts": 1000}])
def test_configs_out_of_bounds_are_refused(change):
    with pytest.raises(ValueError, match=f"{next(iter(change))} must be from 1 to"):
        Config(**change)
