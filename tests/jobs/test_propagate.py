"""What was painted on key frames, carried over motions that were made."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from fractions import Fraction

import pytest
import torch
from torch import Tensor

import scenes
from vidwright.core import Frame
from vidwright.jobs.propagate import ELSEWHERE, LEAST, LIGHT, Ways, find, mixed, propagated
from vidwright.train import translating

SIZE, FRAMES, PACE = (160, 120), 9, (3, 2)
RED = torch.tensor([0.3, -0.2, 0.05])


@pytest.fixture(scope="module", autouse=True)
def _hardly_fitted() -> Iterator[None]:
    """These tests are of ways: the network, which takes seconds, has to leave alone what they are sure of."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(translating, "STEPS", (5, 5))
        yield


def frames_of(x_TCHW: Tensor, *cuts: int) -> list[Frame]:
    return [Frame(data, Fraction(n, 25), cut=n in cuts) for n, data in enumerate(x_TCHW)]


@pytest.fixture(scope="module")
def clip() -> Tensor:
    """A pan whose values leave room for what is painted."""
    return scenes.pan(1, FRAMES, SIZE, PACE) * 0.4 + 0.3


def spot(middle: tuple[float, float] = (80, 60), radius: float = 10) -> Tensor:
    return scenes.disc(1, SIZE, middle, (0, 0), radius)[0]


def painted(picture_CHW: Tensor, where_HW: Tensor, colour_C: Tensor = RED) -> Tensor:
    return picture_CHW + where_HW * colour_C[:, None, None]


def carry(frames: list[Frame], keys: Mapping[int, Tensor], *, colour: bool = False) -> Tensor:
    made = list(propagated(lambda: frames, keys, colour=colour))
    assert [frame.time for frame in made] == [frame.time for frame in frames]
    return torch.stack([frame.data for frame in made])


@pytest.fixture(scope="module")
def forth(clip: Tensor) -> Tensor:
    """The whole clip with a spot that was painted on its middle frame."""
    return carry(frames_of(clip), {4: painted(clip[4], spot())})


@pytest.mark.parametrize("n", range(FRAMES))
def test_what_was_painted_on_a_key_is_where_that_has_moved_to(clip: Tensor, forth: Tensor, n: int) -> None:
    moved = (80 + PACE[0] * (n - 4), 60 + PACE[1] * (n - 4))
    added_CHW = forth[n] - clip[n]
    weight_HW = (added_CHW * RED[:, None, None]).sum(0).clamp(min=0)
    y_N, x_N = weight_HW.nonzero().double().mT + 0.5
    share_N = weight_HW[weight_HW > 0].double()
    middle = float((x_N * share_N).sum() / share_N.sum()), float((y_N * share_N).sum() / share_N.sum())
    assert middle == pytest.approx(moved, abs=0.5)
    assert torch.allclose(added_CHW[:, spot(moved, 7)], RED[:, None].expand(3, int(spot(moved, 7).sum())), atol=0.03)


def test_what_was_not_painted_is_as_it_was_to_the_bit(clip: Tensor, forth: Tensor) -> None:
    for n in range(FRAMES):
        away_HW = ~spot((80 + PACE[0] * (n - 4), 60 + PACE[1] * (n - 4)), 14)
        assert torch.equal(forth[n][:, away_HW], clip[n][:, away_HW])


def test_the_key_itself_is_as_it_was_painted(clip: Tensor, forth: Tensor) -> None:
    assert torch.allclose(forth[4], painted(clip[4], spot()), atol=1e-3)


def test_every_key_is_as_it_was_painted_whatever_was_painted_on_others(clip: Tensor) -> None:
    keys = {n: painted(clip[n], spot((40 + 40 * k, 60)), RED * (1 - k)) for k, n in enumerate((1, 4, 7))}
    made_TCHW = carry(frames_of(clip), keys)
    for n, key_CHW in keys.items():
        assert torch.allclose(made_TCHW[n], key_CHW, atol=1e-3)


def test_a_key_that_was_only_written_with_8_bits_changes_nothing(clip: Tensor) -> None:
    key_CHW = (clip[2] * 255).round() / 255
    assert not torch.equal(key_CHW, clip[2])
    assert torch.equal(carry(frames_of(clip), {2: key_CHW}), clip)
    made_TCHW = carry(frames_of(clip), {2: painted(key_CHW, spot())})
    assert torch.equal(made_TCHW[:, :, :20], clip[:, :, :20]) and not torch.equal(made_TCHW[8], clip[8])


def test_two_keys_are_mixed_by_how_near_they_are() -> None:
    still_TCHW = (scenes.textured(2, SIZE) * 0.4 + 0.3).expand(7, -1, -1, -1)
    one, other = torch.tensor([0.2, 0, 0]), torch.tensor([0, 0, 0.2])
    keys = {1: painted(still_TCHW[1], spot(), one), 5: painted(still_TCHW[5], spot(), other)}
    added_TC = (carry(frames_of(still_TCHW), keys) - still_TCHW)[:, :, 60, 80]
    for n in range(7):
        near, far = 1 / (1 + abs(n - 1)), 1 / (1 + abs(n - 5))
        first = {0: 1.0, 1: 1.0, 5: 0.0, 6: 0.0}.get(n, near / (near + far))
        assert added_TC[n].tolist() == pytest.approx([0.2 * first, 0, 0.2 * (1 - first)], abs=2e-3), n


def test_colour_alone_leaves_lightness_as_it_was(clip: Tensor) -> None:
    key_CHW = painted(clip[4], spot(radius=25), torch.tensor([0.3, -0.1, 0.2]))
    made_TCHW = carry(frames_of(clip), {4: key_CHW}, colour=True)
    light_THW = torch.einsum("tchw,c->thw", made_TCHW - clip, torch.tensor(LIGHT))
    assert light_THW.abs().max() < 1e-3
    tint_C = torch.tensor([0.3, -0.1, 0.2]) - torch.tensor([0.3, -0.1, 0.2]) @ torch.tensor(LIGHT)
    for n in range(FRAMES):
        x, y = 80 + PACE[0] * (n - 4), 60 + PACE[1] * (n - 4)
        assert (made_TCHW - clip)[n, :, y, x].tolist() == pytest.approx(tint_C.tolist(), abs=0.02)
    assert torch.allclose(carry(frames_of(clip), {4: key_CHW})[4], key_CHW, atol=1e-3)


def test_nothing_is_carried_over_a_cut(clip: Tensor) -> None:
    made_TCHW = carry(frames_of(clip, 0, 3, 6), {4: painted(clip[4], spot(radius=40))})
    assert [not torch.equal(made_TCHW[n], clip[n]) for n in range(FRAMES)] == [3 <= n < 6 for n in range(FRAMES)]


def test_keys_of_the_shots_before_and_after_a_cut_do_not_mix(clip: Tensor) -> None:
    blue = torch.tensor([0.0, 0, 0.3])
    keys = {3: painted(clip[3], spot(radius=40)), 4: painted(clip[4], spot(radius=40), blue)}
    made_TCHW = carry(frames_of(clip, 4), keys)
    for n in range(FRAMES):
        added_C = (made_TCHW[n] - clip[n])[:, 60 + 2 * (n - 4), 80 + 3 * (n - 4)]
        assert added_C.tolist() == pytest.approx((RED if n < 4 else blue).tolist(), abs=0.03)


def test_light_that_passes_over_what_was_painted_stays(clip: Tensor) -> None:
    """What is painted is a difference: pictures that get darker from frame to frame get darker with it."""
    darker_TCHW = clip - torch.linspace(0, 0.1, FRAMES)[:, None, None, None]
    made_TCHW = carry(frames_of(darker_TCHW), {0: painted(darker_TCHW[0], spot((60, 50)))})
    x, y = 60 + 8 * PACE[0], 50 + 8 * PACE[1]
    assert (made_TCHW - darker_TCHW)[8, :, y, x].tolist() == pytest.approx(RED.tolist(), abs=0.04)


def test_opacity_of_frames_stays_as_it_is(clip: Tensor) -> None:
    x_T4HW = torch.cat([clip, torch.rand(FRAMES, 1, *SIZE[::-1])], 1)
    made_T4HW = carry(frames_of(x_T4HW), {0: painted(clip[0], spot())})
    assert torch.equal(made_T4HW[:, 3], x_T4HW[:, 3]) and not torch.equal(made_T4HW[:, :3], clip)


def test_values_that_no_picture_file_has_stay_where_nothing_was_painted(clip: Tensor) -> None:
    wide_TCHW = (clip - 0.5) * 3 + 0.5
    made_TCHW = carry(frames_of(wide_TCHW), {2: (wide_TCHW[2] * 255).round().clamp(0, 255) / 255})
    assert torch.equal(made_TCHW, wide_TCHW) and wide_TCHW.min() < 0 and wide_TCHW.max() > 1


@pytest.mark.parametrize("size", [(150, 75), (500, 301)])
def test_pictures_of_odd_and_of_large_sizes_are_followed_as_exactly(size: tuple[int, int]) -> None:
    x_TCHW = scenes.pan(4, 6, size, (6, 7)) * 0.4 + 0.3
    middle, radius = (size[0] / 2 - 14, size[1] / 2 - 18), 10
    key_CHW = x_TCHW[0] + scenes.disc(1, size, middle, (0, 0), radius)[0] * RED[:, None, None]
    made_TCHW = carry(frames_of(x_TCHW), {0: key_CHW})
    weight_HW = (made_TCHW[5] - x_TCHW[5])[0].clamp(min=0)
    y_N, x_N = weight_HW.nonzero().double().mT + 0.5
    share_N = weight_HW[weight_HW > 0].double() / weight_HW.sum()
    found = float((x_N * share_N).sum()), float((y_N * share_N).sum())
    assert found == pytest.approx((middle[0] + 30, middle[1] + 35), abs=0.2)


def test_a_key_of_another_size_or_beyond_the_end_is_refused(clip: Tensor, tmp_path) -> None:
    with pytest.raises(ValueError, match="a key of 159x120 for a frame of 160x120"):
        find(frames_of(clip), {2: clip[2][:, :, 1:]}, tmp_path / "ways")
    with pytest.raises(ValueError, match="there are 9 frames"):
        find(frames_of(clip), {2: clip[2], FRAMES: clip[2]}, tmp_path / "ways")
    with pytest.raises(ValueError, match="there are 0 frames"):
        find([], {0: clip[0]}, tmp_path / "ways")
    assert not list(tmp_path.iterdir())


def test_ways_are_read_in_any_order_and_a_frame_of_another_time_is_as_it_was(clip: Tensor, tmp_path) -> None:
    frames = frames_of(clip)
    find(frames, {4: painted(clip[4], spot())}, tmp_path / "ways")
    ways = Ways(tmp_path / "ways")
    alone = {n: ways.painted(frames[n]).data for n in (7, 0, 4)}
    together = carry(frames, {4: painted(clip[4], spot())})
    assert all(torch.equal(data, together[n]) for n, data in alone.items())
    other = Frame(clip[3], Fraction(1, 7))
    assert ways.painted(other) is other


def test_what_no_way_leads_to_is_told_by_what_it_looks_like(monkeypatch: pytest.MonkeyPatch) -> None:
    """All that is bright was painted, and no frame has anything to do with the one before: as on water."""
    monkeypatch.setattr(translating, "STEPS", (200, 200))
    x_TCHW = torch.stack([scenes.textured(seed, SIZE) for seed in range(4)])
    truth_TCHW = RED[:, None, None] * (x_TCHW.mean(1, keepdim=True) > 0.5)
    made_TCHW = carry(frames_of(x_TCHW), {0: x_TCHW[0] + truth_TCHW[0]}) - x_TCHW
    for n in range(1, 4):
        assert (made_TCHW[n] - truth_TCHW[n]).abs().mean() < 0.6 * truth_TCHW[n].abs().mean()


def test_carried_and_told_are_mixed_by_their_squared_errors() -> None:
    carried_CHW, told_CHW = torch.full((3, 1, 5), 0.2), torch.full((3, 1, 5), -0.1)
    width_HW = torch.full((1, 5), 0.1)
    own = ELSEWHERE * 3 * 2 * 0.1**2
    error_HW = own * torch.tensor([[0, 1, 3, 1 / 3, float("inf")]])
    made_CHW = mixed(carried_CHW, error_HW, told_CHW, width_HW)
    assert made_CHW[0, 0].tolist() == pytest.approx([0.2, 0.05, -0.025, 0.125, -0.1])
    assert torch.equal(made_CHW[:, :, 0], carried_CHW[:, :, 0])


def test_what_is_told_of_less_than_a_code_value_is_nothing() -> None:
    nothing_CHW = torch.zeros(3, 1, 2)
    told_CHW = torch.tensor([0.9, 1.1]).mul(LEAST).expand(3, 1, 2)
    made_CHW = mixed(nothing_CHW, torch.full((1, 2), float("inf")), told_CHW, torch.ones(1, 2))
    assert [bool(made_CHW[..., n].any()) for n in range(2)] == [False, True]
