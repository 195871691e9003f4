"""What the cleaner promises beyond the contract of all models."""

from __future__ import annotations

from fractions import Fraction

import pytest
import torch
from torch.nn import functional as F

from tiny import randomise
from vidwright.core import Frame
from vidwright.models.enhance import cleaner
from vidwright.models.enhance.cleaner import Config, Net, aligned, motion, reduced, scaled

SMALL = Config(radius=1, align=False, widths=(4, 6, 8), depth=1, estimate=4)


def ready(config: Config = SMALL) -> Net:
    net = randomise(Net(config)).eval().requires_grad_(False)
    assert isinstance(net, Net)
    return net


def texture(height: int, width: int) -> torch.Tensor:
    coarse = torch.rand(1, 3, height // 8 + 2, width // 8 + 2, generator=torch.Generator().manual_seed(0))
    return F.interpolate(coarse, (height, width), mode="bicubic").clamp(0, 1)


def panned(frames: int, dx: int, height: int = 64, width: int = 80) -> list[torch.Tensor]:
    """Pictures (1, 3, H, W) of a texture that moves to the left by `dx` pixels a frame."""
    big = texture(height, width + frames * dx)
    return [big[..., dx * n : dx * n + width] for n in range(frames)]


def with_damage(net: Net, log2_error: float) -> Net:
    """The network, made to estimate this damage whatever it sees."""
    with torch.no_grad():
        net.estimate.damage.weight.zero_()
        net.estimate.damage.bias.fill_(log2_error - cleaner.USUAL_DAMAGE)
    return net


def test_training_starts_from_the_input():
    x = torch.rand(2, 3, 3, 10, 12)
    assert torch.equal(Net(SMALL)(x), x[:, 1])


def test_what_is_hardly_damaged_comes_out_as_it_came_in():
    x, (shut, open_) = torch.rand(1, 3, 3, 10, 12), cleaner.GATE
    changes = [float((with_damage(ready(), d)(x) - x[:, 1]).abs().max()) for d in (shut - 9, shut, open_, open_ + 9)]
    assert changes[:2] == [0, 0] and changes[2] > 0.1 and changes[3] > 0.1


@pytest.mark.parametrize("strength", [0.0, 0.5, 2.0])
def test_strength_scales_what_is_taken_away(strength):
    net, x = ready(), torch.rand(1, 3, 3, 10, 12)
    removed = net(x) - x[:, 1]
    net.strength = strength
    torch.testing.assert_close(net(x) - x[:, 1], strength * removed, rtol=1e-4, atol=1e-5)
    if strength == 0:
        assert torch.equal(net(x), x[:, 1])


@pytest.mark.parametrize("height", [1, 31, 64, 150])
@pytest.mark.parametrize("config", [SMALL, Config(radius=0, widths=(4, 4, 4), depth=2, estimate=2)], ids=str)
def test_large_pictures_in_stripes_are_the_pictures_as_a_whole(monkeypatch, height, config):
    net, x = ready(config), torch.rand(1, 2 * config.radius + 1, 3, height, 14)
    whole = net(x)
    monkeypatch.setattr(cleaner, "STRIPE_POSITIONS", 8 * 7)
    torch.testing.assert_close(net(x), whole, rtol=1e-4, atol=1e-4)


def test_eight_bit_codes_stay_apart_in_bf16():
    codes = torch.arange(256).view(1, 1, 16, 16).expand(1, 3, 16, 16) / 255
    seen = Net(SMALL).to(torch.bfloat16).features(scaled(codes))
    assert seen.shape == (1, 12, 8, 8) and seen.dtype == torch.bfloat16
    assert len(seen[0, :4].unique()) == 256 and seen.min() == -2 and seen.max() < 2


def test_the_damage_comes_with_the_picture_when_asked_for():
    net, x = ready(), torch.rand(2, 3, 3, 10, 12)
    clean, damage = net(x, with_damage=True)
    assert torch.equal(clean, net(x)) and damage.shape == (2,)
    assert len(damage.unique()) == 2  # each picture's own


def test_neighbours_are_moved_to_where_the_middle_one_has_the_same_things():
    pictures = panned(5, 4)
    small = [reduced(picture) for picture in pictures]
    behind = [motion(small[2], small[1]), motion(small[1], small[0])]
    ahead = [motion(small[2], small[3]), motion(small[3], small[4])]
    moved = aligned(pictures, behind, ahead)
    inner = (..., slice(16, -16), slice(20, -20))
    assert moved[2] is pictures[2]
    for before, after in zip(pictures, moved, strict=True):
        if after is not pictures[2]:
            errors = [float((picture[inner] - pictures[2][inner]).square().mean()) for picture in (before, after)]
            assert errors[1] < errors[0] / 30


def test_a_still_shot_is_aligned_to_itself():
    pictures = [texture(33, 45)] * 3
    still = motion(reduced(pictures[0]), reduced(pictures[1]))
    assert still.shape == (1, 2, 17, 23) and not still.any()
    for moved in aligned(pictures, [still], [still]):
        torch.testing.assert_close(moved, pictures[1], rtol=0, atol=1e-5)


def test_a_margin_is_seen_by_the_search_for_motion_alone():
    net = ready(Config(radius=1, align=True, widths=(4, 6), estimate=4))
    x = torch.stack([picture[0] for picture in panned(3, 4)])[None]
    small = [reduced(picture) for picture in x.unbind(1)]
    moved = aligned([scaled(picture) for picture in x.unbind(1)], [motion(small[1], small[0])], [motion(*small[1:])])
    inner = (..., slice(16, -16), slice(16, -16))
    wanted, _ = net.clean(x[:, 1][inner], [net.features(picture[inner]) for picture in moved])
    assert torch.equal(net(x, margin=16), wanted) and wanted.shape == (1, 3, 32, 48)


def test_what_is_far_away_in_time_is_not_remembered():
    """A frame hangs on its window alone, so that a piece of a clip gives the frames of the whole."""
    net = ready(Config(radius=2, align=True, widths=(4, 6), estimate=4))
    given = [Frame(picture[0], Fraction(n, 25)) for n, picture in enumerate(panned(9, 2))]
    whole = [frame.data for frame in net.stream(iter(given))]
    part = [frame.data for frame in net.stream(iter(given[2:8]))]
    assert all(torch.equal(one, other) for one, other in zip(part[2:4], whole[4:6], strict=True))
    assert not torch.equal(part[1], whole[3])


@pytest.mark.parametrize(
    ("change", "cause"),
    [({"radius": 9}, "radius must"), ({"depth": 0}, "depth must"), ({"widths": ()}, "widths must"),
     ({"widths": (10**9,)}, "widths must"), ({"estimate": 10**9}, "estimate must")],
)  # fmt: skip
def test_configs_out_of_bounds_are_refused(change, cause):
    with pytest.raises(ValueError, match=cause):
        Config(**change)
