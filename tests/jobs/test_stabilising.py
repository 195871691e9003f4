"""Shake is taken out, and nothing else: not the way of a pan, not a still picture, and nothing over a cut."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from itertools import pairwise

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from vidwright.core import Frame, Needs, VideoInfo
from vidwright.jobs import fill, stabilising
from vidwright.jobs.changes import Change, Stabilise
from vidwright.jobs.framing import FILLED
from vidwright.jobs.job import Process
from vidwright.jobs.puts import Means, step_of
from vidwright.jobs.stabilising import weights
from vidwright.vision.camera import camera_motion
from vidwright.vision.flow import small_grey

SIZE = (64, 96)
RATE = Fraction(25)
#: Pixels of the scene around the picture, for it to move in.
ROOM = 40


def scene(seed: int) -> Tensor:
    """(3, H, W) with details of many sizes."""
    random = torch.Generator().manual_seed(seed)
    size = (SIZE[0] + 2 * ROOM, SIZE[1] + 2 * ROOM)
    layers = [
        F.interpolate(torch.rand(1, 3, *(side // step for side in size), generator=random), size, mode="bicubic")
        for step in (4, 10, 30)
    ]
    return torch.stack(layers).mean(0)[0].clamp(0, 1)


def clip(ways: Sequence[tuple[int, int]], *, seed: int = 1, cut: bool = False, start: int = 0) -> list[Frame]:
    """The scene as a camera sees it that is so many pixels to the right and down; `cut`: a new shot begins with it."""
    picture_CHW = scene(seed)
    return [
        Frame(
            picture_CHW[:, ROOM + y : ROOM + y + SIZE[0], ROOM + x : ROOM + x + SIZE[1]].clone(),
            (start + n) / RATE,
            cut=cut and n == 0,
        )
        for n, (x, y) in enumerate(ways)
    ]


def shaken(frames: int, pan: float = 0.0, most: int = 3) -> list[tuple[int, int]]:
    random = torch.Generator().manual_seed(5)
    off = torch.randint(-most, most + 1, (frames, 2), generator=random).tolist()
    return [(round(pan * (n - frames / 2)) + x, y) for n, (x, y) in enumerate(off)]


def way(frames: Sequence[Frame]) -> Tensor:
    """Where the middle of the picture lies in the first frame's, (T, 2) in pixels."""
    greys = [small_grey(frame.data, SIZE) for frame in frames]
    at, found = torch.tensor([SIZE[1] / 2, SIZE[0] / 2, 1]).double(), [torch.zeros(2).double()]
    for one, other in pairwise(greys):
        moved = camera_motion(one, other) @ at
        found.append(found[-1] + moved[:2] / moved[2] - at[:2])
    return torch.stack(found)


def shake(frames: Sequence[Frame]) -> float:
    """The mean second difference of the camera's way, in pixels."""
    return float(way(frames).diff(dim=0).diff(dim=0).square().sum(1).sqrt().mean())


def process(share: float = 1.0) -> Process:
    info = VideoInfo(SIZE[1], SIZE[0], RATE, time_base=1 / RATE)
    return step_of(Change(put=Stabilise(share=share, model="none")), Means())(info)


def stabilised(frames: Sequence[Frame], share: float = 1.0) -> list[Frame]:
    return list(process(share).stream(iter(frames), None))


@pytest.mark.parametrize("pan", [0, 1])
def test_shake_is_taken_out_and_a_pan_is_kept(pan: int) -> None:
    given = clip(shaken(30, pan))
    made = stabilised(given)
    assert [frame.time for frame in made] == [frame.time for frame in given]
    assert all(frame.data.shape == (3, *SIZE) for frame in made)
    assert shake(made) < 0.25 * shake(given)
    assert abs(float(way(made)[-1, 0]) + pan * 29) < 4  # the shake itself is 3 pixels on either side


def test_a_share_of_it_is_left() -> None:
    given = clip(shaken(16))
    before, half = shake(given), shake(stabilised(given, 0.5))
    assert 0.35 * before < half < 0.75 * before


def test_the_border_is_what_neighbours_show() -> None:
    step, given = process(), clip(shaken(24))
    made, picture_CHW = list(step.stream(iter(given), None)), scene(1)
    rows = step.notes()[FILLED]
    assert len(rows) > 20 and all(hidden > 0 for _, hidden, _ in rows)
    assert sum(hidden * copied for _, hidden, copied in rows) > 0.8 * sum(hidden for _, hidden, _ in rows)
    wide_CHW, errors = picture_CHW[:, ROOM - 4 : ROOM + SIZE[0] + 4, ROOM - 4 : ROOM + SIZE[1] + 4], []
    for frame in made:  # all of it is the scene, border and all, wherever in it the calm camera stands
        views = [wide_CHW[:, y : y + SIZE[0], x : x + SIZE[1]] for y in range(9) for x in range(9)]
        errors.append(min(float((view - frame.data).abs().mean()) for view in views))
    assert sum(errors) / len(errors) < 0.05


@pytest.mark.parametrize("noise", [0.0, 0.01])
def test_a_camera_that_stands_still_is_left_alone(noise: float) -> None:
    random = torch.Generator().manual_seed(2)
    given = clip([(0, 0)] * 9)
    given = [frame.with_data(frame.data + noise * torch.randn(frame.data.shape, generator=random)) for frame in given]
    assert all(torch.equal(a.data, b.data) for a, b in zip(stabilised(given), given, strict=True))


def test_a_calm_pan_is_left_alone_also_where_it_begins_and_ends() -> None:
    given = clip([(2 * n - 15, 0) for n in range(16)])
    made = stabilised(given)
    assert (way(made) - way(given)).abs().max() < 0.5
    assert all((a.data - b.data).abs().mean() < 0.01 for a, b in zip(made, given, strict=True))


def test_nothing_is_carried_over_a_cut() -> None:
    first, second = clip(shaken(12)), clip(shaken(9), seed=7, cut=True, start=12)
    whole = stabilised([*first, *second])
    apart = [*stabilised(first), *stabilised(second)]
    assert all(torch.equal(a.data, b.data) for a, b in zip(whole, apart, strict=True))
    assert [n for n, frame in enumerate(whole) if frame.cut] == [12]


def test_a_piece_is_as_it_is_in_the_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stabilising, "CALM", 5)
    monkeypatch.setattr(fill, "REACH", 5)
    monkeypatch.setattr(fill.Filler, "needs", Needs(warmup=5, lookahead=5))
    step, given = process(), clip(shaken(26))
    needs, own = step.needs, range(12, 14)
    assert (needs.warmup, needs.lookahead) == (10, 10)
    assert needs.warmup < own.start and own.stop + needs.lookahead < len(given)
    whole = list(step.stream(iter(given), None))
    part = list(step.stream(iter(given[own.start - needs.warmup : own.stop + needs.lookahead]), None))
    for n in own:
        assert torch.equal(part[n - own.start + needs.warmup].data, whole[n].data)


def test_alpha_goes_with_the_picture() -> None:
    given = clip(shaken(8))
    seen = [frame.with_data(torch.cat([frame.data, frame.data[:1]])) for frame in given]
    for frame, opaque in zip(stabilised(seen), stabilised(given), strict=True):
        assert frame.data.shape == (4, *SIZE) and torch.equal(frame.data[:3], opaque.data)
        inner = (slice(8, -8), slice(8, -8))
        assert torch.allclose(frame.data[3][inner], opaque.data[0][inner])


@pytest.mark.parametrize("offsets", [range(-24, 25), range(25), range(-3, 25), range(2), range(1)])
def test_weights_are_those_of_a_line(offsets: range) -> None:
    weight_N, offset_N = weights(offsets), torch.tensor(list(offsets)).double()
    assert float(weight_N.sum()) == pytest.approx(1)
    assert float((weight_N * (3 + 2 * offset_N)).sum()) == pytest.approx(3)
