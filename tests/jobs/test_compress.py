"""`compress`: what is promised of size and quality is true of the finished file, whatever happens on the way."""

from __future__ import annotations

import random
import shutil
import threading
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

import media
from doing import listing, pictures
from vidwright.bench.compare import compare
from vidwright.core.errors import Interrupted, JobFailed, QualityMissed, UsageError, VidwrightError
from vidwright.io import probe
from vidwright.io.reader import Reader
from vidwright.jobs import film
from vidwright.jobs.compress import Compress
from vidwright.jobs.estimate import forecast
from vidwright.jobs.run import run
from vidwright.jobs.targets import quality, size
from vidwright.jobs.work import Local
from vidwright.metrics.vmaf import vmaf_of_files

FAST = {"preset": "ultrafast"}


def textured(path: Path, frames: int = 36, shape: tuple[int, int] = (96, 64), cut: int = 16, **options) -> Path:
    """Two shots of noise that moves, the second of twice the contrast, so that their rates differ."""
    source = media.clip(path.with_name("plain.mkv"), frames=frames, size=shape, cuts=(cut,), **options)
    drawn = np.random.default_rng(5).normal(size=(shape[1] + frames, shape[0] + frames))
    with av.open(str(source)) as plain, av.open(str(path), "w") as out:
        stream = out.add_stream("ffv1", rate=25)
        stream.width, stream.height, stream.pix_fmt = *shape, "yuv420p"
        copies = [out.add_stream_from_template(each) for each in plain.streams.audio]
        for n, frame in enumerate(plain.decode(video=0)):
            luma = frame.to_ndarray(format="yuv420p")
            part = drawn[n : n + shape[1], n : n + shape[0]] * (6 if n < cut else 14)
            luma[: shape[1]] = np.clip(luma[: shape[1]] + part, 16, 235)
            made = av.VideoFrame.from_ndarray(luma, format="yuv420p")
            made.pts = n
            out.mux(stream.encode(made))
        out.mux(stream.encode(None))
        plain.seek(0)
        if copies:
            for packet in plain.demux(plain.streams.audio[0]):
                if packet.size:
                    packet.stream = copies[0]
                    out.mux(packet)
    source.unlink()
    return path


@pytest.fixture
def source(tmp_path) -> Path:
    return textured(tmp_path / "in.mkv")


@pytest.fixture
def short_segments(monkeypatch):
    monkeypatch.setattr("vidwright.jobs.planning.SEGMENT_SECONDS", Fraction(2, 5))


def job(source: Path, name: str = "out.mkv", **options) -> Compress:
    return Compress(**{"input": source, "output": source.with_name(name)} | FAST | options)


@pytest.mark.parametrize("part", [0.35, 0.8])
def test_a_size_is_never_exceeded_and_nearly_filled(tmp_path, part, short_segments):
    source = textured(tmp_path / "in.mkv", audio=1)
    largest = run(job(source, "large.mkv", codec="h264", crf=12)).bytes
    asked = int(part * largest)
    report = run(job(source, codec="h264", target_size=str(asked)))
    assert 0.98 * asked <= report.bytes == report.output.stat().st_size <= asked
    assert [track.kind for track in probe(report.output).streams.tracks] == ["audio"]
    assert report.frames == 36 and not report.warnings
    assert report.details["encoded_frames"] <= 3 * 36 + film.SAMPLES * len(film.SAMPLED) * 10


def test_steps_between_the_quarters_of_av1_are_encodings_of_their_own(source):
    crfs = (30.25, 30.2, 30.15, 30.1)
    sizes = [run(job(source, f"{crf:g}.mkv", crf=crf, verify=False)).bytes for crf in crfs]
    assert len(set(sizes)) == 4 and max(sizes) < 1.05 * min(sizes)


def test_a_size_is_nearly_filled_by_one_shot_of_av1(tmp_path):
    source = textured(tmp_path / "in.mkv", frames=24, shape=(192, 128), cut=24)
    report = run(job(source, target_size="24kB"))
    assert len(report.details["crf"]) == 1 and 0.98 * 24_000 <= report.bytes <= 24_000


def test_a_size_that_the_source_cannot_fill_is_not_filled(source):
    report = run(job(source, codec="h264", target_size="9MB"))
    assert set(report.details["crf"].values()) == {1.0} and report.bytes < 9e6


@pytest.mark.parametrize(("asked", "at"), [("psnr=36", "mean"), ("psnr=34", "worst"), ("ssim=0.95", "p5")])
def test_a_quality_is_met_by_the_finished_file(source, asked, at):
    report = run(job(source, codec="h264", target_quality=asked, at=at))
    name, least = asked.split("=")
    found = compare(source, report.output).figure(name)
    assert float(least) <= getattr(found, at) == pytest.approx(report.details["quality"][at], abs=1e-3)
    for first, last in ((0, 16), (16, 36)):  # every shot by itself
        scores = sorted(getattr(score, name) for score in compare(source, report.output).frames[first:last])
        figure = sum(scores) / len(scores) if at == "mean" else scores[0]  # of at most 20, the lowest is the p5
        assert float(least) <= figure <= float(least) + {"psnr": 0.3, "ssim": 0.01}[name]
    assert len(set(report.details["crf"].values())) == 2  # each as it needs


def test_vmaf_is_met_by_the_whole_although_it_looks_at_neighbours(source):
    report = run(job(source, codec="h264", target_quality="vmaf=80"))
    assert 80 <= vmaf_of_files(report.output, source).mean < 82


def test_ten_bits_of_eight_are_what_av1_gets(source):
    report = run(job(source, crf=30.25))
    found = probe(report.output).info
    assert (
        found.codec == "av1" and found.pixel_format == "yuv420p10le" and report.details["pixel_format"] == "yuv420p10le"
    )
    assert compare(source, report.output).figure("psnr").mean == pytest.approx(
        report.details["quality"]["mean"], abs=1e-3
    )


@pytest.mark.parametrize("codec", ["av1", "hevc", "h264"])
def test_lossless_keeps_every_code_value(source, codec):
    report = run(job(source, codec=codec, lossless=True))
    assert pictures(report.output) == pictures(source) and report.details["quality"]["mean"] is None


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"target_size": "12 parsecs"}, UsageError, "25MB"),
        ({"target_size": "0"}, UsageError, "not a size"),
        ({"target_quality": "vmav=93"}, UsageError, "did you mean vmaf"),
        ({"target_quality": "vmaf=x"}, UsageError, "not a number"),
        ({"target_quality": "ssim=1.5"}, UsageError, "at most 1"),
        ({"target_quality": "psnr=36", "crf": 20}, UsageError, "twice"),
        ({"lossless": True, "crf": 20}, UsageError, "twice"),
        ({"target_quality": "psnr=99"}, QualityMissed, "nearest is psnr="),
        ({"target_size": "2kB"}, JobFailed, r"ask for \d+kB"),
        ({"crf": 60, "codec": "h264"}, UsageError, "0 to 51"),
        ({"output": "out.webm", "codec": "hevc"}, UsageError, "av1"),
    ],
)
def test_refusals_are_three_lines_and_leave_nothing(tmp_path, source, options, error, words):
    if "output" in options:
        options = options | {"output": tmp_path / options["output"]}
    with pytest.raises(error, match=words) as refused:
        run(job(source, **{"codec": "h264"} | options))
    assert len(str(refused.value).splitlines()) == 3
    shutil.rmtree(tmp_path / "out.mkv.job", ignore_errors=True)  # what was tried is kept for another target
    assert listing(tmp_path) == ["in.mkv"]


def test_what_is_named_as_the_nearest_is_possible(source):
    with pytest.raises(JobFailed) as refused:
        run(job(source, codec="h264", target_size="2kB"))
    asked = refused.value.next_step.split()[2].rstrip(",")
    assert run(job(source, codec="h264", target_size=asked)).bytes <= size(asked)
    with pytest.raises(QualityMissed) as missed:
        run(job(source, "b.mkv", codec="h264", target_quality="psnr=99"))
    asked = missed.value.next_step.split()[2].rstrip(",")
    assert run(job(source, "b.mkv", codec="h264", target_quality=asked)).output.exists()


def test_less_than_the_sound_is_refused_before_any_work(tmp_path):
    source = textured(tmp_path / "in.mkv", audio=1)
    with pytest.raises(UsageError, match="sound and subtitles alone"):
        run(job(source, target_size="1kB"))
    assert listing(tmp_path) == ["in.mkv"]


def test_lossless_refuses_what_would_be_lost(tmp_path):
    deep = media.clip(tmp_path / "deep.mkv", frames=2, pix_fmt="yuv420p10le", codec="libx265")
    full = media.clip(tmp_path / "full.mkv", frames=2, pix_fmt="yuv444p")
    rgb = media.clip(tmp_path / "rgb.mkv", frames=2, pix_fmt="bgr0", codec="ffv1")
    for source, words in ((deep, "hevc or h264"), (full, "chroma is reduced"), (rgb, "reduced")):
        with pytest.raises(UsageError, match=words):
            run(job(source, lossless=True))
    for source in (deep, full):
        made = run(job(source, f"{source.stem}.out.mkv", codec="hevc", lossless=True)).output
        assert pictures(made) == pictures(source)
    with pytest.raises(UsageError, match="R'G'B'"):
        run(job(rgb, codec="h264", lossless=True))


def test_what_is_lost_is_said_and_rgb_is_measured_as_it_is_coded(tmp_path):
    rgb = media.clip(tmp_path / "rgb.mkv", frames=3, pix_fmt="bgr0", codec="ffv1")
    report = run(job(rgb, crf=10))
    assert "chroma is reduced" in report.warnings[0] and report.details["quality"]["mean"] > 45
    clear = media.clip(tmp_path / "clear.mkv", frames=3, pix_fmt="yuva420p", codec="ffv1")
    assert "transparency is lost" in run(job(clear, "b.mkv")).warnings[0]


def test_of_two_targets_the_quality_gives_way(source):
    met = run(job(source, "a.mkv", codec="h264", target_quality="psnr=34", target_size="500kB"))
    assert met.details["quality"]["mean"] < 34.5 and not met.warnings
    missed = run(job(source, "b.mkv", codec="h264", target_quality="psnr=40", target_size="20kB"))
    assert missed.bytes <= 20_000 and "gave way" in missed.warnings[0] and missed.details["quality"]["mean"] < 40


def test_workers_and_interruptions_change_no_byte(source, short_segments):
    def asked(name):
        return job(source, name, codec="h264", target_quality="psnr=35")

    alone = run(asked("a.mkv")).output.read_bytes()
    assert run(asked("b.mkv"), on=Local(workers=3)).output.read_bytes() == alone
    stop = threading.Event()
    with pytest.raises(Interrupted):
        run(
            asked("c.mkv"),
            watch=lambda event: stop.set() if event.stage == "encode" and event.done > 60 else None,
            stop=stop,
        )
    assert not (source.parent / "c.mkv").exists()
    again = run(asked("c.mkv"))
    assert again.output.read_bytes() == alone and again.details["resumed_trials"] > 0
    assert listing(source.parent) == ["a.mkv", "b.mkv", "c.mkv", "in.mkv"]


def test_killed_at_any_moment_and_run_again(tmp_path, source, forks):
    moment = random.Random(1)

    def asked(name):
        return job(source, name, codec="h264", target_size="40kB")

    whole = forks.run(asked("whole.mkv"), segment="1/2")
    wanted = (tmp_path / "whole.mkv").read_bytes()
    killed = resumed = 0
    for number in range(6):
        name = f"{number}.mkv"
        ended = forks.run(asked(name), segment="1/2", kill_after=moment.uniform(0.3, 1) * whole["seconds"])
        killed += ended["status"] == -9
        if not (tmp_path / name).exists():
            again = forks.run(asked(name), segment="1/2")
            assert again["status"] == 0
            resumed += again["resumed"] > 0
        assert (tmp_path / name).read_bytes() == wanted
    assert killed >= 3 and resumed >= 1


def test_another_target_uses_what_was_tried(source):
    with pytest.raises(QualityMissed):
        run(job(source, codec="h264", target_quality="psnr=99"))
    report = run(job(source, codec="h264", target_quality="psnr=36"))
    assert report.details["resumed_trials"] > 0


def test_a_damaged_result_does_not_take_the_name(source, monkeypatch):
    join = film.join

    def broken(parts, streams, path, **how):
        report = join(parts, streams, path, **how)
        content = bytearray(path.read_bytes())
        content[len(content) // 3 : len(content) // 2] = bytes(len(content) // 2 - len(content) // 3)
        path.write_bytes(content)
        return report

    monkeypatch.setattr(film, "join", broken)
    with pytest.raises(JobFailed, match="not what it should be"):
        run(job(source, codec="h264"))
    assert not (source.parent / "out.mkv").exists()
    assert run(job(source, codec="h264", verify=False)).output.exists()  # who does not look does not see


def test_times_turns_and_parts_are_kept(tmp_path):
    times = [Fraction(n * n, 100) + Fraction(n, 25) for n in range(12)]
    turned = media.clip(tmp_path / "in.mkv", frames=12, times=times, rotation=90, codec="ffv1", cuts=(5,))
    report = run(job(turned, codec="h264", start=0.1, stop=1.5))
    with Reader(report.output, cuts=False) as made, Reader(turned, cuts=False) as truth:
        wanted = [each for each in truth if 0.1 <= each.time < 1.5]
        found = list(made)
        assert [media.read_barcode(each.frame().data) for each in found] == [
            media.read_barcode(each.frame().data) for each in wanted
        ]
        begun = [float(each.time - wanted[0].time) for each in wanted]
        assert [float(each.time) for each in found] == pytest.approx(begun, abs=2e-3)
    assert (found[0].width, found[0].height) == (64, 48)


def test_a_time_budget_chooses_the_preset(source):
    hasty = run(job(source, "a.mkv", time_budget=1e-6))
    patient = run(job(source, "b.mkv", time_budget=60.0))
    assert hasty.details["encoder"] == "libsvtav1 12" and patient.details["encoder"] == "libsvtav1 2"


def test_a_dry_run_reckons_the_size(source):
    reckoned = forecast(job(source, codec="h264", crf=26))
    made = run(job(source, codec="h264", crf=26))
    assert reckoned.frames == 36 and reckoned.bytes == pytest.approx(made.bytes, rel=0.3)
    assert listing(source.parent) == ["in.mkv", "out.mkv"]
    assert forecast(job(source, codec="h264", target_size="30kB")).bytes == pytest.approx(30_000, rel=0.1)


def test_words_of_targets():
    assert (size("25MB"), size("1.5 GiB"), size("800k"), size("77")) == (25_000_000, 3 * 2**29, 800_000, 77)
    assert str(quality("vmaf=93", "p5")) == "vmaf 93 at p5" and str(quality("psnr=40.5", "mean")) == "psnr 40.5"


def test_a_job_is_data(source):
    asked = job(source, target_quality="vmaf=93", at="p5")
    assert Compress(**asked.model_dump(mode="json")) == asked
    with pytest.raises(ValueError, match="crf"):
        job(source, crf=99)
    assert issubclass(UsageError, VidwrightError)
