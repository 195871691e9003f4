"""The flow model: its two ways are the same blocks, and every way of asking gives what was asked for."""

from __future__ import annotations

from fractions import Fraction

import pytest
import torch
from torch import Tensor

from tiny import randomise
from vidwright.core import Frame
from vidwright.core.errors import UsageError
from vidwright.models.generate.flow import BETWEEN, Config, Net, Told
from vidwright.process.frames import neighbours

SMALL = Config(widths=(8, 16), tokens=32, depth=2, heads=2, length=6, side=16)
SIZE = (16, 24)


@pytest.fixture(scope="module")
def net() -> Net:
    made = randomise(Net(SMALL)).eval().requires_grad_(False)
    assert isinstance(made, Net)
    return made


def clip(frames: int = 4, seed: int = 0) -> list[Frame]:
    random = torch.Generator().manual_seed(seed)
    grey = torch.rand(frames, 1, *SIZE, generator=random).expand(-1, 3, -1, -1)
    return [Frame(each, Fraction(n, 25), Fraction(1, 25)) for n, each in enumerate(grey)]


def drawn(net: Net, **options: object) -> list[Frame]:
    return list(net.sample(**{"length": 5, "size": SIZE, "seed": 0, "steps": 2} | options))


def same(a: Frame, b: Frame) -> bool:
    return torch.equal(a.data, b.data)


def test_one_frame_of_a_window_is_that_frame_alone(net):
    """Without the transformer, which alone looks at other frames than the neighbours."""
    plain = randomise(Net(Config(widths=(8, 16), tokens=32, depth=0, heads=2)))
    x, t = torch.randn(2, 5, 1, *SIZE, generator=torch.Generator().manual_seed(0)), torch.full((2, 5), 0.3)
    near, label = neighbours(x, t, 3), torch.tensor([[1], [2]])
    window = plain(x, t, near, label)
    alone = plain(x[:, 2:3], t[:, 2:3], type(near)(near.pixels[:, 2:3], near.times[:, 2:3]), label)
    assert (window[:, 2:3] - alone).abs().max() < 1e-4 * window.abs().max()


def test_absent_neighbours_are_not_black_ones(net):
    x, t = torch.zeros(1, 1, 1, *SIZE), torch.full((1, 1), 0.3)
    near = neighbours(x, t, 3)
    there = type(near)(near.pixels, torch.ones_like(near.times))
    assert not torch.allclose(net(x, t, near), net(x, t, there))


@pytest.mark.parametrize("label", [torch.tensor([[3]]), torch.tensor([[3, 4]])])
def test_of_a_class_minus_one_says_nothing(net, label):
    x, t = torch.zeros(1, 2, 1, *SIZE), torch.full((1, 2), 0.3)
    near = neighbours(x, t, 3)
    assert torch.equal(net(x, t, near), net(x, t, near, torch.full_like(label, -1)))
    assert not torch.allclose(net(x, t, near), net(x, t, near, label))
    assert torch.equal(net(x, t, near, label), net(x, t, near, label.flip(1)))  # things have no order


def test_a_text_is_a_condition():
    told = randomise(Net(Config(widths=(8, 16), tokens=32, depth=1, heads=2, text=12)))
    x, t = torch.zeros(1, 1, 1, *SIZE), torch.full((1, 1), 0.3)
    near = neighbours(x, t, 3)
    assert not torch.allclose(told(x, t, near), told(x, t, near, text_BE=torch.ones(1, 12)))


@pytest.mark.parametrize("mode", ["filler", "joint"])
def test_frames_that_are_given_are_in_the_result(net, mode):
    given = clip()
    keys = drawn(net, keys={0: given[0], 3: given[3]}, mode=mode)
    assert len(keys) == 5
    for n in (0, 3):
        assert (keys[n].data - given[n].data).abs().max() < 1e-6
    assert not same(keys[1], drawn(net, mode=mode)[1])


@pytest.mark.parametrize("mode", ["filler", "joint"])
@pytest.mark.parametrize("length", [1, 6, 13])
def test_a_continuation_goes_on_in_time_for_any_length(net, mode, length):
    given = clip()
    found = drawn(net, clip=given, length=length, mode=mode)
    assert [frame.time for frame in found] == [Fraction(4 + n, 25) for n in range(length)]
    assert not same(found[0], drawn(net, length=length, mode=mode)[0])
    assert same(found[0], drawn(net, clip=given, length=length, mode=mode)[0])


@pytest.mark.parametrize("mode", ["filler", "joint"])
def test_what_is_known_of_a_frame_is_kept(net, mode):
    given, mask = clip(), torch.zeros(SIZE)
    mask[:, :10] = 1
    found = drawn(net, known={n: (mask, given[n]) for n in range(4)}, length=4, mode=mode)
    for made, was in zip(found, given, strict=True):
        assert (made.data - was.data)[:, :, :10].abs().max() < 1e-6
        assert (made.data - was.data)[:, :, 10:].abs().max() > 0.01


def test_a_loop_has_frames_for_each_place(net):
    assert len(drawn(net, loop=True, length=6)) == 6
    assert not same(drawn(net, loop=True)[1], drawn(net, mode="joint")[1])


def test_guidance_and_history_change_what_they_are_for(net):
    told = torch.tensor([[3]])

    def draw(**options: object) -> Tensor:
        how = {"given": {-1: torch.zeros(1, 1, *SIZE)}} if "history" in options else {}
        return torch.stack(list(net.draw([0], 2, SIZE, Told(told, **options), steps=2, **how)))

    assert not torch.allclose(draw(guidance=1.0), draw(guidance=3.0))
    assert torch.equal(draw(), draw(guidance=net.config.guidance))  # what is usual for its weights
    assert not torch.allclose(draw(history=1.0), draw(history=2.0))


def test_a_frame_between_others_is_drawn_out_towards_them(net):
    def draw(given: dict[int, Tensor], history: float | None) -> Tensor:
        return list(net.draw([0], 3, SIZE, Told(history=history), given=given, steps=2))[1]

    frame = torch.zeros(1, 1, *SIZE)
    both, before = {0: frame, 2: frame + 0.5}, {0: frame}
    assert torch.equal(draw(both, None), draw(both, BETWEEN)) and not torch.equal(draw(both, None), draw(both, 1.0))
    assert torch.equal(draw(before, None), draw(before, 1.0)) and not torch.equal(
        draw(before, 1.0), draw(before, BETWEEN)
    )


def test_samples_side_by_side_are_those_alone(net):
    both = torch.stack(list(net.draw([4, 5], 3, SIZE, steps=2)), dim=1)
    alone = torch.stack(list(net.draw([5], 3, SIZE, steps=2)), dim=1)
    assert (both[1] - alone[0]).abs().max() < 1e-3 * alone.abs().max()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"size": (20, 24)}, "the nearest size is 24x16"),
        ({"size": (3, 3)}, "the nearest size is 8x8"),
        ({"label": 10}, "the model knows 10 classes"),
        ({"clip": [Frame(torch.zeros(3, 8, 8), Fraction(0))]}, "it is 8x8"),
    ],
)
def test_what_cannot_be_made_is_said(net, options, words):
    with pytest.raises(UsageError, match=words):
        drawn(net, **options)


@pytest.mark.parametrize(
    "field", [{"tokens": 30}, {"side": 12}, {"widths": (1,)}, {"depth": 99}, {"widths": (8, 10**6)}]
)
def test_a_config_that_makes_no_network_is_refused(field):
    with pytest.raises(ValueError, match="must"):
        Config(**field)
