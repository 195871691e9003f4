"""What a completion network learns from a clip, what it must not look at, and what it is judged by."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

import scenes
from vidwright.data.seeding import generator
from vidwright.models.edit.completion import Config, Net
from vidwright.models.enhance.lanczos import Config as LanczosConfig
from vidwright.models.enhance.lanczos import Net as Lanczos
from vidwright.train.adapt import adapt
from vidwright.train.schedule import Budget
from vidwright.train.within_clip import LEAST, WithinClip, moments

SMALL = Config(widths=(8, 8))

Piece = tuple[Tensor, Tensor]


def joined(x: Tensor, unknown: Tensor) -> Tensor:
    """A piece as the lesson is given it."""
    return torch.cat([x, unknown[:, None].to(torch.uint8) * 255], dim=1)


def taught(net: nn.Module, pairs: list[Piece]) -> WithinClip:
    return WithinClip(net, [joined(*pair) for pair in pairs])


def pieces(number: int = 5, length: int = 4, size: tuple[int, int] = (80, 64)) -> list[Piece]:
    """Of textures that move by a pixel a frame, with a hole that stands still."""
    unknown = torch.zeros(length, size[1], size[0], dtype=torch.bool)
    unknown[:, 10:30, 20:44] = True
    return [(scenes.scene(n, length, size, 1).mul(255).round().to(torch.uint8), unknown) for n in range(number)]


def network(bias: float = 0.0) -> Net:
    """As before training, which leaves holes as they were filled; with a `bias`, it tints them."""
    torch.manual_seed(0)
    net = Net(SMALL).eval().requires_grad_(False)
    nn.init.constant_(net.exit.bias, bias)  # pyright: ignore[reportArgumentType]
    return net


def test_what_was_wrong_on_a_clip_is_mended_on_its_held_out_pieces():
    net = network(bias=0.6)
    lesson = taught(net, pieces())
    gain = adapt(net, lesson, Budget(steps=25), optimiser=WithinClip.optimiser)
    assert gain.won and gain.before == taught(network(), pieces()).quality(network(bias=0.6))
    assert lesson.quality(net) == gain.after > gain.before + 0.3


def test_where_nothing_is_won_the_weights_stay():
    net, plain = network(), network().state_dict()
    lesson = taught(net, pieces())
    gain = adapt(net, lesson, Budget(steps=1))
    assert not gain.won
    assert all(torch.equal(tensor, plain[name]) for name, tensor in net.state_dict().items())


def test_nothing_depends_on_what_the_clip_does_not_know():
    """Neither samples nor what is judged: the hole may hold anything."""
    clip = pieces()
    other = [(torch.where(unknown[:, None], 255 - x, x), unknown) for x, unknown in clip]
    here, there = taught(network(), clip), taught(network(), other)
    assert here.quality(network()) == there.quality(network())
    for n in range(4):
        one, two = here.batch(generator(0, n)), there.batch(generator(0, n))
        assert torch.equal(one["seen"], two["seen"]) and torch.equal(one["counted"], two["counted"])
        counted = one["counted"].expand_as(one["truth"])
        assert torch.equal(one["truth"][counted], two["truth"][counted])


def test_samples_are_holes_in_known_pixels_of_pieces_that_are_learned_from():
    flat = [
        (torch.full((4, 3, 64, 150), 20 * n, dtype=torch.uint8), torch.zeros(4, 64, 150, dtype=torch.bool))
        for n in range(5)
    ]
    found = set[int]()
    for n in range(6):
        batch = taught(network(), flat).batch(generator(0, n))
        assert {name: (x.shape[1:], x.dtype) for name, x in batch.items()} == {
            "seen": ((3, 3, 64, 128), torch.uint8),
            "unknown": ((3, 1, 64, 128), torch.bool),
            "truth": ((3, 64, 128), torch.uint8),
            "counted": ((1, 64, 128), torch.bool),
        }
        assert (batch["counted"] <= batch["unknown"][:, 1]).all() and batch["counted"].any()
        found |= {int(v) // 20 for v in batch["truth"].unique()}
    assert found == {0, 2, 3, 4}  # the second piece is held out


def test_what_the_clip_does_not_know_is_never_what_counts():
    unknown = torch.zeros(4, 64, 80, dtype=torch.bool)
    unknown[:, 22:42, 28:52] = True  # in the middle, where it stays however a sample is turned
    lesson = taught(network(), [(x[:1].expand(4, -1, -1, -1), unknown) for x, _ in pieces()])
    for n in range(6):
        batch = lesson.batch(generator(0, n))
        assert batch["unknown"][:, 1, 0, 22:42, 28:52].all() and not batch["counted"][..., 22:42, 28:52].any()


def test_it_is_learned_around_what_the_clip_does_not_know():
    unknown = torch.zeros(4, 160, 300, dtype=torch.bool)
    unknown[:, 100:112, 8:20] = True
    lesson = taught(network(), [(x, unknown) for x, _ in pieces(size=(300, 160))])
    batch = lesson.batch(generator(0, 0))
    own = batch["unknown"][:, 1] & ~batch["counted"]
    assert own.flatten(1).any(dim=1).all()


def test_a_moment_is_three_frames_over_one_another_with_what_none_of_them_knows():
    x, unknown = pieces(length=8, size=(160, 96))[0]
    for moment in moments(joined(x, unknown)):
        known = ~unknown[4].expand(3, -1, -1)
        assert torch.equal(moment.clear[1][known], x[4][known]) and torch.equal(moment.unknown[1, 0], unknown[4])
        outer = moment.unknown[0, 0]
        assert outer.sum() > unknown[0].sum() - 60 and not torch.equal(outer, unknown[0])


def test_what_teaches_nothing_is_refused_in_words():
    with pytest.raises(ValueError, match="does not complete"):
        taught(Lanczos(LanczosConfig()), pieces())
    with pytest.raises(ValueError, match="there are 1"):
        taught(network(), [(x[: 3 if n == 1 else 2], u[: 3 if n == 1 else 2]) for n, (x, u) in enumerate(pieces())])
    with pytest.raises(ValueError, match=f"fewer than {LEAST} rows"):
        taught(network(), pieces(size=(80, LEAST - 1)))
    with pytest.raises(ValueError, match="too little of it is known"):
        taught(network(), [(x, torch.ones_like(unknown)) for x, unknown in pieces()])
