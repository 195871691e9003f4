"""What is written is what was given: every frame, time, colour and property, in each codec and container."""

from __future__ import annotations

import os
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import pytest
import torch

import media
from vidwright.core import Colour, Hdr10, Streams, VideoInfo
from vidwright.core.errors import JobFailed, OutputExists, UsageError
from vidwright.io import open_video, probe, save_video
from vidwright.io.codecs import CODECS, EncoderSettings
from vidwright.io.writer import encode_segment, segment_suffix
from writing import furthest, numbered, numbers, packets, times

FAST = {"h264": "ultrafast", "hevc": "ultrafast", "av1": "ultrafast"}
PAIRS = [(codec, container) for codec, row in CODECS.items() for container in row.containers]
HDR = Hdr10(((0.68, 0.32), (0.265, 0.69), (0.15, 0.06), (0.3127, 0.329)), (0.005, 1000.0), (1000, 400))


def options(codec: str) -> dict[str, str]:
    return {"codec": codec, "preset": FAST.get(codec, "medium")}


def half_a_tick(container: str) -> Fraction:
    return Fraction(1, 2000) if container in ("mkv", "webm") else Fraction(1, 20000)


@pytest.mark.parametrize(("codec", "container"), PAIRS)
def test_frames_times_and_tags_come_back(tmp_path, codec, container):
    tags = Colour(primaries=9, transfer=14, matrix=9, full_range=False)
    rate = Fraction(24000, 1001)
    shape = Fraction(4, 3) if container in ("mp4", "mov") or codec in ("h264", "hevc") else Fraction(1)
    video = numbered(9, rate=rate, colour=tags, sample_aspect=shape)
    report = save_video(video, tmp_path / f"out.{container}", **options(codec))
    assert (report.frames, report.warnings) == (9, ())
    assert report.bytes == report.output.stat().st_size
    assert numbers(report.output) == list(range(9))
    assert furthest(report.output, [n / rate for n in range(9)]) <= half_a_tick(container)
    seen = probe(report.output).info
    assert (seen.width, seen.height, seen.sample_aspect) == (64, 48, shape)
    assert (seen.colour.primaries, seen.colour.transfer, seen.colour.matrix) == (9, 14, 9)
    assert seen.colour.full_range in ((False, None) if codec == "prores" else (False,))


@pytest.mark.parametrize(("codec", "container"), PAIRS)
def test_variable_frame_times_come_back(tmp_path, codec, container):
    moments = [Fraction(n, 24000) for n in (0, 1001, 1500, 4000, 4200, 30000, 30001 + 1000, 40000)]
    video = numbered(8, times=moments, time_base=Fraction(1, 24000))
    report = save_video(video, tmp_path / f"out.{container}", **options(codec))
    assert numbers(report.output) == list(range(8))
    assert furthest(report.output, moments) <= half_a_tick(container)


@pytest.mark.parametrize("codec", ["h264", "hevc", "av1", "prores"])
def test_the_last_frame_keeps_its_duration(tmp_path, codec):
    video = numbered(4, rate=Fraction(2), times=[Fraction(0), Fraction(1, 10), Fraction(1, 5), Fraction(1)])
    path = save_video(video, tmp_path / ("out.mov" if codec == "prores" else "out.mp4"), **options(codec)).output
    with av.open(str(path)) as source:
        stream = source.streams.video[0]
        assert abs(stream.duration * stream.time_base - Fraction(3, 2)) <= Fraction(1, 1000)


@pytest.mark.parametrize("codec", list(CODECS))
def test_an_offset_of_the_first_frame_is_kept(tmp_path, codec):
    moments = [Fraction(3) + Fraction(n, 25) for n in range(4)]
    path = tmp_path / f"out.{CODECS[codec].containers[0]}"
    save_video(numbered(4, times=moments), path, **options(codec))
    assert times(path) == moments


@pytest.mark.parametrize("codec", list(CODECS))
def test_ten_bits_in_ten_bits_out(tmp_path, codec):
    path = tmp_path / f"out.{CODECS[codec].containers[0]}"
    save_video(numbered(3, pixel_format="yuv420p10le"), path, **options(codec))
    assert probe(path).info.colour.bits == 10


@pytest.mark.parametrize("codec", ["ffv1", "prores"])
def test_alpha_is_kept(tmp_path, codec):
    path = tmp_path / f"out.{CODECS[codec].containers[0]}"
    video = numbered(3, pixel_format="yuva444p", alpha=True)
    assert save_video(video, path, codec=codec).warnings == ()
    for written, read in zip(video, open_video(path), strict=True):
        assert read.data.shape[0] == 4
        assert (written.data[3] - read.data[3]).abs().max() < 2 / 255


def test_alpha_that_the_codec_lacks_is_named_and_colour_is_unchanged(tmp_path):
    video = numbered(3, pixel_format="yuva444p", alpha=True)
    report = save_video(video, tmp_path / "out.mp4", crf=1, pixel_format=None)
    assert any("transparency" in warning for warning in report.warnings)
    for written, read in zip(video, open_video(report.output), strict=True):
        assert (written.data[:3] - read.data).abs().mean() < 3 / 255


@pytest.mark.parametrize("codec", list(CODECS))
@pytest.mark.parametrize("size", [(65, 47), (67, 34), (64, 33)])
def test_odd_sizes_come_out_exact(tmp_path, codec, size):
    path = tmp_path / f"out.{CODECS[codec].containers[0]}"
    report = save_video(numbered(3, size), path, **options(codec))
    assert (probe(path).info.width, probe(path).info.height) == size
    assert numbers(path) == [0, 1, 2]
    assert bool(report.warnings) == (codec in ("h264", "hevc"))


@pytest.mark.parametrize(("codec", "size"), [("h264", (1, 1)), ("h264", (2, 2)), ("ffv1", (1, 1)), ("prores", (2, 2))])
def test_the_smallest_pictures_come_out_exact(tmp_path, codec, size):
    path = tmp_path / f"out.{CODECS[codec].containers[0]}"
    save_video(numbered(2, size), path, codec=codec)
    assert [frame.shape[:0:-1] for frame in media.decoded(path)] == [size] * 2


@pytest.mark.parametrize(("codec", "size"), [("hevc", (34, 34)), ("hevc", (64, 8)), ("av1", (2, 2))])
def test_pictures_too_small_for_a_codec_are_refused(tmp_path, codec, size):
    with pytest.raises(JobFailed, match="is too small"):
        save_video(numbered(2, size), tmp_path / "out.mp4", codec=codec)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("count", [1, 2, 3])
@pytest.mark.parametrize("codec", ["h264", "hevc"])
def test_very_short_videos(tmp_path, codec, count):
    """x265 invents decode times for fewer than three frames, so this is tried often."""
    for _ in range(10):
        save_video(numbered(count), tmp_path / "out.mp4", overwrite=True, **options(codec))
        assert times(tmp_path / "out.mp4") == [Fraction(n, 25) for n in range(count)]


@pytest.mark.parametrize("codec", ["h264", "hevc", "av1"])
def test_hdr10_is_written(tmp_path, codec):
    tags = Colour(primaries=9, transfer=16, matrix=9, full_range=False, bits=10)
    video = numbered(3, colour=tags, pixel_format="yuv420p10le", hdr=HDR)
    seen = probe(save_video(video, tmp_path / "out.mp4", **options(codec)).output).info
    assert seen.colour == tags
    assert seen.hdr is not None and seen.hdr.light_level == (1000, 400)
    for found, given in zip(seen.hdr.chromaticities, HDR.chromaticities, strict=True):
        assert found == pytest.approx(given, abs=2e-4)
    assert seen.hdr.luminance == pytest.approx(HDR.luminance, rel=0.03)


def test_hdr10_that_the_codec_lacks_is_named(tmp_path):
    report = save_video(numbered(2, hdr=HDR, pixel_format="yuv422p10le"), tmp_path / "out.mov", codec="prores")
    assert any("HDR10" in warning for warning in report.warnings)


@pytest.mark.parametrize(("codec", "container"), [("av1", "webm"), ("ffv1", "mkv"), ("prores", "mkv")])
def test_a_pixel_shape_that_the_container_lacks_is_named(tmp_path, codec, container):
    video = numbered(2, sample_aspect=Fraction(4, 3), pixel_format="yuv420p")
    report = save_video(video, tmp_path / f"out.{container}", **options(codec))
    assert any("pixel shape 4:3" in warning for warning in report.warnings)


def test_full_range_stays_full(tmp_path):
    full = Colour(1, 1, 1, True)
    video = numbered(2, colour=full)
    for codec in ("h264", "hevc", "av1", "ffv1"):
        path = tmp_path / f"{codec}.{CODECS[codec].containers[0]}"
        save_video(video, path, **options(codec))
        assert probe(path).info.colour.full_range is True
        worst = max((a.data - b.data).abs().mean() for a, b in zip(video, open_video(path), strict=True))
        assert worst < 6 / 255


def test_untagged_pictures_become_tagged(tmp_path):
    for size, expected in (((64, 48), 6), ((1280, 16), 1)):
        path = tmp_path / f"{size[0]}.mp4"
        save_video(numbered(2, size), path)
        assert probe(path).info.colour.matrix == expected


def test_ffv1_is_exact_to_half_a_code(tmp_path):
    video = numbered(2, pixel_format="yuv444p10le", colour=Colour(1, 1, 1, False))
    path = save_video(video, tmp_path / "out.mkv", codec="ffv1").output
    for written, read in zip(video, open_video(path), strict=True):
        assert (written.data - read.data).abs().max() <= 0.5 / 255


@pytest.mark.parametrize("codec", ["h264", "hevc", "av1"])
def test_the_same_frames_give_the_same_packets(tmp_path, codec):
    first, second = (
        packets(save_video(numbered(30), tmp_path / name, **options(codec)).output, "video")
        for name in ("a.mp4", "b.mp4")
    )
    assert first == second and len(first) == 30


def test_interlaced_sources_are_named(tmp_path):
    report = save_video(numbered(2, field_order="top"), tmp_path / "out.mp4")
    assert any("interlaced" in warning for warning in report.warnings)


def test_frame_times_that_do_not_rise_are_moved_and_counted(tmp_path):
    moments = [Fraction(n, 25) for n in (0, 1, 1, 2, 3)]
    report = save_video(numbered(5, times=moments), tmp_path / "out.mp4")
    assert numbers(report.output) == list(range(5))
    assert furthest(report.output, moments) <= Fraction(1, 1000)
    assert any("1 frames were moved" in warning for warning in report.warnings)


def test_progress_is_told_after_each_frame(tmp_path):
    told: list[int] = []
    save_video(numbered(5), tmp_path / "out.mp4", progress=told.append)
    assert told == [1, 2, 3, 4, 5]


def test_a_trimmed_video_begins_at_zero(tmp_path):
    source = media.clip(tmp_path / "in.mp4", frames=20)
    video = open_video(source, start=Fraction(2, 5), stop=Fraction(3, 5))
    path = save_video(video, tmp_path / "out.mp4").output
    assert numbers(path) == list(range(10, 15))
    assert times(path) == [Fraction(n, 25) for n in range(5)]


def test_a_video_without_frames_leaves_nothing_behind(tmp_path):
    with pytest.raises(JobFailed, match="no frame"):
        save_video(numbered(0), tmp_path / "out.mp4")
    assert list(tmp_path.iterdir()) == []


def test_a_frame_of_another_size_ends_the_work_cleanly(tmp_path):
    video = numbered(4)
    frames = [replace(frame, data=frame.data[:, : 48 - 2 * (n == 2)]) for n, frame in enumerate(video)]
    with pytest.raises(JobFailed, match="64x48 to 64x46"):
        save_video(replace(video, frames=lambda: iter(frames)), tmp_path / "out.mp4")
    assert list(tmp_path.iterdir()) == []


def test_an_error_of_the_source_passes_and_the_old_file_stays(tmp_path):
    (tmp_path / "out.mp4").write_bytes(b"old")

    def frames():
        yield next(iter(numbered(1)))
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        save_video(replace(numbered(1), frames=frames), tmp_path / "out.mp4", overwrite=True)
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("out.mp4", b"old")]


def never():
    raise AssertionError("a frame was asked for")


def test_an_existing_file_is_refused_before_the_first_frame(tmp_path):
    (tmp_path / "out.mp4").write_bytes(b"old")
    with pytest.raises(OutputExists):
        save_video(replace(numbered(1), frames=never), tmp_path / "out.mp4")
    assert (tmp_path / "out.mp4").read_bytes() == b"old"


@pytest.mark.parametrize("way", ["same", "symlink", "hardlink"])
def test_the_input_is_never_the_output(tmp_path, way):
    source = media.clip(tmp_path / "in.mp4", frames=2)
    before = source.read_bytes()
    target = source if way == "same" else tmp_path / "out.mp4"
    if way == "symlink":
        target.symlink_to(source)
    if way == "hardlink":
        os.link(source, target)
    with pytest.raises(UsageError, match="input itself"):
        save_video(replace(open_video(source), frames=never), target, overwrite=True)
    assert source.read_bytes() == before


@pytest.mark.parametrize("way", ["missing", "file", "folder"])
def test_a_folder_that_cannot_be_written_is_refused_before_the_first_frame(tmp_path, way):
    (tmp_path / "file").write_bytes(b"")
    (tmp_path / "folder.mp4").mkdir()
    target = {"missing": "none/out.mp4", "file": "file/out.mp4", "folder": "folder.mp4"}[way]
    with pytest.raises((JobFailed, UsageError)) as error:
        save_video(replace(numbered(1), frames=never), tmp_path / target, overwrite=True)
    assert len(str(error.value).splitlines()) == 3


def test_unknown_options_are_named_with_the_known(tmp_path):
    with pytest.raises(UsageError, match="crf, lossless, pixel_format, preset, threads"):
        save_video(numbered(1), tmp_path / "out.mp4", bitrate=5)


def test_segments_begin_at_zero_whatever_their_place(tmp_path):
    settings = EncoderSettings(preset="ultrafast")
    path = tmp_path / f"0001{segment_suffix(settings)}"
    video = numbered(10)
    made = encode_segment(list(video)[4:], video.info, path, settings)
    assert (made.frames, made.bytes) == (6, path.stat().st_size)
    assert numbers(path) == list(range(4, 10))
    assert times(path) == [Fraction(n, 25) for n in range(6)]


def test_names_of_any_kind(tmp_path):
    for name in (
        "12:30 show.mp4",
        "-o.mp4",
        "a%03d.mp4",
        "ü 影.mp4",
        "q\"u'o.mp4",
        "new\nline.mp4",
        "影" * 70 + ".mp4",
    ):
        assert numbers(save_video(numbered(1), tmp_path / name).output) == [0]


def test_pixels_are_not_clipped_by_passing_through(tmp_path):
    """Values outside [0, 1] are legal in a frame, and the file holds the nearest code."""
    video = numbered(1)
    frame = next(iter(video))
    hot = replace(video, frames=lambda: iter([frame.with_data(torch.full((3, 48, 64), 1.5))]))
    image = next(media.decoded(save_video(hot, tmp_path / "out.mkv", codec="ffv1").output))
    assert image.min() >= 254 / 255


def test_streams_without_carry_are_left_behind(tmp_path):
    source = media.clip(tmp_path / "in.mp4", frames=3, audio=1)
    report = save_video(open_video(source), tmp_path / "out.mp4", carry=False)
    with av.open(str(report.output)) as output:
        assert [stream.type for stream in output.streams] == ["video"]
    assert report.warnings == ()


def test_relative_paths(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    save_video(numbered(1, streams=Streams(Path("none.mp4"))), "out.mp4", carry=False)
    assert numbers(tmp_path / "out.mp4") == [0]


def test_h264_gives_the_same_bytes_run_after_run(tmp_path):
    """x264's AVX-512 macroblock tree did not: 19 results in 60 runs at this size."""
    frames = list(numbered(30, (480, 272)))
    info = VideoInfo(480, 272, Fraction(25), Fraction(1, 25))
    made = set()
    for _ in range(12):
        encode_segment(frames, info, tmp_path / "s.mp4", EncoderSettings(preset="veryfast"))
        made.add((tmp_path / "s.mp4").read_bytes())
    assert len(made) == 1


def test_the_last_frame_lasts_although_its_decoder_does_not_say_so(tmp_path):
    """A decoder that is drained gives no durations: the file was one frame too short."""
    source = media.clip(tmp_path / "a.mp4", 30)
    assert list(open_video(source))[-1].duration is None
    save_video(open_video(source), tmp_path / "b.mp4")
    assert probe(tmp_path / "b.mp4").info.duration == probe(source).info.duration == Fraction(30, 25)
    assert probe(tmp_path / "b.mp4").info.rate == 25
