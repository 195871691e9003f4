"""Which frame is drawn when, and from what: with a stand-in for the network that writes down what it is shown."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from vidwright.process.frames import ABSENT, Near, Wanted, at_once, neighbours, one_by_one

SHAPE = (1, 4, 6)
LIKE = torch.zeros(())


class Notes:
    """Says that every pixel is clean at a number that counts the frames made; notes the neighbours' times."""

    def __init__(self) -> None:
        self.seen: list[tuple[Tensor, Near, Tensor]] = []

    def __call__(self, x_BTCHW: Tensor, t_BT: Tensor, near: Near, known_BTHW: Tensor) -> Tensor:
        self.seen.append((t_BT.clone(), near, known_BTHW.clone()))
        return x_BTCHW * 0 + 0.25

    def times(self, call: int) -> list[float]:
        return self.seen[call][1].times[0, 0].tolist()


def wanted(length: int, **options) -> Wanted:
    return Wanted(length, SHAPE, reach=2, window=4, steps=2, **options)


def drawn(way, what: Wanted, seeds=(0,)) -> tuple[list[Tensor], Notes]:
    notes = Notes()
    return list(way(notes, what, list(seeds), LIKE)), notes


def picture(value: float) -> Tensor:
    return torch.full((1, *SHAPE), value)


def test_neighbours_are_the_frames_beside():
    x = torch.arange(4.0).view(1, 4, 1, 1, 1)
    near = neighbours(x, torch.tensor([[0.1, 0.2, 0.3, 0.4]]), 2)
    assert near.times[0, 0].tolist() == pytest.approx([ABSENT, ABSENT, 0.2, 0.3])
    assert near.pixels[0, 2].flatten().tolist() == [0, 1, 3, 0]
    assert near.times[0, 2].tolist() == pytest.approx([0.1, 0.2, 0.4, ABSENT])
    around = neighbours(x, torch.ones(1, 4), 2, cyclic=True)
    assert around.pixels[0, 0].flatten().tolist() == [2, 3, 1, 2] and bool((around.times == 1).all())


def test_one_by_one_each_sees_those_before_it():
    frames, notes = drawn(one_by_one, wanted(3))
    assert len(frames) == 3 and len(notes.seen) == 6 and frames[0].shape == (1, *SHAPE)
    assert [notes.times(call) for call in (0, 2, 4)] == [
        [ABSENT] * 4, [ABSENT, 1, ABSENT, ABSENT], [1, 1, ABSENT, ABSENT],
    ]  # fmt: skip


def test_what_came_before_and_what_is_to_come_is_seen():
    frames, notes = drawn(one_by_one, wanted(3, given={-1: picture(0.5), 2: picture(0.75)}))
    assert notes.times(0) == [ABSENT, 1, ABSENT, 1] and notes.times(2) == [1, 1, 1, ABSENT]
    assert notes.seen[0][1].pixels[0, 0, [1, 3], 0, 0, 0].tolist() == [0.5, 0.75]
    assert torch.equal(frames[2], picture(0.75)) and len(notes.seen) == 4


def test_the_last_frame_of_a_loop_sees_the_first():
    _, notes = drawn(one_by_one, wanted(5, loop=True))
    assert notes.times(8) == [1, 1, 1, 1]


def test_windows_go_on_from_half_of_the_one_before():
    frames, notes = drawn(at_once, wanted(7))
    assert len(frames) == 7
    assert [tuple(t[0].tolist()) for t, _, _ in notes.seen[::2]] == [(0, 0, 0, 0), (1, 1, 0, 0), (1, 1, 0)]
    _, notes = drawn(at_once, wanted(3, given={-1: picture(1), 1: picture(1)}))
    assert notes.seen[0][0].tolist() == [[1, 0, 1, 0]]


def test_a_loop_is_one_window_whose_ends_are_neighbours():
    frames, notes = drawn(at_once, wanted(6, loop=True))
    assert len(frames) == 6 and all(t.shape == (1, 6) for t, _, _ in notes.seen)
    assert all(bool((near.times >= 0).all()) for _, near, _ in notes.seen)


@pytest.mark.parametrize("way", [one_by_one, at_once])
@pytest.mark.parametrize("loop", [False, True])
def test_known_pixels_stay_whatever_is_said(way, loop):
    mask = torch.zeros(1, 4, 6)
    mask[:, :2] = 1
    frames, notes = drawn(way, wanted(4, known={1: (mask, picture(0.9))}, loop=loop))
    assert torch.equal(frames[1][0, 0, :2], torch.full((2, 6), 0.9)) and bool((frames[1][0, 0, 2:] != 0.9).all())
    assert bool((frames[0] != 0.9).all())
    assert any(known[0, n].sum() == 12 for _, _, known in notes.seen for n in range(known.shape[1]))


@pytest.mark.parametrize("way", [one_by_one, at_once])
def test_each_sample_follows_from_its_own_seed(way):
    def noisy(x_BTCHW: Tensor, t_BT: Tensor, near: Near, known_BTHW: Tensor) -> Tensor:
        return 0.5 * x_BTCHW

    def draw(seeds: list[int]) -> Tensor:
        return torch.stack(list(way(noisy, wanted(3), seeds, LIKE)), dim=1)

    both, other = draw([7, 8]), draw([8, 9])
    torch.testing.assert_close(both[1], other[0])
    assert not torch.equal(both[0], both[1]) and torch.equal(draw([7, 8]), both)


def test_frames_come_out_while_later_ones_are_made():
    notes = Notes()
    frames = at_once(notes, wanted(4, lag=1), [0], LIKE)
    calls = []
    for _ in frames:
        calls.append(len(notes.seen))
    assert calls == [2, 3, 4, 5]


def test_of_a_stream_only_frames_that_have_begun_and_the_next_are_worked_on():
    widths: list[int] = []

    def counted(x_BTCHW: Tensor, t_BT: Tensor, near: Near, known_BTHW: Tensor) -> Tensor:
        assert near.pixels.shape[1] == near.times.shape[1] == known_BTHW.shape[1] == x_BTCHW.shape[1]
        widths.append(x_BTCHW.shape[1])
        return torch.zeros_like(x_BTCHW)

    drawn = list(at_once(counted, wanted(4, lag=2), [0], LIKE))
    # Frames begin at steps 0, 2, 4 and 6 and take two; while one is under way the next is at hand.
    assert widths == [1, 2, 2, 3, 3, 4, 4, 4]
    assert len(drawn) == 4 and all(not frame.any() for frame in drawn)


def test_given_frames_may_be_further_apart_than_a_frame_sees():
    assert not wanted(5, given={-3: picture(0), 2: picture(0)}).apart
    assert wanted(5, given={3: picture(0)}).apart and wanted(6, given={1: picture(0), 4: picture(0)}).apart
