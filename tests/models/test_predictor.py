"""The predictor: both networks keep the promises of a continuation, and learn to see what moves."""

from __future__ import annotations

from fractions import Fraction

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from tiny import randomise
from vidwright.core import Colour, Frame
from vidwright.core.errors import UsageError
from vidwright.models.generate.predictor import CARD, Config, GatedAttention, Net
from vidwright.nn.model import GenerativeModel

SMALL = {
    "simvp": Config(frames=4, width=4, channels=16, depth=1),
    "convlstm": Config(kind="convlstm", frames=4, channels=16, depth=1),
}


@pytest.fixture(params=SMALL)
def net(request) -> Net:
    """With random weights, large enough for every path to count."""
    made = randomise(Net(SMALL[request.param]))
    assert isinstance(made, Net)
    return made.eval().requires_grad_(False)


def pixels(*shape: int, seed: int = 0) -> Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


def clip(count: int = 4, size: tuple[int, int] = (12, 18), *, grey: bool = False) -> list[Frame]:
    """Frames of noise, the last of them in the colours of another matrix than the default."""
    data_TCHW = pixels(count, 1 if grey else 3, *size).expand(-1, 3, -1, -1)
    return [
        Frame(each, Fraction(3 + n, 25), Fraction(1, 25), Colour(1, 1, 1, False)) for n, each in enumerate(data_TCHW)
    ]


def sampled(net: Net, given: list[Frame], length: int = 4, **options: object) -> Tensor:
    size = (given[0].height, given[0].width)
    made = net.sample(**{"clip": iter(given), "length": length, "size": size, "seed": 0} | options)
    return torch.stack([frame.data for frame in made])


@pytest.mark.parametrize("size", [(16, 24), (5, 7), (1, 1)])
def test_any_size_is_predicted(net, size):
    made = net(pixels(2, 4, 1, *size))
    assert made.shape == (2, 4, 1, *size) and bool(made.isfinite().all())


def test_every_given_frame_counts_for_every_predicted_one(net):
    given = pixels(1, 4, 1, 16, 16)
    for t in range(4):
        other = given.clone()
        other[:, t] = 1 - other[:, t]
        assert bool(((net(other) - net(given)).abs().amax(dim=(0, 2, 3, 4)) > 1e-6).all())


def test_clips_of_a_batch_do_not_meet(net):
    given = pixels(3, 4, 1, 12, 12)
    alone = torch.cat([net(each[None]) for each in given])
    torch.testing.assert_close(net(given), alone, rtol=1e-4, atol=1e-4 * float(alone.abs().max()))


def test_samples_are_forward_of_each_channel(net):
    given = clip()
    window_CTHW = torch.stack([frame.data for frame in given], dim=1)
    wanted = net(window_CTHW[:, :, None])[:, :, 0].clamp(0, 1).transpose(0, 1)
    torch.testing.assert_close(sampled(net, given), wanted)


def test_grey_stays_grey(net):
    found = sampled(net, clip(grey=True))
    assert torch.equal(found[:, 0], found[:, 1]) and torch.equal(found[:, 0], found[:, 2])
    coloured = [frame.with_data(frame.data * torch.tensor([1.0, 1.0, 0.5])[:, None, None]) for frame in clip(grey=True)]
    torch.testing.assert_close(sampled(net, coloured)[:, 0], found[:, 0], rtol=1e-4, atol=1e-4)


def test_longer_samples_slide(net):
    """They begin as the shorter ones, and what was predicted is read in its turn."""
    given = clip()
    long = sampled(net, given, 10)
    assert torch.equal(long[:4], sampled(net, given, 4)) and torch.equal(long[:3], sampled(net, given, 3))
    between = [given[0].with_data(data) for data in long[:4]]
    assert torch.equal(long[4:8], sampled(net, between, 4)) and sampled_nothing(net)


def sampled_nothing(net: Net) -> bool:
    return list(net.sample(clip=clip(), length=0, size=(12, 18), seed=0)) == []


def test_the_last_frames_of_a_clip_count_and_a_short_one_stood_still(net):
    given = clip(7)
    assert torch.equal(sampled(net, given), sampled(net, given[3:]))
    assert torch.equal(sampled(net, given[:2]), sampled(net, [given[0], given[0], *given[:2]]))


def test_samples_go_on_in_time_and_colour(net):
    found = list(net.sample(clip=clip(), length=2, size=(12, 18), seed=0))
    assert [frame.time for frame in found] == [Fraction(7, 25), Fraction(8, 25)]
    assert all(frame.duration == Fraction(1, 25) and frame.colour == Colour(1, 1, 1, False) for frame in found)
    still = Frame(torch.zeros(3, 12, 18), Fraction(2))
    after = next(net.sample(clip=[still], length=1, size=(12, 18), seed=0))
    assert after.time == Fraction(21, 10) and not after.cut


def test_alpha_is_not_predicted(net):
    given = clip()
    with_alpha = [frame.with_data(F.pad(frame.data, (0, 0, 0, 0, 0, 1), value=0.5)) for frame in given]
    assert torch.equal(sampled(net, with_alpha), sampled(net, given))


def test_nothing_is_random(net):
    assert torch.equal(sampled(net, clip(), seed=1), sampled(net, clip(), seed=2))


def test_samples_in_bf16_are_frames(net):
    found = sampled(net.to(torch.bfloat16), clip())
    assert found.dtype == torch.float32 and bool(found.isfinite().all()) and 0 <= found.min() <= found.max() <= 1


def test_what_cannot_be_continued_is_refused(net):
    with pytest.raises(UsageError, match="nothing to go on from"):
        next(net.sample(clip=[], length=1, size=(12, 18), seed=0))
    with pytest.raises(UsageError, match="ask for samples of 18x12"):
        next(net.sample(clip=clip(), length=1, size=(16, 16), seed=0))


def test_every_parameter_learns(net):
    net.train().requires_grad_(True)
    net(pixels(1, 4, 1, 16, 16)).square().mean().backward()
    assert all(p.grad is not None and p.grad.abs().max() > 0 for p in net.parameters())


def test_attention_sees_21_positions_around_each():
    attention = randomise(GatedAttention(8)).double()
    x = pixels(1, 8, 1, 41).double().expand(-1, -1, 41, -1).contiguous()
    other = x.clone()
    other[..., 20, 20] += 1
    rows = ((attention(x) - attention(other)).abs().amax(dim=(0, 1)) > 0).nonzero()
    reach = 2 + 9  # of the 5x5, and of the 7x7 dilated by three
    assert rows.amin(dim=0).tolist() == [20 - reach] * 2 and rows.amax(dim=0).tolist() == [20 + reach] * 2


@pytest.mark.parametrize("kind", [pytest.param(kind, marks=[pytest.mark.slow] * (kind != "simvp")) for kind in SMALL])
def test_what_moves_is_followed(kind):
    """Bars that go a pixel a frame, either way: after some steps far better than copying, on places not trained on."""
    torch.manual_seed(0)
    net = Net(SMALL[kind])
    optimiser = torch.optim.AdamW(net.parameters(), lr=1e-2)
    for step in range(120):
        given, truth = bars(step % 2).chunk(2, dim=1)
        loss = F.mse_loss(net(given), truth)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    given, truth = bars(2).chunk(2, dim=1)
    copied = F.mse_loss(given[:, -1:].expand_as(truth), truth)
    assert float(F.mse_loss(net(given), truth).detach()) < 0.3 * float(copied)


def bars(part: int) -> Tensor:
    """Every third start of upright bars in 16 columns, moving right and left round the edge, (B, 8, 1, 4, 16)."""
    starts = range(part, 16, 3)
    columns = torch.tensor([[(start + way * t) % 16 for t in range(8)] for start in starts for way in (-1, 1)])
    wide = F.one_hot(columns, 16) + F.one_hot((columns + 1) % 16, 16)
    return wide.float()[:, :, None, None].expand(-1, -1, 1, 4, -1)


@pytest.mark.parametrize("wrong", [{"kind": "other"}, {"frames": 0}, {"width": 4096}, {"channels": 0}, {"depth": 99}])
def test_configs_without_sense_are_refused(wrong):
    with pytest.raises(ValueError):
        Config(**wrong)


def test_the_card_builds_both_and_both_say_how_far_they_look():
    for kind in SMALL:
        net = CARD.build(CARD.config(kind=kind, frames=6))
        assert isinstance(net, GenerativeModel) and net.usual.memory == net.usual.length == 6
