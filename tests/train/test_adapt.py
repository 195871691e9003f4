"""A network keeps what it learned from a clip only if it does better on pieces that it did not learn from."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

import media
import tiny
from vidwright import models
from vidwright.data import degrade
from vidwright.data.seeding import generator
from vidwright.models.enhance.restorer import Net
from vidwright.train.across_scales import UNSEEN, AcrossScales, read
from vidwright.train.adapt import HELD_OUT, OPTIMISER, adapt, divided
from vidwright.train.schedule import Budget

#: Of a clip with hard edges, which recur at every scale.
PIECES = [
    torch.stack([torch.from_numpy(media.picture(4 * n + k)).permute(2, 0, 1) for k in range(4)]) for n in range(6)
]


def network() -> Net:
    """As before training, which is Lanczos; sure that its input was shrunk by bicubic."""
    torch.manual_seed(0)
    return tiny.says(Net(tiny.CONFIG).eval().requires_grad_(False), {"bicubic": 0.9, "area": 0.1})


def weights(net: Net) -> dict[str, Tensor]:
    return {name: tensor.clone() for name, tensor in net.state_dict().items()}


def same(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    return all(torch.equal(tensor, other[name]) for name, tensor in one.items())


def test_what_wins_is_kept():
    net = network()
    lesson, plain = AcrossScales(net, PIECES), weights(net)
    gain = adapt(net, lesson, Budget(steps=20))
    assert gain.won and gain.steps == 20 and gain.decibels > 0.2
    assert lesson.quality(net) == gain.after and not same(weights(net), plain)
    assert same(net.reader.state_dict(), {k[7:]: t for k, t in plain.items() if k.startswith("reader.")})
    assert not any(parameter.requires_grad for parameter in net.parameters())


@pytest.mark.parametrize("rate", [0.0, 10.0, 1e30])
def test_what_does_not_win_leaves_the_plain_weights(rate):
    """Nothing learned, nonsense learned, and numbers that are none."""
    net = network()
    lesson, plain = AcrossScales(net, PIECES), weights(net)
    gain = adapt(net, lesson, Budget(steps=5), optimiser=replace(OPTIMISER, learning_rate=rate))
    assert not gain.won and same(weights(net), plain) and lesson.quality(net) == gain.before


def test_the_same_steps_give_the_same_weights():
    made = []
    for seed in (1, 1, 2):
        net = network()
        adapt(net, AcrossScales(net, PIECES), Budget(steps=4), seed=seed)
        made.append(weights(net))
    assert same(made[0], made[1]) and not same(made[0], made[2])


def test_whoever_watches_can_end_it():
    def watch(step) -> None:
        if step.number == 3:
            raise KeyboardInterrupt

    net = network()
    with pytest.raises(KeyboardInterrupt):
        adapt(net, AcrossScales(net, PIECES), Budget(steps=1000), watch=watch)


def test_one_piece_in_four_is_held_out():
    learned, held = divided(range(10))
    assert held == [1, 5, 9] and sorted(learned + held) == list(range(10)) and HELD_OUT == 4
    assert divided("ab") == (["a"], ["b"])
    with pytest.raises(ValueError, match="there are 1"):
        divided("a")


def test_nothing_held_out_is_ever_learned_from():
    pieces = [torch.full((3, 3, 48, 64), 20 * number, dtype=torch.uint8) for number in range(8)]
    lesson = AcrossScales(network(), pieces)
    seen = {int(v) for n in range(20) for t in lesson.batch(generator(0, n)).values() for v in t.unique()}
    assert seen == {20 * number for number in (0, 2, 3, 4, 6, 7)}


def test_both_losses_fall():
    net = network()
    lesson = AcrossScales(net, PIECES)
    batch = lesson.batch(generator(9))
    before = lesson.objective(net, batch)
    adapt(net, lesson, Budget(steps=20))
    after = lesson.objective(net, batch)
    assert set(before) == set(after) == {"across", "back"}
    assert all(after[name] < before[name] for name in before)


class Chessboard(nn.Module):
    """What a network makes, under a pattern that is gone when the picture is shrunk."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, x_BTCHW: Tensor) -> Tensor:
        made_BCHW = self.net(x_BTCHW)
        y_H1, x_W = torch.arange(made_BCHW.shape[-2])[:, None], torch.arange(made_BCHW.shape[-1])
        return made_BCHW + 0.1 * (1 - 2 * ((y_H1 + x_W) % 2))


def test_what_shrinking_hides_is_not_left_open():
    net = network()
    lesson = AcrossScales(net, PIECES)
    batch = lesson.batch(generator(0))
    large_BCHW, under_BCHW = (each(batch["low"].float() / 255) for each in (net, Chessboard(net)))
    torch.testing.assert_close(degrade.bicubic(under_BCHW, 2), degrade.bicubic(large_BCHW, 2), rtol=0, atol=3e-3)
    assert lesson.objective(Chessboard(net), batch)["back"] > lesson.objective(net, batch)["back"] + 1


def test_samples_are_windows_and_their_truth():
    lesson = AcrossScales(network(), PIECES)
    batch = lesson.batch(generator(0))
    assert {name: tuple(tensor.shape[1:]) for name, tensor in batch.items()} == {
        "small": (3, 3, 24, 28), "truth": (3, 48, 56), "low": (3, 3, 28, 28)
    }  # fmt: skip
    blurred = torch.nn.functional.avg_pool2d(batch["truth"].float(), 2)
    assert (blurred - batch["small"][:, 1].float()).abs().mean() < 4


@pytest.mark.parametrize(
    ("chances", "ways"),
    [
        ({"bicubic": 0.7, "lanczos": 0.2, "h264": 0.1}, {"bicubic", "lanczos"}),
        ({"area": 0.98}, {"area"}),
        ({"cubic": 0.55, "area": 0.35, "blur": 0.1}, None),
        ({"bicubic": 0.45, "lanczos": 0.2, "area": 0.2, "blur": 0.15}, None),
        ({"h264": 0.9, "bicubic": 0.1}, None),
    ],
)
def test_only_who_is_sure_how_the_clip_was_shrunk_learns(chances, ways):
    net = tiny.says(network(), chances)
    if ways is None:
        with pytest.raises(ValueError, match=f"at best {max(chances, key=chances.__getitem__)}, by a chance"):
            read(net, PIECES)
    else:
        found = read(net, PIECES)
        assert set(found) == ways and all(found[way] == pytest.approx(chances[way], abs=0.02) for way in ways)


def test_networks_that_do_not_read_do_not_learn():
    with pytest.raises(ValueError, match="does not read"):
        read(models.load("enhance/lanczos", scale=2), PIECES)


def test_too_small_pictures_are_refused():
    with pytest.raises(ValueError, match="fewer than 24 rows"):
        AcrossScales(network(), [torch.zeros(2, 3, 22, 64, dtype=torch.uint8)] * 4)


def test_frames_that_are_as_good_as_perfect_cannot_outweigh_others():
    flat, noise = torch.full((3, 3, 48, 64), 90, dtype=torch.uint8), torch.Generator().manual_seed(0)
    rough = torch.randint(256, (3, 3, 48, 64), dtype=torch.uint8, generator=noise)
    net = network()
    assert AcrossScales(net, [flat, flat]).quality(net) == UNSEEN
    both = AcrossScales(net, [flat, flat, flat, flat, flat, rough]).quality(net)
    assert both == pytest.approx((UNSEEN + AcrossScales(net, [rough, rough]).quality(net)) / 2)


class ReadsBrightness(nn.Module):
    """Says "cubic" of what is bright, less firmly "bicubic" of the rest."""

    def __init__(self, kinds: tuple[str, ...]) -> None:
        super().__init__()
        self.kinds = kinds

    def forward(self, x_BCHW: Tensor) -> Tensor:
        bright = bool(x_BCHW.mean() > 0.5)
        kind, firmly = ("cubic", 20.0) if bright else ("bicubic", 9.0)
        return torch.tensor([[firmly if each == kind else 0.0 for each in self.kinds]])


def test_shots_that_were_shrunk_in_different_ways_teach_nothing(monkeypatch):
    net = network()
    net.reader = ReadsBrightness(net.config.kinds)
    monkeypatch.setattr(net, "features", lambda x_BCHW: x_BCHW)
    dark, bright = (torch.full((2, 3, 48, 64), level, dtype=torch.uint8) for level in (50, 200))
    assert read(net, [dark] * 3)["bicubic"] > 0.9 and read(net, [bright] * 3)["cubic"] > 0.9
    with pytest.raises(ValueError, match="in one way, which would be cubic"):
        read(net, [dark, bright, bright])
