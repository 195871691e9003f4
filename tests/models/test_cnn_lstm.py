"""The CNN-LSTM: the printed widths, the same frame by frame as whole, causal, and samples that are what they say."""

from __future__ import annotations

from fractions import Fraction

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from tiny import randomise
from vidwright.core import Frame
from vidwright.core.errors import UsageError
from vidwright.models.generate.cnn_lstm import CARD, Classifier, Config, Encoder, Net, build, drawn

SMALL = Config(width=16)


def network(config: Config = SMALL) -> Net:
    """With random weights, large enough for every path to count."""
    net = randomise(Net(config))
    assert isinstance(net, Net)
    return net.eval().requires_grad_(False)


@pytest.fixture(scope="module")
def net() -> Net:
    return network()


def clip(*, time: int = 4, size: tuple[int, int] = (20, 35), batch: int = 2, seed: int = 0) -> Tensor:
    random = torch.Generator().manual_seed(seed)
    return (torch.rand(batch, time, 1, *size, generator=random) > 0.6).float()


def by_steps(net: Net, clip_BTCHW: Tensor, label: Tensor | None) -> Tensor:
    size = (clip_BTCHW.shape[-2], clip_BTCHW.shape[-1])
    logits, state = net.start(len(clip_BTCHW), size, label)
    found = [logits]
    for frame_BCHW in clip_BTCHW[:, :-1].unbind(1):
        logits, state = net.step(frame_BCHW, state)
        found.append(logits)
    return torch.stack(found, dim=1)


def frames(clip_TCHW: Tensor) -> list[Frame]:
    return [
        Frame(each.expand(3, -1, -1), Fraction(3 + n, 25), Fraction(1, 25), cut=n == 0)
        for n, each in enumerate(clip_TCHW)
    ]


def convolutions(module: nn.Module) -> list[int]:
    return [each.out_channels for each in module.modules() if isinstance(each, nn.Conv2d)]


def test_the_widths_are_as_printed():
    """64-128-256-512 convolutions, 512-256-128-64 LSTMs, 128-64-32-classes dense: the document's `VideoGenerator`."""
    document = build(Config(preset="document", num_classes=7))
    assert isinstance(document, Classifier)
    assert convolutions(document) == [64, 128, 256, 512]
    assert [lstm.hidden_size for lstm in document.lstms] == [512, 256, 128, 64]  # type: ignore[union-attr]
    assert [layer.out_features for layer in document.dense] == [128, 64, 32, 7]  # type: ignore[union-attr]


def test_the_next_frame_keeps_the_widths():
    net = build(Config(levels=3))
    assert isinstance(net, Net)
    assert convolutions(net.encoder) == [64, 128, 256, 512]
    assert [lstm.channels for lstm in reversed(net.lstms)] == [512, 256, 128, 64]  # type: ignore[call-overload]
    assert convolutions(net.dense) == [128, 64, 32, 4 * 3]


def test_the_encoder_halves_and_doubles():
    maps = Encoder(2, 4)(torch.rand(3, 2, 32, 48))
    assert [tuple(each.shape[1:]) for each in maps] == [(4, 16, 24), (8, 8, 12), (16, 4, 6), (32, 2, 3)]


@pytest.mark.parametrize("label", [None, torch.tensor([3, 7]), torch.tensor([[3, 7], [-1, 2]])])
@pytest.mark.parametrize("size", [(20, 35), (16, 32), (1, 1)])
def test_frame_by_frame_is_the_whole(net, label, size):
    x = clip(size=size)
    whole = net(x, label)
    assert whole.shape == (2, 4, 2, *size)
    torch.testing.assert_close(by_steps(net, x, label), whole, rtol=1e-4, atol=1e-4)


def test_more_levels_are_the_same_network():
    net = network(Config(width=8, levels=5, motions=2, reach=2))
    x = clip() * 0.3 + clip(seed=1) * 0.7
    whole = net(x)
    assert whole.shape == (2, 4, 5, 20, 35)
    torch.testing.assert_close(by_steps(net, x, None), whole, rtol=1e-4, atol=1e-4)


@settings(max_examples=6, deadline=None)
@given(changed=st.integers(0, 3))
def test_a_frame_changes_what_comes_after_it_and_nothing_else(net, changed):
    x, other = clip(), clip()
    other[:, changed] = 1 - other[:, changed]
    differs = (net(x) - net(other)).abs().amax(dim=(0, 2, 3, 4)) > 1e-5
    assert differs.tolist() == [t > changed for t in range(4)]


def test_a_state_can_be_gone_on_from_twice(net):
    """Neither `step` nor anything after it writes into the state it was given."""
    x = clip()
    _, state = net.start(2, (20, 35))
    first, after = net.step(x[:, 0], state)
    net.step(x[:, 1], after)
    again, _ = net.step(x[:, 0], state)
    assert torch.equal(first, again)


def test_labels_count_alike_in_any_order_and_minus_one_says_nothing(net):
    x = clip(batch=1)
    torch.testing.assert_close(net(x, torch.tensor([[3, 7]])), net(x, torch.tensor([[7, 3]])))
    assert torch.equal(net(x, torch.tensor([-1])), net(x))
    assert torch.equal(net(x, torch.tensor([[4, -1]])), net(x, torch.tensor([4])))
    assert not torch.allclose(net(x, torch.tensor([4])), net(x), atol=1e-3)


def test_pixels_are_quantised_in_equal_parts():
    """Of 256 code values each class has as many; a class shows as the end or an equal step of the scale."""
    for levels in (2, 4, 16):
        net = Net(Config(width=4, levels=levels, motions=1))
        classes = net.quantised(torch.arange(256) / 255)
        assert torch.equal(classes.bincount(), torch.full((levels,), 256 // levels))
        shown = net.intensity(classes)
        assert shown.min() == 0 and shown.max() == 1
        assert torch.equal(net.quantised(shown), classes)


def test_before_training_it_copies_and_moves():
    """A square that has moved by (2, 1) is expected to go on; the picture is dark elsewhere."""
    x = torch.zeros(1, 3, 1, 48, 48)
    for t in range(3):
        x[0, t, 0, 10 + 2 * t : 18 + 2 * t, 20 + t : 28 + t] = 1
    torch.manual_seed(0)
    likely = Net(SMALL).eval()(x)[0, 2].softmax(dim=0)[1]
    assert likely[x[0, 2, 0] > 0].mean() > 0.6 and likely[x[0, 2, 0] == 0].mean() < 0.1


def test_every_parameter_learns(net):
    net, document = randomise(Net(SMALL)), randomise(Classifier(Config(preset="document", width=4, motions=1)))
    for each, out in ((net, net(clip(), torch.tensor([1, 2]))), (document, document(clip()))):
        out.square().mean().backward()
        assert all(p.grad is not None and p.grad.abs().max() > 0 for p in each.parameters())


@pytest.mark.parametrize("size", [(17, 33), (64, 64)])
def test_the_classifier_takes_any_size_and_length(size):
    document = Classifier(Config(preset="document", width=4, motions=1, num_classes=6)).eval()
    assert document(clip(size=size, time=1)).shape == document(clip(size=size, time=5)).shape == (2, 6)


def test_the_classifier_sees_every_frame():
    document = randomise(Classifier(Config(preset="document", width=4, motions=1))).double()
    for t in range(4):
        other = clip().double()
        other[:, t] = 1 - other[:, t]
        assert (document(other) - document(clip().double())).abs().max() > 1e-9


def test_samples_are_frames_in_time(net):
    found = list(net.sample(label=[3, 7], length=3, size=(20, 35), seed=0))
    assert [frame.time for frame in found] == [0, Fraction(1, 10), Fraction(2, 10)]
    for frame in found:
        assert frame.data.shape == (3, 20, 35) and frame.data.dtype == torch.float32
        assert set(frame.data.unique().tolist()) <= {0.0, 1.0}
        assert torch.equal(frame.data[0], frame.data[2])


def test_samples_follow_their_clip(net):
    given_frames = frames(clip(batch=1)[0])
    found = list(net.sample(clip=iter(given_frames), length=2, size=(20, 35), seed=0))
    assert [frame.time for frame in found] == [Fraction(7, 25), Fraction(8, 25)]
    assert found[0].duration == Fraction(1, 25)
    likeliest = next(net.sample(clip=given_frames, length=1, size=(20, 35), seed=0, temperature=0))
    x = torch.cat([clip(batch=1), clip(batch=1)[:, :1]], dim=1)
    assert torch.equal(likeliest.data[0], net(x)[0, 4].argmax(dim=0).float())


def test_a_seed_is_a_sample(net):
    def sample(seed: int) -> Tensor:
        return torch.stack([frame.data for frame in net.sample(length=2, size=(20, 35), seed=seed)])

    assert torch.equal(sample(1), sample(1))
    assert not torch.equal(sample(1), sample(2))


def test_pixels_are_drawn_as_often_as_they_are_likely():
    odds = torch.tensor([0.1, 0.2, 0.7])
    logits = odds.log()[None, :, None, None].expand(1, 3, 150, 150)
    random = torch.Generator().manual_seed(0)
    shares = drawn(logits, 1.0, random).flatten().bincount() / 150**2
    assert (shares - odds).abs().max() < 0.015  # five standard deviations
    colder = drawn(logits, 0.5, random).flatten().bincount() / 150**2
    assert (colder - odds.square() / odds.square().sum()).abs().max() < 0.015
    assert (drawn(logits, 0.0, random) == 2).all()


def test_what_cannot_be_sampled_is_refused(net):
    with pytest.raises(UsageError, match="give numbers from 0 to 9"):
        next(net.sample(label=10, length=1, size=(16, 16), seed=0))
    with pytest.raises(UsageError, match="ask for samples of 35x20"):
        next(net.sample(clip=frames(clip(batch=1)[0]), length=1, size=(20, 16), seed=0))


@pytest.mark.parametrize(
    "wrong",
    [
        {"preset": "other"},
        {"width": 0},
        {"width": 4096},
        {"levels": 1},
        {"reach": 0},
        {"width": 24, "motions": 4},
        {"num_classes": 10**6},
    ],
)
def test_configs_without_sense_are_refused(wrong):
    with pytest.raises(ValueError):
        Config(**wrong)


def test_the_card_builds_both():
    assert CARD.task == "generate" and 10 < len(CARD.summary) < 80
    assert isinstance(CARD.build(CARD.config(width=16)), Net)
    assert isinstance(CARD.build(CARD.config(preset="document", width=16)), Classifier)
