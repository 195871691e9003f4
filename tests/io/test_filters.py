"""FFmpeg's filters change what they should and nothing else: not the times, not the colours, not the order."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from itertools import pairwise

import pytest
import torch

import media
from vidwright.core import Colour, Frame
from vidwright.core.errors import UsageError
from vidwright.io.filters import bwdif, filtered

NTSC = Fraction(30000, 1001)


def numbered(count: int, *, bits: int = 8, cuts: tuple[int, ...] = (), alpha: bool = False) -> list[Frame]:
    """Frames with their number in them."""
    return [
        Frame(
            torch.from_numpy(media.picture(n, alpha=alpha)).permute(2, 0, 1).float() / 255,
            n / NTSC,
            1 / NTSC,
            Colour(bits=bits),
            n in cuts,
        )
        for n in range(count)
    ]


def woven(count: int, order: str) -> list[Frame]:
    """Interlaced frames, whose earlier field is of picture 2n and whose later one is of picture 2n + 1."""
    given = numbered(2 * count)
    frames = []
    for frame, early, late in zip(given, given[::2], given[1::2], strict=False):
        data = early.data.clone()
        odd = 1 if order == "top" else 0
        data[:, odd::2] = late.data[:, odd::2]
        frames.append(replace(frame, data=data, field_order=order))
    return frames


def errors(found: list[Frame], wanted: list[Frame]) -> list[float]:
    return [float((a.data - b.data).abs().max()) * 255 for a, b in zip(found, wanted, strict=True)]


@pytest.mark.parametrize(("pixel_format", "most"), [("yuv444p", 1.65), ("yuv444p16le", 0.01), ("gbrp", 0.01)])
def test_a_filter_that_does_nothing_costs_rounding(pixel_format, most):
    given = numbered(5, cuts=(3,))
    found = list(filtered(given, "null", rate=NTSC, pixel_format=pixel_format))
    assert [(f.time, f.duration, f.cut, f.colour) for f in found] == [
        (f.time, f.duration, f.cut, f.colour) for f in given
    ]
    assert max(errors(found, given)) < most


def test_filters_run_in_a_row_and_options_may_hold_quoted_commas():
    given = numbered(6)
    found = list(filtered(given, "select='not(mod(n,2))',vflip", rate=NTSC))
    assert [media.read_barcode(f.data.flip(-2)) for f in found] == [0, 2, 4]


def test_filters_may_change_the_times():
    found = list(filtered(numbered(6), f"fps={2 * NTSC}", rate=NTSC))
    assert {b.time - a.time for a, b in pairwise(found)} == {1 / (2 * NTSC)}
    assert [media.read_barcode(f.data) for f in found][:6] == [0, 0, 1, 1, 2, 2]


def test_filters_begin_anew_at_a_cut():
    given = numbered(6, cuts=(3,))
    whole = list(filtered(given, "tmix=frames=3", rate=NTSC))
    apart = [f for part in (given[:3], given[3:]) for f in filtered(part, "tmix=frames=3", rate=NTSC)]
    assert all(torch.equal(a.data, b.data) for a, b in zip(whole, apart, strict=True))
    assert torch.equal(whole[3].data, next(filtered(given[3:], "null", rate=NTSC)).data)


def test_frames_are_asked_for_as_the_filters_need_them():
    asked = []
    source = (asked.append(frame) or frame for frame in numbered(9))
    next(filtered(source, "null", rate=NTSC))
    assert len(asked) <= 2


@pytest.mark.parametrize(
    ("chain", "word"), [("bwdiff", "did you mean.*bwdif"), ("hflip,scale=w=-7:h=oops", "refuses it for 64x48 yuv444p")]
)
def test_what_cannot_be_done_is_said_in_three_lines(chain, word):
    with pytest.raises(UsageError, match=rf"(?s){word}") as error:
        list(filtered(numbered(1), chain, rate=NTSC))
    assert len(str(error.value).splitlines()) == 3


@pytest.mark.parametrize("order", ["top", "bottom"])
def test_bwdif_makes_both_moments_in_their_order(order):
    found = list(bwdif(woven(6, order), NTSC))
    assert [media.read_barcode(f.data) for f in found] == list(range(12))
    assert [f.time for f in found] == [n / NTSC / 2 for n in range(12)]
    assert {(f.duration, f.field_order) for f in found} == {(1 / NTSC / 2, "progressive")}


def test_bwdif_keeps_the_rows_of_the_field():
    given, truth = woven(5, "top"), numbered(10)
    for n, frame in enumerate(bwdif(given, NTSC)):
        kept = (frame.data - truth[n].data)[:, n % 2 :: 2]
        assert kept.abs().max() * 255 < 1.65


@pytest.mark.parametrize("count", [0, 1, 2, 3])
def test_bwdif_doubles_any_number_of_frames_and_cuts_stay(count):
    found = list(bwdif(numbered(count, cuts=(0, 1)), NTSC))
    assert [f.cut for f in found] == [True, False, True, False, False, False][: 2 * count]


def test_bwdif_takes_deep_pictures_with_alpha():
    given = numbered(2, bits=10, alpha=True)
    early, late, *_ = bwdif([given[0], replace(given[1], data=given[0].data)], NTSC)
    for frame, kept in ((early, 0), (late, 1)):
        assert frame.data.shape == (4, 48, 64)
        assert (frame.data - given[0].data)[:, kept::2].abs().max() * 255 < 0.01


def test_bwdif_refuses_strips():
    with pytest.raises(UsageError, match="refuses it for 64x2"):
        list(bwdif([frame.with_data(frame.data[:, :2]) for frame in numbered(2)], NTSC))
