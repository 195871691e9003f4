"""Another speed: the frames, their times, and what becomes of sound, subtitles and chapters."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import torch

import media
from doing import pictures
from vidwright.core.errors import UsageError
from vidwright.io import open_video, probe, save_video
from vidwright.io.tempo import Tempo, parts
from vidwright.jobs.changes import Change, Mask, Speed
from vidwright.jobs.edit import Edit, edit
from vidwright.jobs.estimate import estimate
from vidwright.jobs.preview import preview
from vidwright.jobs.run import run
from vidwright.jobs.work import Local
from writing import furthest, numbers, packets, times

HERE = Local(threads=1)
RATE = Fraction(25)


@pytest.fixture(autouse=True)
def short_segments(monkeypatch: pytest.MonkeyPatch) -> None:
    """Several segments in clips of less than a second."""
    monkeypatch.setattr("vidwright.jobs.planning.SEGMENT_SECONDS", Fraction(1, 5))


def job(source: Path, output: Path, speed: float, **options: Any) -> Edit:
    changes = (Change(put=Speed(speed=speed)),)
    return Edit(input=source, output=output, changes=changes, **{"preset": "ultrafast"} | options)


def sound(path: Path) -> np.ndarray:
    """The samples of the first track, mono, with silence before it where it begins late."""
    with av.open(str(path)) as source:
        frames = list(source.decode(audio=0))
        rate = frames[0].sample_rate
        before = max(round(frames[0].pts * frames[0].time_base * rate), 0)
        return np.concatenate([np.zeros(before), *(frame.to_ndarray().mean(0) for frame in frames)])


def pitch(samples: np.ndarray, rate: int = 48000) -> float:
    middle = samples[len(samples) // 4 : 3 * len(samples) // 4]
    return float(np.abs(np.fft.rfft(middle)).argmax()) * rate / len(middle)


@pytest.mark.parametrize(("speed", "frames"), [(2, 12), (1.5, 16), (3, 8)])
def test_faster_is_fewer_frames_at_the_same_rate(tmp_path: Path, speed: float, frames: int) -> None:
    source = media.clip(tmp_path / "in.mkv", frames=24, cuts=(9,))
    report = run(job(source, tmp_path / "out.mp4", speed), on=HERE)
    assert report.frames == frames and report.details["segments"] > 2
    beats = [n * Fraction(str(speed)) / RATE for n in range(frames)]
    assert numbers(report.output) == [int(beat * RATE) for beat in beats]
    assert furthest(report.output, [n / RATE for n in range(frames)]) <= Fraction(1, 1000)
    assert probe(report.output).info.rate == RATE


def test_slower_keeps_what_there_is_and_makes_the_rest(tmp_path: Path) -> None:
    source = media.clip(tmp_path / "in.mkv", frames=10, cuts=(6,), codec="ffv1")
    report = run(job(source, tmp_path / "out.mkv", 0.5, codec="ffv1"), on=HERE)
    assert report.frames == 20
    assert furthest(report.output, [n / RATE for n in range(20)]) <= Fraction(1, 1000)
    made, given = ([frame.data for frame in open_video(path)] for path in (report.output, source))
    assert all((a - b).abs().mean() < 0.01 for a, b in zip(made[::2], given, strict=True))
    assert torch.equal(made[11], made[10]) and not torch.equal(made[9], made[8])  # nothing is made over a cut
    assert all((made[3] - made[n]).abs().mean() > 0.001 for n in (2, 4))


def test_sound_subtitles_and_chapters_go_along(tmp_path: Path) -> None:
    source = media.clip(tmp_path / "in.mkv", frames=50, audio=1, subtitles=True, chapters=2)
    for speed, container in ((0.5, "mkv"), (2, "mkv"), (0.5, "mp4")):
        report = run(job(source, tmp_path / f"{speed}.{container}", speed), on=HERE)
        assert any(f"audio (track 1, eng, aac) goes {speed:g} times as fast" in words for words in report.warnings)
        before, after = sound(source), sound(report.output)
        assert abs(len(after) / len(before) * speed - 1) < 0.05
        assert pitch(after) == pytest.approx(pitch(before), rel=0.02)
        texts = [time for time, _ in packets(source, "subtitle")]
        moved = [time for time, _ in packets(report.output, "subtitle")]  # mp4 also says where there are none
        wanted = [time / Fraction(str(speed)) for time in texts]
        assert len(wanted) == 2 and all(min(abs(time - other) for other in moved) < 0.002 for time in wanted)
        assert starts(report.output) == pytest.approx([time / speed for time in starts(source)], abs=0.002)


def starts(path: Path) -> list[float]:
    with av.open(str(path)) as source:
        return [float(chapter["start"] * chapter["time_base"]) for chapter in source.chapters()]


def test_a_part_of_it_begins_at_0(tmp_path: Path) -> None:
    source = media.clip(tmp_path / "in.mkv", frames=40, audio=1)
    report = run(job(source, tmp_path / "out.mkv", 2, start=0.4, stop=1.2), on=HERE)
    assert numbers(report.output) == list(range(10, 30, 2))
    assert abs(len(sound(report.output)) / 48000 - 0.4) < 0.05
    video = edit(open_video(source, start=Fraction("0.4"), stop=Fraction("0.8")), [Change(put=Speed(speed=0.5))])
    saved = save_video(video, tmp_path / "saved.mkv", codec="ffv1").output
    assert numbers(saved)[::2] == list(range(10, 20)) and times(saved)[0] == 0


def test_sound_that_begins_late_does_so_at_its_new_time() -> None:
    tempo, begins = Tempo(Fraction(1, 2)), []
    for number in range(20):
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), "fltp", "mono")
        frame.sample_rate, frame.time_base, frame.pts = 48000, Fraction(1, 1000), 1000 + round(number * 1024 / 48)
        begins += [each.pts * each.time_base for each in tempo.push(frame)]
    begins += [each.pts * each.time_base for each in tempo.push(None)]
    assert begins[0] == pytest.approx(2, abs=0.001) and Tempo(Fraction(2)).push(None) == []


def test_it_is_estimated_and_previewed(tmp_path: Path) -> None:
    source = media.clip(tmp_path / "in.mp4", frames=24)
    assert estimate(job(source, tmp_path / "out.mp4", 2)).frames == 12
    for before, after in preview(job(source, tmp_path / "out.mp4", 0.5)):
        assert media.read_barcode(before.data) == media.read_barcode(after.data)


def test_a_video_of_another_speed_is_the_same(tmp_path: Path) -> None:
    source = media.clip(tmp_path / "in.mkv", frames=11, audio=1)
    for speed in (0.5, 3):
        report = run(job(source, tmp_path / f"{speed}.mkv", speed, codec="ffv1"), on=HERE)
        video = edit(open_video(source), [Change(put=Speed(speed=speed))])
        saved = save_video(video, tmp_path / f"{speed}.saved.mkv", codec="ffv1")
        assert pictures(saved.output) == pictures(report.output)
        assert len(sound(saved.output)) == len(sound(report.output))


def test_what_makes_no_sense_is_refused(tmp_path: Path) -> None:
    source = media.clip(tmp_path / "in.mkv", frames=3)
    with pytest.raises(UsageError, match="makes nothing"):
        run(job(source, tmp_path / "out.mkv", 1), on=HERE)
    both = (Change(put=Speed(speed=2)), Change(put=Mask()))
    with pytest.raises(UsageError, match="not the last"):
        run(Edit(input=source, output=tmp_path / "out.mkv", changes=both), on=HERE)
    with pytest.raises(UsageError, match="not the last"):
        edit(open_video(source), both)
    fast = media.clip(tmp_path / "fast.mkv", frames=3, rate=Fraction(120))
    with pytest.raises(UsageError, match="960 frames"):
        run(job(fast, tmp_path / "out.mkv", 0.125), on=HERE)


@pytest.mark.parametrize("pace", [Fraction(1, 8), Fraction(2, 5), Fraction(1, 2), Fraction(3), Fraction(250)])
def test_speeds_beyond_one_filter_are_several(pace: Fraction) -> None:
    found, product = parts(pace), Fraction(1)
    for part in found:
        product *= part
    assert product == pace and all(Fraction(1, 2) <= part <= 100 for part in found)
