"""Segments joined by stream copy are the video: each frame once, in order, on time."""

from __future__ import annotations

import shutil
from fractions import Fraction
from pathlib import Path

import av
import pytest

import media
from vidwright.core import Video
from vidwright.core.errors import JobFailed, OutputExists, UsageError
from vidwright.io import open_video, probe
from vidwright.io.codecs import CODECS, EncoderSettings
from vidwright.io.join import SegmentPart, join
from vidwright.io.writer import encode_segment, segment_suffix
from writing import furthest, numbered, numbers, packets, times

PAIRS = [(codec, container) for codec, row in CODECS.items() for container in row.containers]
UNEVEN = [Fraction(0)]
for number in range(39):
    UNEVEN.append(UNEVEN[-1] + Fraction([1001, 3003, 2002, 500][number % 4], 24000))


def cut_up(video: Video, folder: Path, settings: EncoderSettings, cuts=(0, 13, 14, 16, 30)) -> list[SegmentPart]:
    frames = list(video)
    parts = []
    for begin, end in zip(cuts, (*cuts[1:], len(frames)), strict=True):
        path = folder / f"{begin:04d}{segment_suffix(settings)}"
        encode_segment(frames[begin:end], video.info, path, settings)
        parts.append(SegmentPart(path, frames[begin].time))
    return parts


@pytest.mark.parametrize(("codec", "container"), PAIRS)
@pytest.mark.parametrize("moments", [None, UNEVEN], ids=["constant", "variable"])
def test_every_frame_once_in_order_on_time(tmp_path, codec, container, moments):
    rate = Fraction(24000, 1001)
    video = numbered(40, rate=rate, times=moments, time_base=Fraction(1, 24000) if moments else 1 / rate)
    settings = EncoderSettings(codec)
    parts = cut_up(video, tmp_path, settings)
    target = tmp_path / f"out.{container}"
    report = join(parts, None, target, info=video.info, settings=settings)
    assert (report.frames, report.warnings) == (40, ())
    assert numbers(target) == list(range(40))
    in_ticks = Fraction(1, 1000) if container in ("mkv", "webm") else Fraction(1, 48000)
    assert furthest(target, [frame.time for frame in video]) <= in_ticks


@pytest.mark.parametrize("container", ["mkv", "mp4"])
def test_the_tick_of_an_encoder_is_not_taken_for_a_rate(tmp_path, container):
    video = numbered(30, rate=Fraction(30000, 1001), time_base=Fraction(1, 30000))
    settings, target = EncoderSettings("h264"), tmp_path / f"out.{container}"
    join(cut_up(video, tmp_path, settings, cuts=(0, 13)), None, target, info=video.info, settings=settings)
    assert probe(target).info.rate == pytest.approx(Fraction(30000, 1001), rel=1e-3)


@pytest.mark.parametrize("codec", ["h264", "hevc"])
def test_b_frames_are_there_to_be_joined(tmp_path, codec):
    """Else the test above would prove nothing."""
    video = numbered(40)
    path = cut_up(video, tmp_path, EncoderSettings(codec))[0].path
    with av.open(str(path)) as source:
        shown = [packet.pts for packet in source.demux(source.streams.video[0]) if packet.size]
    assert shown != sorted(shown)


def test_the_join_is_the_whole_file_with_everything_carried(tmp_path):
    source = media.clip(tmp_path / "in.mkv", 40, audio=2, subtitles=True, chapters=2, attachment=True)
    video, settings = open_video(source), EncoderSettings()
    parts = cut_up(video, tmp_path, settings)
    for container in ("mkv", "mp4"):
        target = tmp_path / f"out.{container}"
        report = join(parts, video.streams, target, info=video.info, settings=settings)
        assert numbers(target) == list(range(40))
        assert [digest for _, digest in packets(target, "audio")] == [digest for _, digest in packets(source, "audio")]
        before = packets(source, "audio")[0][0] - times(source)[0]
        assert abs(packets(target, "audio")[0][0] - times(target)[0] - before) <= Fraction(1, 1000)
        assert probe(target).streams.chapters == 2
        assert bool(report.warnings) == (container == "mp4")


def test_colour_and_pixel_shape_pass_through(tmp_path):
    video, settings = numbered(20, sample_aspect=Fraction(4, 3)), EncoderSettings()
    target = tmp_path / "out.mp4"
    join(cut_up(video, tmp_path, settings, (0, 10)), None, target, info=video.info, settings=settings)
    seen = probe(target).info
    assert (seen.sample_aspect, seen.colour.matrix, seen.colour.full_range) == (Fraction(4, 3), 6, False)


def test_a_trimmed_join_begins_at_zero(tmp_path):
    source = media.clip(tmp_path / "in.mp4", 30, audio=1)
    begin, end = Fraction(2, 5), Fraction(4, 5)
    video, settings = open_video(source, start=begin, stop=end), EncoderSettings()
    parts = [SegmentPart(part.path, part.start - begin) for part in cut_up(video, tmp_path, settings, (0, 4))]
    target = tmp_path / "out.mp4"
    join(parts, video.streams, target, info=video.info, settings=settings)
    assert numbers(target) == list(range(10, 20))
    assert times(target) == [Fraction(n, 25) for n in range(10)]
    assert Fraction(0) <= packets(target, "audio")[0][0] < Fraction(22, 1000)


@pytest.mark.parametrize("how", ["missing", "empty", "cut", "other size"])
def test_a_damaged_segment_is_named_and_the_old_file_stays(tmp_path, how):
    video, settings = numbered(20), EncoderSettings()
    parts = cut_up(video, tmp_path, settings, (0, 10))
    second = parts[1].path
    if how == "missing":
        second.unlink()
    if how == "empty":
        second.write_bytes(b"")
    if how == "cut":
        second.write_bytes(second.read_bytes()[:700])
    if how == "other size":
        other = numbered(10, (80, 48))
        encode_segment(other, other.info, second, settings)
    target = tmp_path / "out.mp4"
    shutil.copy(parts[0].path, target)
    before = target.read_bytes()
    with pytest.raises(JobFailed) as error:
        join(parts, None, target, info=video.info, settings=settings, overwrite=True)
    assert error.value.subject == str(second)
    assert target.read_bytes() == before
    assert not list(tmp_path.glob(".*.part"))


def test_the_rules_for_the_destination_hold_here_too(tmp_path):
    source = media.clip(tmp_path / "in.mp4", 3)
    video, settings = open_video(source), EncoderSettings()
    with pytest.raises(UsageError, match="input itself"):
        join([], video.streams, source, info=video.info, settings=settings, overwrite=True)
    with pytest.raises(OutputExists):
        join([], None, source, info=video.info, settings=settings)
    with pytest.raises(JobFailed, match="no frame"):
        join([], None, tmp_path / "out.mp4", info=video.info, settings=settings)
