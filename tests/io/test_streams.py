"""Everything but the picture is carried, or named in a warning."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from av.stream import Disposition

import media
from vidwright.core import Streams, Track
from vidwright.io import open_video, probe, save_video
from vidwright.io.packets import rising
from vidwright.io.streams import holds, plan_streams
from writing import numbers, packets, times

TARGETS = [("h264", "mp4"), ("h264", "mkv"), ("h264", "mov"), ("av1", "webm")]


@pytest.fixture(scope="module")
def rich(tmp_path_factory) -> Path:
    """A Matroska file with two sound tracks, subtitles, chapters, a font, a cover and tags."""
    everything = {"audio": 2, "subtitles": True, "chapters": 2, "attachment": True, "cover": True}
    tags = {"title": "Film", "artist": "Somebody", "x-own": "tag"}
    return media.clip(tmp_path_factory.mktemp("rich") / "rich.mkv", 25, metadata=tags, **everything)


@pytest.fixture(scope="module")
def plain(tmp_path_factory) -> Path:
    """An MP4 file with two sound tracks, chapters, a cover and tags."""
    tags = {"title": "Film", "artist": "Somebody"}
    path = tmp_path_factory.mktemp("plain") / "plain.mp4"
    return media.clip(path, 25, audio=2, chapters=2, cover=True, metadata=tags)


def save(source: Path, target: Path, codec: str = "h264"):
    return save_video(open_video(source), target, codec=codec, preset="ultrafast")


@pytest.mark.parametrize(("codec", "container"), TARGETS)
@pytest.mark.parametrize("origin", ["rich", "plain"])
def test_every_track_is_there_or_named(request, tmp_path, origin, codec, container):
    source = request.getfixturevalue(origin)
    before = probe(source).streams
    report = save(source, tmp_path / f"out.{container}", codec)
    after = probe(report.output).streams
    said = "\n".join(report.warnings)
    kinds = [track.kind for track in after.tracks]
    for kind in ("audio", "subtitle", "attachment", "cover"):
        had = sum(track.kind == kind for track in before.tracks)
        word = {"cover": "cover art", "subtitle": "subtitles"}.get(kind, kind)
        assert kinds.count(kind) == had or f"{word} (track" in said, kind
    languages = [track.language for track in after.tracks if track.kind == "audio"]
    assert languages == (["eng", "ger"] if container == "mov" else ["eng", "deu"])
    assert after.chapters == 2
    tags = {key.lower(): value for key, value in after.metadata.items()}
    assert (tags["title"], tags["artist"]) == ("Film", "Somebody")
    assert origin == "plain" or tags.get("x-own") == "tag" or "X-OWN" in said
    assert numbers(report.output) == list(range(25))


def test_what_matroska_can_hold_it_holds_without_a_warning(rich, plain, tmp_path):
    assert save(plain, tmp_path / "plain.mkv").warnings == ()
    with av.open(str(save(plain, tmp_path / "again.mkv").output)) as output:
        assert [each.type for each in output.streams] == ["video", "audio", "audio", "video"]
        assert output.streams[3].disposition & Disposition.attached_pic
        assert [each["metadata"]["title"] for each in output.chapters()] == ["part 0", "part 1"]


def test_fonts_are_the_same_bytes(rich, tmp_path):
    def font(path: Path) -> tuple[str, str, bytes]:
        with av.open(str(path)) as source:
            stream = next(each for each in source.streams if each.type == "attachment")
            return stream.name, stream.mimetype, stream.data

    assert font(save(rich, tmp_path / "out.mkv").output) == font(rich)


@pytest.mark.parametrize("origin", ["rich", "plain"])
@pytest.mark.parametrize("container", ["mp4", "mkv", "mov"])
@pytest.mark.parametrize("track", [0, 1])
def test_sound_is_copied_packet_by_packet_and_in_step(request, tmp_path, origin, container, track):
    source = request.getfixturevalue(origin)
    output = save(source, tmp_path / f"out.{container}").output
    before, after = packets(source, "audio", track), packets(output, "audio", track)
    assert [digest for _, digest in after] == [digest for _, digest in before]
    offset = before[0][0] - times(source)[0]
    assert abs((after[0][0] - times(output)[0]) - offset) <= Fraction(1, 1000)
    assert abs((after[-1][0] - after[0][0]) - (before[-1][0] - before[0][0])) <= Fraction(1, 1000)


@pytest.mark.parametrize("start", [Fraction(1000), Fraction(1, 3)])
def test_an_offset_between_sound_and_picture_is_kept(tmp_path, start):
    source = media.clip(tmp_path / "in.mkv", 10, audio=1, start=start)
    output = save(source, tmp_path / "out.mp4").output
    before, after = packets(source, "audio"), packets(output, "audio")
    assert abs((after[0][0] - times(output)[0]) - (before[0][0] - times(source)[0])) <= Fraction(1, 1000)


def loudness(path: Path, milliseconds: int = 10) -> tuple[Fraction, np.ndarray]:
    """The time of the first sample, and the envelope of the sound."""
    with av.open(str(path)) as source:
        frames = list(source.decode(audio=0))
        sound = np.concatenate([frame.to_ndarray().astype(np.float64).mean(axis=0) for frame in frames])
        rate, begin = frames[0].sample_rate, frames[0].pts * frames[0].time_base
    size = rate * milliseconds // 1000
    return begin, np.abs(sound[: len(sound) // size * size].reshape(-1, size)).mean(axis=1)


def test_sound_that_webm_lacks_is_encoded_again_in_step(plain, tmp_path):
    report = save(plain, tmp_path / "out.webm", "av1")
    assert any("re-encoded as opus" in warning for warning in report.warnings)
    (began, before), (begins, after) = loudness(plain), loudness(report.output)
    shift = (begins - times(report.output)[0]) - (began - times(plain)[0])
    assert abs(shift) <= Fraction(25, 1000)
    assert abs(len(after) - len(before)) <= 4


@pytest.mark.parametrize(("container", "expected"), [("mp4", "mov_text"), ("mov", "mov_text"), ("mkv", "srt")])
def test_subtitle_text_and_times_survive(rich, tmp_path, container, expected):
    output = save(rich, tmp_path / f"out.{container}").output
    with av.open(str(output)) as source:
        stream = source.streams.subtitles[0]
        assert stream.codec_context.name == expected
        found = [(packet.pts * packet.time_base, bytes(packet)) for packet in source.demux(stream) if packet.size > 2]
    assert [float(time) for time, _ in found] == [0.0, 0.24]
    assert [text for _, text in found if b"words" in text] == [text for _, text in found]
    assert b"first words" in found[0][1] and b"last words" in found[1][1]


def test_subtitles_go_to_webvtt_and_back(rich, tmp_path):
    webm = save(rich, tmp_path / "a.webm", "av1").output
    assert [track.codec for track in probe(webm).streams.tracks if track.kind == "subtitle"] == ["webvtt"]
    mp4 = save(webm, tmp_path / "b.mp4").output
    assert [track.codec for track in probe(mp4).streams.tracks if track.kind == "subtitle"] == ["mov_text"]


def test_a_trimmed_range_carries_only_its_own_sound_words_and_chapters(rich, tmp_path):
    video = open_video(rich, start=Fraction(1, 5), stop=Fraction(3, 5))
    output = save_video(video, tmp_path / "out.mkv", preset="ultrafast").output
    assert numbers(output) == list(range(5, 15))
    assert times(output)[0] == 0
    before, after = packets(rich, "audio"), packets(output, "audio")
    wanted = [(time - Fraction(1, 5), digest) for time, digest in before if Fraction(1, 5) <= time < Fraction(3, 5)]
    assert after == wanted and len(wanted) > 10
    assert [time for time, _ in packets(output, "subtitle")] == [Fraction(40, 1000)]
    with av.open(str(output)) as source:
        spans = [(each["start"] * each["time_base"], each["end"] * each["time_base"]) for each in source.chapters()]
    assert [(float(a), float(b)) for a, b in spans] == [(0.0, 0.3), (0.3, 0.4)]


def test_a_subtitle_that_reaches_into_the_range_begins_with_it(rich, tmp_path):
    video = open_video(rich, start=Fraction(1, 10), stop=Fraction(1, 2))
    output = save_video(video, tmp_path / "out.mkv", preset="ultrafast").output
    with av.open(str(output)) as source:
        words = [(packet.pts, packet.duration) for packet in source.demux(source.streams.subtitles[0]) if packet.size]
    assert words == [(0, 100), (140, 160)]


def test_the_default_track_of_the_source_stays_default(plain, tmp_path):
    with av.open(str(save(plain, tmp_path / "out.mkv").output)) as output:
        marks = [bool(each.disposition & Disposition.default) for each in output.streams if each.type != "attachment"]
    assert marks[:3] == [True, True, False]


def test_a_second_picture_track_is_named(tmp_path):
    source = media.clip(tmp_path / "in.mkv", 3, second_video=True)
    assert any("second picture" in warning for warning in save(source, tmp_path / "out.mkv").warnings)


def test_damaged_sound_does_not_stop_the_picture(rich, tmp_path):
    content = bytearray(rich.read_bytes())
    for at in range(len(content) // 2, len(content) - 2000, 97):
        content[at] ^= 0x55
    (tmp_path / "bad.mkv").write_bytes(content)
    video = open_video(rich)
    broken = replace(video, streams=replace(video.streams, source=tmp_path / "bad.mkv"))
    report = save_video(broken, tmp_path / "out.mp4", preset="ultrafast")
    assert numbers(report.output) == list(range(25))


def test_a_plan_opens_no_file():
    tracks = (
        Track(1, "audio", "aac", "eng"),
        Track(2, "audio", "pcm_s16be"),
        Track(3, "subtitle", "hdmv_pgs_subtitle", "deu"),
        Track(4, "subtitle", "ass"),
        Track(5, "data", "tmcd"),
        Track(6, "attachment", "font/ttf"),
    )
    streams = Streams(Path("/nowhere/film.mkv"), tracks, metadata={"mood": "blue", "title": "x"})
    mp4 = plan_streams(streams, "mp4")
    assert [plan.action for plan in mp4.tracks] == ["copy", "copy", "drop", "convert", "drop", "drop"]
    assert len(mp4.warnings) == 5
    assert [plan.action for plan in plan_streams(streams, "mkv").tracks][:4] == ["copy"] * 4
    assert [plan.encoder for plan in plan_streams(streams, "webm").tracks][:2] == ["libopus", "libopus"]


def test_lossless_sound_stays_lossless_where_it_can():
    streams = Streams(Path("x.mkv"), (Track(1, "audio", "tta"),))
    plan = plan_streams(streams, "mp4")
    assert (plan.tracks[0].action, plan.tracks[0].encoder) == ("convert", "flac")
    assert "FLAC" in plan.warnings[0]


@pytest.mark.parametrize(
    ("container", "codec", "held"),
    [
        ("mp4", "aac", True),
        ("mp4", "mp3float", True),
        ("mp4", "libopus", True),
        ("mp4", "subrip", False),
        ("mkv", "subrip", True),
        ("mkv", "mov_text", False),
        ("webm", "aac", False),
        ("webm", "opus", True),
        ("mkv", "hdmv_pgs_subtitle", True),
        ("mkv", "no such codec", False),
    ],
)
def test_what_a_container_holds(container, codec, held):
    assert holds(container, codec) is held


@pytest.mark.parametrize(
    ("dts", "previous", "pts", "expected"),
    [(5, None, 7, (5, 7)), (5, 4, 7, (5, 7)), (5, 5, 7, (6, 7)), (5, 9, 7, (10, 10)), (-3, None, None, (-3, None))],
)
def test_decode_times_rise_and_nothing_is_shown_before_it_is_decoded(dts, previous, pts, expected):
    assert rising(dts, previous, pts) == expected
