"""A whole job on real files: what it keeps, which part of the source it works on, and what it leaves behind."""

from __future__ import annotations

import itertools
import os
from fractions import Fraction

import av
import pytest

import media
import tiny
from doing import exact, lanczos, listing, pictures
from vidwright.core.errors import BadInput, JobFailed, ModelRefused, OutputExists, UsageError, VidwrightError
from vidwright.io import open_video, probe, save_video
from vidwright.jobs.enhance import enhance
from vidwright.jobs.run import run
from vidwright.jobs.work import Local
from vidwright.models import load
from writing import furthest, numbers, packets, times

HERE = Local(threads=1)


@pytest.fixture(autouse=True)
def short_segments(monkeypatch):
    """Several segments in clips of less than a second."""
    monkeypatch.setattr("vidwright.jobs.planning.SEGMENT_SECONDS", Fraction(1, 5))


def test_everything_of_the_source_is_kept(tmp_path):
    source = media.clip(
        tmp_path / "in.mkv",
        frames=23,
        rate=Fraction(24000, 1001),
        audio=2,
        subtitles=True,
        chapters=2,
        attachment=True,
        sar=Fraction(4, 3),
        cuts=(9,),
        metadata={"title": "the title"},
    )
    report = run(lanczos(source, tmp_path / "out.mkv"), on=HERE)
    assert (report.frames, report.warnings, bool(report.damage)) == (23, (), False)
    assert (report.details["segments"], report.details["resumed_segments"]) == (5, 0) and report.seconds > 0
    assert report.bytes == report.output.stat().st_size
    assert numbers(report.output) == list(range(23))
    assert furthest(report.output, times(source)) <= Fraction(1, 1000)
    for kind, count in (("audio", 2), ("subtitle", 1)):
        for index in range(count):
            assert packets(report.output, kind, index) == packets(source, kind, index)
    before, after = probe(source), probe(report.output)
    assert (after.info.width, after.info.height, after.info.sample_aspect) == (128, 96, Fraction(4, 3))
    assert abs(after.duration - before.duration) < Fraction(1, 20)
    assert [(t.kind, t.codec, t.language) for t in after.streams.tracks] == [
        (t.kind, t.codec, t.language) for t in before.streams.tracks
    ]
    assert after.streams.chapters == 2 and after.streams.metadata["title"] == "the title"
    assert listing(tmp_path) == ["in.mkv", "out.mkv"]


@pytest.mark.parametrize(("codec", "container"), [("h264", "mp4"), ("hevc", "mp4"), ("ffv1", "mkv"), ("prores", "mov")])
def test_variable_times_are_kept(tmp_path, codec, container):
    moments = [Fraction(n, 1000) for n in (0, 40, 45, 300, 310, 311, 700, 720, 1500, 1501)]
    source = media.clip(tmp_path / "in.mkv", times=moments)
    report = run(lanczos(source, tmp_path / f"out.{container}", codec=codec, scale=3), on=HERE)
    assert numbers(report.output) == list(range(10)) and report.details["segments"] > 2
    assert furthest(report.output, times(source)) <= Fraction(1, 2000)


def test_alpha_is_kept(tmp_path):
    source = media.clip(tmp_path / "in.mkv", frames=7, codec="ffv1", pix_fmt="yuva444p")
    report = run(exact(source, tmp_path / "out.mkv"), on=HERE)
    assert probe(report.output).info.pixel_format == "yuva444p" and report.warnings == ()
    for small, large in zip(open_video(source), open_video(report.output), strict=True):
        assert (large.data[3, ::2, ::2] - small.data[3]).abs().mean() < 0.02


def test_ten_bits_and_colour_are_kept(tmp_path):
    source = media.clip(tmp_path / "in.mkv", frames=7, hdr10=True)
    report = run(lanczos(source, tmp_path / "out.mp4", codec="hevc"), on=HERE)
    before, after = probe(source).info, probe(report.output).info
    assert (after.pixel_format, after.colour) == ("yuv420p10le", before.colour)
    assert after.hdr is not None and after.hdr.light_level == (1000, 400)


def test_a_job_is_the_same_as_its_verb_on_the_whole_video(tmp_path):
    """Segments, warm-up and joining change no pixel."""
    source = media.clip(tmp_path / "in.mp4", frames=23, cuts=(9,))
    weights = tiny.weights(tmp_path / "w.safetensors")
    report = run(exact(source, tmp_path / "out.mkv", model=str(weights), dtype="fp32"), on=HERE)
    video = enhance(open_video(source), load("enhance/restorer", weights, device="cpu", dtype="fp32"))
    assert (video.info.width, video.info.height) == (128, 96)
    saved = save_video(video, tmp_path / "saved.mkv", codec="ffv1")
    assert pictures(report.output) == pictures(saved.output) and len(set(pictures(saved.output))) == 23
    assert times(report.output) == times(saved.output)


@pytest.mark.parametrize(
    ("start", "stop", "first", "after"), [(0.28, 0.8, 7, 20), (0.27, None, 7, 28), (0, 0.01, 0, 1)]
)
def test_a_range_gives_the_frames_of_the_whole(tmp_path, start, stop, first, after):
    source = media.clip(tmp_path / "in.mkv", frames=28, cuts=(13,), audio=1)
    weights = str(tiny.weights(tmp_path / "w.safetensors"))
    whole = run(exact(source, tmp_path / "whole.mkv", model=weights, dtype="bf16"), on=HERE)
    part = run(exact(source, tmp_path / "part.mkv", model=weights, dtype="bf16", start=start, stop=stop), on=HERE)
    assert pictures(part.output) == pictures(whole.output)[first:after]
    assert len(set(pictures(whole.output))) == 28
    wanted = [Fraction(n, 25) - Fraction(str(start)) for n in range(first, after)]
    assert max(abs(a - b) for a, b in zip(times(part.output), wanted, strict=True)) <= Fraction(1, 1000)
    sound = packets(part.output, "audio")
    end = (stop or 28 / 25) - start
    assert -0.03 <= float(sound[0][0]) <= 0.03 and end - 0.06 <= float(sound[-1][0]) <= end


def test_damage_is_reported_and_what_can_be_read_is_used(tmp_path):
    source = media.clip(tmp_path / "in.mkv", frames=24, audio=1)
    source.write_bytes(source.read_bytes()[: source.stat().st_size * 2 // 3])
    report = run(lanczos(source, tmp_path / "out.mkv"), on=HERE)
    assert report.damage and report.damage.truncated
    found = numbers(report.output)
    assert len(found) == report.frames > 12
    assert found == sorted(set(found)) and set(range(12)) < set(found) < set(range(24))
    assert furthest(report.output, [Fraction(n, 25) for n in found]) <= Fraction(1, 1000)


def test_a_single_frame_and_odd_sizes(tmp_path):
    source = media.clip(tmp_path / "in.mkv", frames=1, size=(33, 17), codec="ffv1", pix_fmt="yuv444p")
    report = run(exact(source, tmp_path / "out.mkv", scale=3), on=HERE)
    assert (report.frames, probe(report.output).info.width, probe(report.output).info.height) == (1, 99, 51)


def test_progress_counts_every_frame_once(tmp_path):
    events = []
    source = media.clip(tmp_path / "in.mp4", frames=12)
    run(exact(source, tmp_path / "out.mkv"), on=HERE, watch=events.append)
    assert [event.done for event in events if event.stage == "plan"] == list(range(1, 13))
    assert [(event.done, event.total) for event in events if event.stage == "work"] == [(n, 12) for n in range(13)]
    assert [(event.done, event.total) for event in events if event.stage == "join"] == [(12, 12)]


REFUSALS: dict[str, tuple[type[VidwrightError], dict]] = {
    "no input": (BadInput, {"input": "none.mp4"}),
    "not a video": (BadInput, {"input": "text.mp4"}),
    "too large": (BadInput, {"max_pixels": 100}),
    "begins too late": (BadInput, {"start": 9}),
    "between two frames": (BadInput, {"start": 0.001, "stop": 0.002}),
    "ends before it begins": (UsageError, {"start": 0.2, "stop": 0.1}),
    "output exists": (OutputExists, {"output": "text.mp4"}),
    "output is a folder": (UsageError, {"output": "folder.mp4"}),
    "no folder": (JobFailed, {"output": "none/out.mp4"}),
    "folder is a file": (JobFailed, {"output": "text.mp4/out.mp4"}),
    "unknown container": (UsageError, {"output": "out.xyz"}),
    "container without the codec": (UsageError, {"codec": "prores"}),
    "no such preset": (UsageError, {"preset": "quick"}),
    "no such model": (ModelRefused, {"model": "lancos"}),
    "no such weights": (ModelRefused, {"model": "restorer:none"}),
    "no such file of weights": (ModelRefused, {"model": "none.safetensors"}),
    "foreign weights": (ModelRefused, {"model": "text.safetensors"}),
    "no such device": (ModelRefused, {"device": "cuda:77"}),
    "another scale": (UsageError, {"model": "w.safetensors", "scale": 3}),
    "too small for the codec": (JobFailed, {"codec": "hevc", "scale": 1.5, "input": "small.mkv"}),
    "nothing to do": (UsageError, {"scale": 1}),
    "nothing to do by weights": (UsageError, {"model": "w.safetensors", "scale": 1}),
    "too low": (UsageError, {"height": 47, "scale": None}),
    "too high": (UsageError, {"height": 385, "scale": None}),
}


@pytest.mark.parametrize("case", REFUSALS)
def test_refusals_are_three_lines_and_leave_nothing(tmp_path, monkeypatch, case):
    monkeypatch.chdir(tmp_path)
    media.clip(tmp_path / "in.mp4", frames=3)
    media.clip(tmp_path / "small.mkv", frames=3, size=(34, 34), codec="ffv1")
    for name in ("text.mp4", "text.safetensors"):
        (tmp_path / name).write_text("only words")
    (tmp_path / "folder.mp4").mkdir()
    tiny.weights(tmp_path / "w.safetensors")
    before = listing(tmp_path)
    wanted, change = REFUSALS[case]
    options = {"input": "in.mp4", "output": "out.mp4"} | change
    with pytest.raises(VidwrightError) as error:
        run(lanczos(options.pop("input"), options.pop("output"), **options), on=HERE)
    assert type(error.value) is wanted
    assert len(str(error.value).splitlines()) == 3
    assert listing(tmp_path) == before
    assert (tmp_path / "text.mp4").read_text() == "only words"


@pytest.mark.parametrize("way", ["same", "hardlink"])
def test_the_input_is_never_overwritten(tmp_path, way):
    source = media.clip(tmp_path / "in.mp4", frames=3)
    before = source.read_bytes()
    output = source if way == "same" else tmp_path / "out.mp4"
    if way == "hardlink":
        os.link(source, output)
    with pytest.raises(UsageError):
        run(lanczos(source, output), on=HERE, overwrite=True)
    assert source.read_bytes() == before


def test_overwriting_replaces_the_file_only_when_the_new_one_is_whole(tmp_path):
    source, output = media.clip(tmp_path / "in.mp4", frames=3), tmp_path / "out.mkv"
    output.write_bytes(b"old")

    def watch(event):
        assert output.read_bytes() == b"old"

    run(exact(source, output), on=HERE, overwrite=True, watch=watch)
    assert numbers(output) == [0, 1, 2]


def test_names_of_any_kind(tmp_path):
    source = media.clip(tmp_path / "12:30 in.mp4", frames=3, audio=1)
    for name in ("-o.mp4", "a%03d.mp4", "ü 影.mp4", "new\nline.mp4", "12:30 out.mp4"):
        assert numbers(run(lanczos(source, tmp_path / name), on=HERE).output) == [0, 1, 2]


def test_a_job_is_data(tmp_path):
    job = lanczos(tmp_path / "in.mp4", tmp_path / "out.mp4", start=0.5, stop=2, crf=20)
    assert type(job).model_validate_json(job.model_dump_json()) == job
    with pytest.raises(ValueError):
        lanczos(tmp_path / "in.mp4", tmp_path / "out.mp4", start=float("inf"))
    for workers, threads in ((0, None), (-1, None), (1, 0), (2, -2)):
        with pytest.raises(UsageError):
            Local(workers, threads)


def test_the_result_opens_everywhere(tmp_path):
    """One stream of pictures with rising times and an index in front."""
    source = media.clip(tmp_path / "in.mp4", frames=12, audio=1)
    report = run(lanczos(source, tmp_path / "out.mp4"), on=HERE)
    content = report.output.read_bytes()
    assert content.index(b"moov") < content.index(b"mdat")
    with av.open(str(report.output)) as output:
        decode_times = [packet.dts for packet in output.demux(video=0) if packet.size]
    assert len(decode_times) == 12 and all(a < b for a, b in itertools.pairwise(decode_times))
