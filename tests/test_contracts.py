"""What every model promises, checked on each of them; a new file in `models/` is found by its name.

The template is checked as well, so that whoever copies it begins with a model that keeps all promises. A `FrameModel`
keeps those of a stream, an `InterpolationModel` those of frames between two, a `CompletionModel` those of unknown
pixels, generators those of samples.
"""

from __future__ import annotations

import dataclasses
import importlib
import inspect
import itertools
import time
from fractions import Fraction
from functools import cache

import pytest
import torch
from torch import Tensor, nn

from tiny import randomise
from vidwright import models
from vidwright.core import Card, Colour, Frame
from vidwright.nn.model import CompletionModel, FrameModel, InterpolationModel
from vidwright.weights.store import fit, read_weights, save_weights

NAMES = [*models.names(), "enhance/_template"]


def pytest_generate_tests(metafunc) -> None:
    """Every model is asked for what its kind promises."""
    if "name" in metafunc.fixturenames:
        asked = next((names for fixture, names in kinds().items() if fixture in metafunc.fixturenames), NAMES)
        metafunc.parametrize("name", asked)


@cache
def kinds() -> dict[str, list[str]]:
    """The names of the models of each kind, by the fixture that such a model is."""
    nets = {name: built(titled(name)) for name in NAMES}
    return {
        "net": [name for name, net in nets.items() if isinstance(net, FrameModel)],
        "interpolator": [name for name, net in nets.items() if isinstance(net, InterpolationModel)],
        "completer": [name for name, net in nets.items() if isinstance(net, CompletionModel)],
        "generator": [name for name, net in nets.items() if name.startswith("generate/") and alone(net)],
    }


def alone(net: nn.Module) -> bool:
    """Whether a generator needs nothing to begin with."""
    asked = inspect.signature(net.sample).parameters.values()
    return {each.name for each in asked if each.default is each.empty} == {"length", "size", "seed"}


def titled(name: str) -> Card:
    return importlib.import_module(f"vidwright.models.{name.replace('/', '.')}").CARD


def built(card: Card) -> nn.Module:
    return card.build(card.config())


@pytest.fixture
def card(name) -> Card:
    return titled(name)


@pytest.fixture
def net(card) -> nn.Module:
    return ready(card)


def ready(card: Card) -> nn.Module:
    """The network as `models.load` would give it in fp32, with random weights."""
    return randomise(built(card)).eval().requires_grad_(False)


def frames(count: int, size: tuple[int, int] = (10, 12), *, cuts: tuple[int, ...] = (), seed: int = 0) -> list[Frame]:
    """Frames of noise at uneven times."""
    random = torch.Generator().manual_seed(seed)
    return [
        Frame(
            torch.rand(3, *size, generator=random),
            Fraction(n * n + 3, 1001),
            Fraction(2 * n + 1, 1001),
            Colour(1, 1, 1, False),
            n in cuts,
        )
        for n in range(count)
    ]


def stream(net: nn.Module, given: list[Frame]) -> list[Frame]:
    return list(net.stream(iter(given)))


def assert_same(found: list[Frame], wanted: list[Frame]) -> None:
    assert len(found) == len(wanted)
    for a, b in zip(found, wanted, strict=True):
        assert torch.equal(a.data, b.data)


def assert_near(found: Tensor, wanted: Tensor) -> None:
    """The same but for rounding, which processors do in different orders and random weights make much of."""
    assert found.shape == wanted.shape
    assert (found - wanted).abs().max() <= 5e-3 * wanted.abs().max()


def differing(found: list[Frame], wanted: list[Frame]) -> list[int]:
    pairs = enumerate(zip(found, wanted, strict=True))
    return [n for n, (a, b) in pairs if not torch.equal(a.data, b.data)]


def test_the_card_is_complete(name, card):
    task, _ = name.split("/")
    assert card.task == task
    assert 10 < len(card.summary) < 80 and not card.summary.endswith(".")
    assert card.paper and card.licence
    assert dataclasses.is_dataclass(card.config) and card.config.__dataclass_params__.frozen
    assert dataclasses.asdict(card.config()) is not None  # every setting has a default
    has_parameters = any(True for _ in built(card).parameters())
    assert has_parameters or not card.weights


def test_the_weights_on_the_card_are_shipped_and_fit(name, card):
    for weights in card.weights:
        net = models.load(name, weights, kind=nn.Module, device="cpu", dtype="fp32")
        assert all(torch.isfinite(p).all() for p in net.parameters())


def test_it_builds_in_a_second(card):
    began = time.process_time()
    net = built(card)
    assert time.process_time() - began < 1
    assert {p.device.type for p in net.parameters()} <= {"cpu"}


@pytest.mark.parametrize("count", [0, 1, 2, 3, 7])
def test_as_many_frames_as_are_promised_at_the_same_times(net, count):
    given = frames(count, cuts=(2, 3))
    found, rate = stream(net, given), net.needs.rate
    assert [(f.time, f.duration, f.cut, f.colour) for f in found[::rate]] == [
        (f.time, f.duration / rate, f.cut, f.colour) for f in given
    ]
    assert len(found) == rate * count and not any(f.cut for n, f in enumerate(found) if n % rate)
    assert all(b.time - a.time == a.duration for a, b in itertools.pairwise(found))


@pytest.mark.parametrize("size", [(5, 7), (1, 1), (2, 3), (16, 9)])
def test_any_size_comes_out_scaled_and_finite(net, size):
    for frame in stream(net, frames(2, size)):
        assert frame.data.shape == (3, size[0] * net.needs.scale, size[1] * net.needs.scale)
        assert frame.data.dtype == torch.float32 and frame.data.device.type == "cpu"
        assert torch.isfinite(frame.data).all()


def test_the_stream_is_forward_on_windows(net):
    given, rate = frames(6), net.needs.rate
    found = torch.stack([frame.data for frame in stream(net, given)])
    for n, made in enumerate(found.split(rate)):
        around = range(n - net.needs.warmup, n + net.needs.lookahead + 1)
        window: Tensor = torch.stack([given[min(max(i, 0), 5)].data for i in around])
        assert_near(made if rate > 1 else made[0], net(window[None])[0])


@pytest.mark.parametrize("changed", [0, 4, 8])
def test_warm_up_and_look_ahead_are_exactly_what_is_declared(net, changed):
    given, other = frames(9), frames(9)
    other[changed] = frames(1, seed=1)[0].with_data(1 - other[changed].data)
    reached = range(max(changed - net.needs.lookahead, 0), min(changed + net.needs.warmup, 8) + 1)
    assert {n // net.needs.rate for n in differing(stream(net, given), stream(net, other))} == set(reached)


@pytest.mark.parametrize(("start", "stop"), [(3, 9), (5, 6), (2, 7)])
def test_a_run_in_mid_shot_gives_the_frames_of_the_whole(net, start, stop):
    given = frames(9)
    first, last = max(start - net.needs.warmup, 0), stop + net.needs.lookahead
    rate = net.needs.rate
    part = stream(net, given[first:last])[rate * (start - first) :][: rate * (stop - start)]
    assert_same(part, stream(net, given)[rate * start : rate * stop])


def test_nothing_crosses_a_cut(net):
    given = frames(9, cuts=(0, 4, 5))
    apart = [*stream(net, given[:4]), *stream(net, given[4:5]), *stream(net, given[5:])]
    assert_same(stream(net, given), apart)


def test_frames_are_asked_for_no_earlier_than_declared(net):
    taken = []

    def source():
        for frame in frames(9):
            taken.append(frame)
            yield frame

    for made, _ in enumerate(net.stream(source())):
        assert len(taken) <= made // net.needs.rate + 1 + net.needs.lookahead


def test_the_input_is_not_written_to(net):
    given, copies = frames(4), frames(4)
    stream(net, given)
    assert_same(given, copies)


def test_the_same_frames_give_the_same_frames(card, net):
    given = frames(5)
    assert_same(stream(net, given), stream(net, given))
    assert_same(stream(ready(card), given), stream(net, given))


def test_weights_go_through_a_file_unchanged(card, net, tmp_path):
    net, other = randomise(built(card)), randomise(built(card), seed=1)
    path = tmp_path / "weights.safetensors"
    save_weights(path, net.state_dict(), {"model": "test"})
    fit(path, read_weights(path)[0], other)
    given = frames(3)
    assert_same(stream(other, given), stream(net, given))


def test_it_learns(card, net):
    """Gradients reach every parameter, or there is none."""
    net = randomise(built(card))
    window = torch.rand(1, net.needs.warmup + 1 + net.needs.lookahead, 3, 6, 6)
    out = net(window)
    if any(True for _ in net.parameters()):
        out.square().mean().backward()
        assert all(p.grad is not None and p.grad.abs().max() > 0 for p in net.parameters())
    else:
        assert not out.requires_grad


def test_bf16_stays_near_fp32(card, net):
    given = frames(3)
    rough = ready(card).to(torch.bfloat16)
    for a, b in zip(stream(net, given), stream(rough, given), strict=True):
        assert (a.data - b.data).abs().mean() < 0.05 * max(1, a.data.abs().mean()) and b.data.dtype == torch.float32


@pytest.fixture
def interpolator(card) -> nn.Module:
    return ready(card)


def moments(first: Frame, second: Frame, *parts: Fraction) -> list[Fraction]:
    return [first.time + part * (second.time - first.time) for part in parts]


THIRDS = Fraction(1, 3), Fraction(2, 3)


@pytest.mark.parametrize("size", [(5, 7), (1, 1), (2, 3), (16, 9), (40, 64)])
def test_frames_between_two_have_their_size_and_the_times_asked_for(interpolator, size):
    first, second = frames(2, size)
    made = interpolator.between(first, second, times := moments(first, second, *THIRDS))
    assert [frame.time for frame in made] == times and not any(frame.cut for frame in made)
    for frame in made:
        assert frame.data.shape == (3, *size) and frame.data.dtype == torch.float32
        assert torch.isfinite(frame.data).all() and frame.colour == first.colour


def test_times_asked_for_together_or_alone_give_the_same_frames(interpolator):
    first, second = frames(2, (24, 20))
    times = moments(first, second, *THIRDS)
    assert_same(
        interpolator.between(first, second, times),
        [frame for time in times for frame in interpolator.between(first, second, [time])],
    )
    assert interpolator.between(first, second, []) == []


def test_between_is_forward(interpolator):
    """On frames that are alike: where they are not, it may show them as they are."""
    first, second = frames(2, (24, 20))
    second = second.with_data(torch.lerp(first.data, second.data, 0.1))
    pair_BTCHW = torch.stack([first.data, second.data])[None]
    made = interpolator.between(first, second, moments(first, second, *THIRDS))
    for frame, third in zip(made, THIRDS, strict=True):
        wanted_BCHW = interpolator(pair_BTCHW, torch.tensor([float(third)]))
        assert_near(frame.data, wanted_BCHW[0].clamp(0, 1))


def test_an_interpolator_learns(card, interpolator):
    """Gradients reach every parameter."""
    interpolator = randomise(built(card))
    interpolator(torch.rand(2, 2, 3, 24, 24), torch.tensor([0.25, 0.5])).square().mean().backward()
    assert all(p.grad is not None and p.grad.abs().max() > 0 for p in interpolator.parameters())


def test_an_interpolator_in_bf16_stays_near_fp32(card, interpolator):
    first, second = frames(2, (24, 20))
    times = moments(first, second, *THIRDS)
    rough = ready(card).to(torch.bfloat16).between(first, second, times)
    for a, b in zip(interpolator.between(first, second, times), rough, strict=True):
        assert (a.data - b.data).abs().mean() < 0.05 and b.data.dtype == torch.float32


@pytest.fixture
def completer(card) -> nn.Module:
    return ready(card)


def holed(size: tuple[int, int], *, batch: int = 1) -> tuple[Tensor, Tensor]:
    """Three frames of noise (B, T, 3, H, W), and where they are unknown, bool (B, T, 1, H, W)."""
    random = torch.Generator().manual_seed(0)
    return torch.rand(batch, 3, 3, *size, generator=random), torch.rand(batch, 3, 1, *size, generator=random) < 0.4


@pytest.mark.parametrize("size", [(5, 7), (1, 1), (2, 3), (16, 9), (40, 64)])
def test_known_pixels_come_out_as_they_are_and_unknown_ones_are_made(completer, size):
    x, unknown = holed(size, batch=2)
    made_BCHW, known_BCHW = completer(x, unknown), ~unknown[:, 1].expand(-1, 3, -1, -1)
    assert made_BCHW.shape == (2, 3, *size) and made_BCHW.dtype == torch.float32
    assert torch.isfinite(made_BCHW).all() and torch.equal(made_BCHW[known_BCHW], x[:, 1][known_BCHW])
    assert (made_BCHW != x[:, 1])[~known_BCHW].all()
    assert torch.equal(made_BCHW, completer(x, unknown.float()))
    assert torch.equal(completer(x, torch.zeros_like(unknown)), x[:, 1])


def test_what_lies_beyond_reach_does_not_change_what_is_made(completer):
    x, unknown = holed((16, 2 * completer.reach + 64))
    other = x.clone()
    other[..., completer.reach + 32 :] = 0.5
    assert_near(completer(other, unknown)[..., :32], completer(x, unknown)[..., :32])


def test_a_completer_learns(card, completer):
    """Gradients reach every parameter."""
    completer = randomise(built(card))
    completer(*holed((24, 24))).square().mean().backward()
    assert all(p.grad is not None and p.grad.abs().max() > 0 for p in completer.parameters())


def test_a_completer_in_bf16_stays_near_fp32(card, completer):
    x, unknown = holed((24, 24))
    rough = ready(card).to(torch.bfloat16)(x, unknown)
    assert (rough - completer(x, unknown)).abs().mean() < 0.05 and rough.dtype == torch.float32


@pytest.fixture
def generator(card) -> nn.Module:
    return ready(card)


def sampled(generator: nn.Module, **options: object) -> list[Frame]:
    return list(generator.sample(**{"length": 3, "size": (16, 24), "seed": 0} | options))


def test_samples_are_frames_in_order(generator):
    found = sampled(generator)
    assert len(found) == 3 and sampled(generator, length=0) == []
    assert all(f.data.shape == (3, 16, 24) and 0 <= f.data.min() <= f.data.max() <= 1 for f in found)
    assert all(a.time + (a.duration or 0) <= b.time for a, b in itertools.pairwise(found))


def test_samples_are_a_function_of_the_seed(generator):
    assert_same(sampled(generator), sampled(generator))
    assert differing(sampled(generator), sampled(generator, seed=1))


def test_a_longer_sample_begins_as_the_shorter_one(generator):
    assert_same(sampled(generator, length=5)[:3], sampled(generator))


def test_samples_in_bf16_are_frames(card, generator):
    found = sampled(ready(card).to(torch.bfloat16))
    assert all(f.data.dtype == torch.float32 and f.data.isfinite().all() for f in found)
