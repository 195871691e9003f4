"""The mask of a region at each frame: from shapes, pictures and videos of any size and rate."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from torch import Tensor

from vidwright.core import Frame, Video, VideoInfo
from vidwright.core.errors import BadInput, UsageError
from vidwright.io import save_video
from vidwright.io.container import MAX_PIXELS
from vidwright.io.stills import encode_still
from vidwright.jobs.masks import Masks, check, white
from vidwright.jobs.region import Region
from vidwright.vision import masks

SIZE = (48, 64)
INFO = VideoInfo(64, 48, Fraction(25), Fraction(1, 25), length=50, duration=Fraction(2))


def box(left: float, top: float, right: float, bottom: float, size: tuple[int, int] = SIZE) -> Tensor:
    return masks.box(size, left, top, right, bottom)


def still(path: Path, mask_HW: Tensor) -> Path:
    path.write_bytes(encode_still(mask_HW.float().expand(3, -1, -1), format="png"))
    return path


def video(path: Path, mask_THW: list[Tensor], rate: int = 25) -> Path:
    height, width = mask_THW[0].shape
    info = VideoInfo(width, height, Fraction(rate), Fraction(1, rate))
    frames = [Frame(mask_HW.float().expand(3, -1, -1), Fraction(n, rate)) for n, mask_HW in enumerate(mask_THW)]
    save_video(Video(info, lambda: iter(frames)), path, codec="ffv1")
    return path


def masks_of(region: Region | str) -> Masks:
    region = Region.parse(region) if isinstance(region, str) else region
    return Masks(region, INFO, max_pixels=MAX_PIXELS)


def at(region: Region | str, second: float) -> Tensor:
    return masks_of(region).at(Fraction(str(second)))


def refused(region: Region | str) -> str:
    region = Region.parse(region) if isinstance(region, str) else region
    with pytest.raises(UsageError) as caught:
        check(region, INFO, max_pixels=MAX_PIXELS)
    assert len(str(caught.value).splitlines()) == 3
    return caught.value.cause


def accepted(region: Region | str) -> None:
    check(Region.parse(region) if isinstance(region, str) else region, INFO, max_pixels=MAX_PIXELS)


@pytest.mark.parametrize("word", ["box:10,10,30,20", "box:10,10,30,20@1"])
def test_a_shape_holds_at_all_times_also_if_it_has_one(word):
    found = masks_of(word)
    assert all(torch.equal(found.at(Fraction(n, 2)), box(10, 10, 30, 20)) for n in (0, 1, 2, 3, 1))
    assert found.at(Fraction(0)) is found.at(Fraction(1))  # and is drawn once


def test_shapes_without_a_time_add_up():
    assert torch.equal(at("box:0,0,10,10;box:30,30,40,40", 1), box(0, 0, 10, 10) | box(30, 30, 40, 40))


def test_keys_hold_before_and_after_and_lie_between_in_any_order_of_words():
    found = masks_of("box:40,24,50,32@1.5;box:0,4,10,12@0.5")
    for second, truth_HW in {
        0: box(0, 4, 10, 12),
        0.5: box(0, 4, 10, 12),
        1: box(20, 14, 30, 22),
        1.25: box(30, 19, 40, 27),
        1.5: box(40, 24, 50, 32),
        1.9: box(40, 24, 50, 32),
    }.items():
        assert torch.equal(found.at(Fraction(str(second))), truth_HW), second


def test_of_three_keys_those_around_the_time_count():
    word = "box:0,0,10,10@0;box:40,0,50,10@1;box:40,30,50,40@2"
    assert torch.equal(at(word, 0.5), box(20, 0, 30, 10))
    assert torch.equal(at(word, 1.5), box(40, 15, 50, 25))


def test_a_picture_is_for_all_frames_and_stretched(tmp_path):
    path = still(tmp_path / "mask.png", box(8, 6, 16, 12, (24, 32)))
    for second in (0, 1, 100):
        assert torch.equal(at(str(path), second), box(16, 12, 32, 24))


def test_pictures_are_keys_too(tmp_path):
    one, other = (still(tmp_path / f"{x}.png", box(x, 10, x + 10, 20)) for x in (0, 40))
    assert torch.equal(at(f"{one}@0;{other}@1", 0.5), box(20, 10, 30, 20))


def test_white_is_inside_and_what_is_transparent_is_not(tmp_path):
    codes = np.zeros((48, 64, 4), np.uint8)
    codes[..., 3] = 255
    codes[10:20, 10:20, :3] = 130
    codes[30:40, 10:20, :3] = 125
    codes[10:20, 30:40] = (255, 255, 255, 100)
    codes[10:20, 50:60] = (255, 255, 255, 200)
    assert cv2.imwrite(str(tmp_path / "a.png"), codes)
    assert torch.equal(at(str(tmp_path / "a.png"), 0), box(10, 10, 20, 20) | box(50, 10, 60, 20))
    colours = Frame(torch.tensor([[0.9, 1.0], [0.9, 0.0], [0.0, 0.4]])[:, None], Fraction(0))
    assert white(colours).tolist() == [[True, False]]


@pytest.mark.parametrize(("rate", "size"), [(25, SIZE), (10, (24, 32)), (60, (96, 128))])
def test_of_a_video_of_any_size_and_rate_that_mask_counts_that_is_shown(tmp_path, rate, size):
    scale = size[0] / 48
    boxes = [[side * scale for side in (2 * n, 10, 2 * n + 10, 20)] for n in range(8)]
    path = video(tmp_path / "mask.mkv", [box(*sides, size) for sides in boxes], rate)
    found = masks_of(str(path))
    for n in range(25):
        shown = min(n * rate // 25, 7)
        assert torch.equal(found.at(Fraction(n, 25)), box(2 * shown, 10, 2 * shown + 10, 20)), n
    assert torch.equal(found.at(Fraction(0)), box(0, 10, 10, 20))  # and back again


def test_a_video_with_a_time_is_its_mask_at_that_second(tmp_path):
    path = video(tmp_path / "mask.mkv", [box(5 * n, 10, 5 * n + 10, 20) for n in range(10)], 10)
    for second in (0, 0.4, 0.9):
        assert torch.equal(at(f"{path}@0.4", second), box(20, 10, 30, 20))
    assert torch.equal(at(f"{path}@0;{path}@0.8", 0.4), box(20, 10, 30, 20))


def test_a_video_and_a_shape_add_up_frame_by_frame(tmp_path):
    path = video(tmp_path / "mask.mkv", [box(5 * n, 10, 5 * n + 10, 20) for n in range(10)])
    found = masks_of(f"{path};box:0,40,64,48")
    for n in range(10):
        assert torch.equal(found.at(Fraction(n, 25)), box(5 * n, 10, 5 * n + 10, 20) | box(0, 40, 64, 48))


def test_a_span_begins_with_its_first_second_and_ends_before_its_last():
    found = masks_of(Region.parse("box:10,10,30,20", start=0.4, stop=0.8))
    assert [n for n in range(50) if found.at(Fraction(n, 25)).any()] == list(range(10, 20))
    open_ended = masks_of(Region.parse("box:10,10,30,20", start=0.4))
    assert [n for n in range(50) if open_ended.at(Fraction(n, 25)).any()] == list(range(10, 50))


def test_outside_of_its_span_an_inverted_region_is_empty_as_well():
    region = Region.parse("box:10,10,30,20", inverted=True, start=0.4)
    assert torch.equal(at(region, 0.4), ~box(10, 10, 30, 20)) and not at(region, 0.3).any()


def test_first_the_form_then_the_growth_then_the_rest():
    bent = "box:10,10,14,30;box:10,26,30,30"
    bounds_HW = box(10, 10, 30, 30)
    assert torch.equal(at(Region.parse(bent, form="box"), 0), bounds_HW)
    assert torch.equal(at(Region.parse(bent, form="box", growth=3), 0), masks.grown(bounds_HW, 3))
    assert torch.equal(at(Region.parse(bent, form="box", growth=-3), 0), box(13, 13, 27, 27))
    assert torch.equal(at(Region.parse(bent, growth=2, inverted=True), 0), ~masks.grown(at(bent, 0), 2))
    hull_HW = at(Region.parse(bent).hull(), 0)
    assert torch.equal(hull_HW, masks.hull(at(bent, 0))) and at(bent, 0).sum() < hull_HW.sum() < bounds_HW.sum()


def test_an_empty_region_is_refused(tmp_path):
    black = still(tmp_path / "black.png", box(0, 0, 0, 0))
    dark = video(tmp_path / "dark.mkv", [box(0, 0, 0, 0)] * 5)
    for region in (
        "box:100,100,200,200",
        "ellipse:10,10,0,5",
        str(black),
        f"{black}@1",
        str(dark),
        Region.parse("box:10,10,20,20", growth=-20),
        Region.parse("all", inverted=True),
        Region.parse("box:10,10,20,20", start=1, stop=1),
        Region.parse("box:10,10,20,20", start=2),
        Region.parse("box:10,10,20,20@0.5", start=7),
    ):
        assert refused(region) == "the region is empty in 64x48, up to 2.00 s"


def test_a_region_that_is_everything_is_refused_unless_that_is_said(tmp_path):
    bright = still(tmp_path / "white.png", box(0, 0, 64, 48))
    for region in (
        "box:-5,-5,100,100",
        "box:0,0,64,48@1",
        str(bright),
        Region.parse("box:10,10,20,20", growth=90),
        Region.parse("box:200,10,220,20", inverted=True),
    ):
        assert refused(region) == "the region is all of every frame"
    for region in ("all", Region.parse("all", start=0.5, stop=1), "all@0;box:10,10,20,20@1"):
        accepted(region)


def test_a_region_that_is_there_for_a_moment_is_accepted(tmp_path):
    empty_HW = box(0, 0, 0, 0)
    short = [*[empty_HW] * 16, box(5, 5, 9, 9), *[empty_HW] * 24]
    accepted(str(video(tmp_path / "short.mkv", short)))
    accepted(str(video(tmp_path / "late.mkv", [*[box(0, 0, 64, 48)] * 20, box(5, 5, 9, 9), empty_HW])))
    late = Region.mask(video(tmp_path / "first.mkv", [box(5, 5, 9, 9), *[empty_HW] * 20]))
    accepted(late)
    assert "empty" in refused(
        str(video(tmp_path / "over.mkv", [*[empty_HW] * 60, box(5, 5, 9, 9)]))
    )  # the end is at 2 s
    assert "empty" in refused(late.model_copy(update={"start": 0.1}))


def test_a_key_outside_of_the_span_says_what_is_in_it():
    accepted(Region.parse("box:10,10,20,20@0.5", start=1, stop=1.5))
    accepted(Region.parse("box:10,10,20,20@0.5", tracked=True, start=1))


def test_masks_that_cannot_be_read_are_named(tmp_path):
    (tmp_path / "a.png").write_bytes(b"no picture")
    for path in (tmp_path / "a.png", tmp_path / "gone.mkv"):
        with pytest.raises(BadInput, match=path.name):
            accepted(str(path))
        with pytest.raises(BadInput, match=path.name):
            at(str(path), 0)
