"""Glimpses are successive frames from all over a file, with the quantiser that they were coded by."""

from __future__ import annotations

from fractions import Fraction

import pytest
import torch

import media
from vidwright.core.errors import BadInput
from vidwright.io import glimpse as module
from vidwright.io import open_video
from vidwright.io.glimpse import FRAMES, glimpses


def numbers(seen: list[module.Glimpse]) -> list[list[int]]:
    return [[media.read_barcode(frame.data) for frame in each.frames] for each in seen]


@pytest.mark.parametrize("name", ["in.mp4", "in.mkv", "in.ts"])
def test_they_are_spread_over_the_file(tmp_path, name):
    seen = numbers(list(glimpses(media.clip(tmp_path / name, frames=200))))
    assert [each[0] // 50 for each in seen] == [0, 1, 2, 3]
    assert all(each == list(range(each[0], each[0] + FRAMES)) for each in seen)


def test_a_far_key_frame_is_not_waited_for(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "APPROACH", 10)
    source = media.clip(tmp_path / "in.mp4", frames=80, options={"g": "300", "x264-params": "scenecut=0"})
    assert [each[0] for each in numbers(list(glimpses(source)))] == [10, 10, 10, 10]


@pytest.mark.parametrize(("frames", "wanted"), [(1, [1] * 4), (9, [8, 6, 4, 2])])
def test_short_files_give_what_there_is(tmp_path, frames, wanted):
    seen = list(glimpses(media.clip(tmp_path / "in.mp4", frames=frames)))
    assert len(seen) == 4 and all(0 < len(each.frames) <= most for each, most in zip(seen, wanted, strict=True))


def test_what_cannot_be_sought_in_is_seen_from_its_beginning(tmp_path):
    source = media.clip(tmp_path / "in.h264", frames=30, container="h264")
    assert numbers(list(glimpses(source)))[0] == list(range(FRAMES))


def test_frames_are_upright_and_cut_to_their_middle(tmp_path, monkeypatch):
    source = media.clip(tmp_path / "in.mp4", frames=9, size=(64, 112), rotation=90)
    whole = [frame.data for frame in open_video(source)]
    (first,) = numbers(list(glimpses(source))[:1])
    for number, frame in zip(first, next(iter(glimpses(source))).frames, strict=True):
        assert torch.equal(frame.data, whole[number])
    monkeypatch.setattr(module, "WINDOW", (48, 40))
    for number, frame in zip(first, next(iter(glimpses(source))).frames, strict=True):
        assert torch.equal(frame.data, whole[number][:, 32:80, :40])  # from the row and column of a whole block


@pytest.mark.parametrize(
    ("codec", "options", "low", "high"),
    [
        ("libx264", {"x264-params": "qp=20:ipratio=1:pbratio=1"}, 20, 20),
        ("libx264", {"x264-params": "qp=40:ipratio=1:pbratio=1"}, 40, 40),
        ("mpeg4", {"qmin": "8", "qmax": "8"}, 28, 28),  # a step of 16 is QP 28
        ("mpeg2video", {"qmin": "16", "qmax": "16"}, 34, 34),
    ],
)
def test_the_quantiser_is_the_encoders(tmp_path, codec, options, low, high):
    source = media.clip(tmp_path / "in.mkv", frames=24, codec=codec, options=options)
    for each in glimpses(source):
        assert each.quantiser is not None and low <= each.quantiser <= high


def test_lossless_files_have_no_quantiser_and_ten_bits_are_read(tmp_path):
    source = media.clip(tmp_path / "in.mkv", frames=9, codec="ffv1", pix_fmt="yuv420p10le", rate=Fraction(30))
    seen = list(glimpses(source))
    assert seen and all(each.quantiser is None for each in seen)


def test_what_is_no_video_is_refused(tmp_path):
    (tmp_path / "in.mp4").write_text("only words")
    with pytest.raises(BadInput):
        list(glimpses(tmp_path / "in.mp4"))
    with pytest.raises(BadInput, match="above the limit"):
        list(glimpses(media.clip(tmp_path / "large.mp4", frames=2), max_pixels=1000))
