"""The reader, the cursor, the scan and the probe on healthy clips of every kind."""

from __future__ import annotations

import time
from fractions import Fraction

import av
import numpy as np
import pytest
import torch

import media
import vidwright.io.decode as decode_room
from vidwright.core.colour import Colour
from vidwright.core.errors import BadInput
from vidwright.io import open_video, probe
from vidwright.io.cursor import Cursor
from vidwright.io.reader import Reader
from vidwright.io.scan import scan


def numbers(path) -> list[int]:
    return [media.read_barcode(frame.data) for frame in open_video(path)]


@pytest.mark.parametrize("length", [1, 2, 3, 4, 5, 6, 7, 8, 40])
def test_every_frame_once_and_in_order(tmp_path, length):
    path = media.clip(tmp_path / "a.mp4", length)
    assert numbers(path) == list(range(length))
    assert [frame.time for frame in open_video(path)] == [Fraction(n, 25) for n in range(length)]


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("a.mkv", {"codec": "libx265"}),
        ("a.mov", {"codec": "prores_ks", "pix_fmt": "yuv422p10le"}),
        ("a.mkv", {"codec": "ffv1", "pix_fmt": "yuv444p12le"}),
        ("a.webm", {"codec": "libvpx-vp9"}),
        ("a.gif", {"codec": "gif", "pix_fmt": "rgb8"}),
        ("a.ts", {"start": Fraction(1000), "audio": 1}),
        ("a.avi", {"audio": 1}),
        ("a.h264", {}),
        ("a.mkv", {"codec": "ffv1", "pix_fmt": "gray10le"}),
    ],
)
def test_codecs_and_containers(tmp_path, name, options):
    path = media.clip(tmp_path / name, 12, **options)
    assert numbers(path) == list(range(12))
    gaps = {after - before for before, after in zip(scan(path).times, scan(path).times[1:], strict=False)}
    assert gaps == {Fraction(1, 25)}


def test_pixels_are_those_that_ffmpeg_decodes(tmp_path):
    path = media.clip(tmp_path / "a.mp4", 3, pix_fmt="yuv444p", colour=Colour(1, 1, 1, False))
    for ours, theirs in zip(open_video(path), media.decoded(path), strict=True):
        assert np.abs(ours.data.clamp(0, 1).numpy() - theirs).max() <= 2 / 255


@pytest.mark.parametrize("rotation", [0, 90, 180, 270])
@pytest.mark.parametrize("name", ["a.mp4", "a.mkv"])
def test_pictures_come_upright(tmp_path, rotation, name):
    path = media.clip(tmp_path / name, 3, rotation=rotation, sar=Fraction(4, 3), size=(64, 48))
    info = probe(path).info
    assert (info.width, info.height, info.rotation) == (64, 48, rotation)
    assert info.sample_aspect == (Fraction(3, 4) if rotation % 180 else Fraction(4, 3))
    assert numbers(path) == [0, 1, 2]
    with Reader(path) as reader:
        planes = [picture.planes() for picture in reader]
    assert [media.read_barcode(p.y[None].float() / 255) for p in planes] == [0, 1, 2]
    assert planes[0].u is not None and tuple(planes[0].u.shape) == (24, 32)


@pytest.mark.parametrize(("rotation", "order"), [(0, "top"), (90, "progressive"), (180, "bottom")])
def test_fields_are_those_of_the_upright_picture(tmp_path, rotation, order):
    path = media.clip(tmp_path / "a.mp4", 2, size=(64, 64), interlaced=True, rotation=rotation)
    assert probe(path).info.field_order == order
    assert {frame.field_order for frame in open_video(path)} == {order}


def test_planes_of_a_turned_10_bit_picture(tmp_path):
    path = media.clip(tmp_path / "a.mkv", 1, codec="ffv1", pix_fmt="yuv420p10le", rotation=90)
    with Reader(path) as reader:
        planes = next(reader).planes()
    assert planes.y.dtype == torch.uint16
    assert media.read_barcode(planes.y[None].float() / 1023) == 0


def test_cuts_are_marked_on_the_first_frame_of_the_new_shot(tmp_path):
    path = media.clip(tmp_path / "a.mp4", 24, cuts=(7, 15))
    assert [n for n, frame in enumerate(open_video(path)) if frame.cut] == [7, 15]
    assert scan(path).cuts == (7, 15)
    assert scan(media.clip(tmp_path / "b.mp4", 24)).cuts == ()


def test_a_scan_knows_times(tmp_path):
    times = [Fraction(n, 100) for n in (0, 4, 10, 30, 35)]
    path = media.clip(tmp_path / "a.mkv", times=times)
    seen: list[int] = []
    result = scan(path, progress=seen.append)
    assert result.times == tuple(times)
    assert seen == [1, 2, 3, 4, 5]
    assert not result.damage


def test_start_and_stop_pick_frames_by_time(tmp_path):
    path = media.clip(tmp_path / "a.mp4", 20)
    video = open_video(path, start=Fraction(3, 25), stop=Fraction(7, 25))
    frames = list(video)
    assert [media.read_barcode(frame.data) for frame in frames] == [3, 4, 5, 6]
    assert [frame.time for frame in frames] == [Fraction(n, 25) for n in (3, 4, 5, 6)]
    assert video.info.length is None and video.info.duration == Fraction(4, 25)
    assert video.streams is not None and (video.streams.start, video.streams.stop) == (Fraction(3, 25), Fraction(7, 25))


def test_a_video_can_be_iterated_twice_and_left_early(tmp_path):
    video = open_video(media.clip(tmp_path / "a.mp4", 20))
    for _ in range(2):
        assert media.read_barcode(next(iter(video)).data) == 0
    assert len(list(video)) == 20


def test_a_cursor_gives_the_frames_of_a_fresh_read(tmp_path):
    path = media.clip(tmp_path / "a.mp4", 30, size=(96, 64), cuts=(9,))
    fresh = list(open_video(path))
    with Cursor(path, keep=6) as cursor:
        for start, stop in [(0, 8), (4, 14), (14, 20), (16, 24), (2, 5), (25, 40)]:
            got = list(cursor.read(start, stop))
            expected = fresh[start:stop]
            assert len(got) == len(expected)
            for ours, theirs in zip(got, expected, strict=True):
                assert torch.equal(ours.data, theirs.data)
                assert (ours.time, ours.cut) == (theirs.time, theirs.cut)


def test_a_cursor_goes_forward_on_one_decoder(tmp_path, monkeypatch):
    path = media.clip(tmp_path / "a.mp4", 30)
    opened: list[int] = []
    started = Reader.__init__

    def counting(self, *args, **options):
        opened.append(1)
        started(self, *args, **options)

    monkeypatch.setattr(Reader, "__init__", counting)
    with Cursor(path, keep=4) as cursor:
        for start in range(0, 24, 4):
            list(cursor.read(max(start - 2, 0), start + 6))
        assert len(opened) == 1
        list(cursor.read(0, 1))
        assert len(opened) == 2


def test_what_else_a_file_holds(tmp_path):
    path = media.clip(
        tmp_path / "a.mkv", audio=2, subtitles=True, chapters=3, attachment=True, metadata={"title": "a name"}
    )
    found = probe(path)
    assert found.container == "mkv" and found.bytes == path.stat().st_size
    assert [track.kind for track in found.streams.tracks] == ["audio", "audio", "subtitle", "attachment"]
    assert [track.language for track in found.streams.tracks[:2]] == ["eng", "deu"]
    assert found.streams.chapters == 3 and found.streams.metadata["title"] == "a name"
    assert found.info.codec == "h264"


def test_cover_art_is_a_track_and_not_the_picture(tmp_path):
    found = probe(media.clip(tmp_path / "a.mp4", cover=True, audio=1))
    assert found.info.codec == "h264" and (found.info.width, found.info.height) == (64, 48)
    assert "cover" in [track.kind for track in found.streams.tracks]


def test_the_larger_of_two_videos_is_the_main_one(tmp_path):
    found = probe(media.clip(tmp_path / "a.mkv", second_video=True))
    assert (found.info.width, found.info.height) == (64, 48)
    assert [track.kind for track in found.streams.tracks] == ["video"]


def test_hdr10_is_found_whether_or_not_the_container_tells(tmp_path):
    for name in ("a.mkv", "a.mp4"):
        info = probe(media.clip(tmp_path / name, 2, hdr10=True)).info
        assert info.colour == media.HDR10 and info.colour.is_hdr
        assert info.hdr is not None
        assert info.hdr.chromaticities == ((0.68, 0.32), (0.265, 0.69), (0.15, 0.06), (0.3127, 0.329))
        assert info.hdr.luminance == (0.005, 1000.0) and info.hdr.light_level == (1000, 400)


def test_field_order_alpha_range_and_tags(tmp_path):
    for bottom_first, order in ((False, "top"), (True, "bottom")):
        path = media.clip(tmp_path / "i.mp4", 3, interlaced=True, bottom_first=bottom_first, size=(64, 64))
        assert probe(path).info.field_order == order
        assert [frame.field_order for frame in open_video(path)] == [order] * 3
    assert probe(media.clip(tmp_path / "p.mp4", 2)).info.field_order == "progressive"
    full = probe(media.clip(tmp_path / "f.mp4", 2, colour=Colour(1, 1, 1, True))).info
    assert full.colour == Colour(1, 1, 1, True)
    for name, codec, pix_fmt in [
        ("a.webm", "libvpx-vp9", "yuva420p"),
        ("a.mov", "png", "rgba"),
        ("a.mkv", "ffv1", "yuva420p"),
    ]:
        path = media.clip(tmp_path / name, 2, codec=codec, pix_fmt=pix_fmt)
        assert probe(path).info.alpha
        alpha = next(iter(open_video(path))).data[3]
        assert alpha[:, 0].mean() < 0.35 and alpha[:, -1].mean() > 0.9


def test_a_size_that_changes_on_the_way_is_scaled_and_told(tmp_path):
    first = media.clip(tmp_path / "1.h264", 4, size=(64, 48))
    second = media.clip(tmp_path / "2.h264", 4, size=(96, 80))
    path = tmp_path / "both.h264"
    path.write_bytes(first.read_bytes() + second.read_bytes())
    with Reader(path) as reader:
        frames = [picture.frame() for picture in reader]
        assert {frame.data.shape for frame in frames} == {(3, 48, 64)}
        assert [media.read_barcode(frame.data) for frame in frames] == [0, 1, 2, 3, 0, 1, 2, 3]
        assert any("96x80" in warning and "4 frames" in warning for warning in reader.warnings)


def test_a_decoder_that_hangs_is_an_error_and_not_a_hang(tmp_path, monkeypatch):
    path = media.clip(tmp_path / "a.mp4", 5)

    def stuck(decoder, packet):
        time.sleep(3)
        return []

    monkeypatch.setattr(decode_room, "_feed", stuck)
    begin = time.monotonic()
    with Reader(path, patience=0.2) as reader, pytest.raises(BadInput, match="no picture and no error for"):
        next(reader)
    assert time.monotonic() - begin < 2


def test_reading_never_opens_the_log_callback(tmp_path):
    """Any level makes PyAV log through Python, which deadlocked threaded decoding of damaged files."""
    list(open_video(media.clip(tmp_path / "a.mp4", 2)))
    assert av.logging.get_level() is None


def test_the_decoder_waits_for_the_consumer(tmp_path, monkeypatch):
    """Memory does not grow with length: only a few packets are decoded ahead of the pictures that were taken."""
    path = media.clip(tmp_path / "a.mp4", 200, size=(16, 16))
    fed: list[int] = []
    feed = decode_room._feed

    def counting(decoder, packet):
        fed.append(1)
        return feed(decoder, packet)

    monkeypatch.setattr(decode_room, "_feed", counting)
    with Reader(path) as reader:
        next(reader)
        time.sleep(0.3)
        assert len(fed) < 40
        assert sum(1 for _ in reader) == 199
