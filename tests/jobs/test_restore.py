"""`compress --restore` and `decompress`: what was measured is what is shown, and any other player shows the stream."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import cv2
import pytest
import torch

import media
from doing import exact, listing, pictures
from vidwright.bench.compare import compare
from vidwright.core import Colour
from vidwright.core.errors import BadInput, QualityMissed, UsageError
from vidwright.core.video import RESTORE_TYPE
from vidwright.io import probe
from vidwright.io.attachments import attached
from vidwright.io.cursor import Cursor
from vidwright.io.native import converted, from_planes
from vidwright.io.reader import Reader
from vidwright.jobs import attach, gate, sidecar
from vidwright.jobs.compress import Compress
from vidwright.jobs.decompress import Decompress, decompress
from vidwright.jobs.restore import codes, filters, stored
from vidwright.jobs.run import run
from vidwright.jobs.sidecar import ShotFilter
from vidwright.jobs.work import Local

CUT, FRAMES, SIZE = 14, 30, (240, 136)


@pytest.fixture(scope="module")
def source(tmp_path_factory) -> Path:
    """Two shots of real footage without loss: the sample, shrunk, and its negative."""
    path = tmp_path_factory.mktemp("restore") / "in.mkv"
    return media.two_shots(path, FRAMES, CUT, SIZE, lambda image: 255 - image)


def job(source: Path, output: Path, **options) -> Compress:
    return Compress(**{"input": source, "output": output, "codec": "h264", "crf": 36, "restore": "auto"} | options)


@pytest.fixture(scope="module")
def made(source):
    """A file with filters, and what is reported of it."""
    return run(job(source, source.with_name("out.mkv")))


@pytest.fixture(scope="module")
def undone(made):
    return run(Decompress(input=made.output, output=made.output.with_name("undone.mkv"))).output


def test_what_is_shown_is_what_was_measured(source, made, undone):
    restored, plain = made.details["restored"], made.details["quality"]
    assert restored["mean"] > plain["mean"] + 0.1 and restored["shots"] == 2 and not made.warnings
    assert len(attached(made.output, RESTORE_TYPE)[0]) == restored["bytes"] < 600
    found = compare(source, undone)
    assert found.figure("psnr").mean == pytest.approx(restored["mean"], abs=2e-4)
    before = compare(source, made.output)
    assert before.figure("psnr").mean == pytest.approx(plain["mean"], abs=2e-4)
    assert found.figure("psnr_u").mean > before.figure("psnr_u").mean
    info = probe(undone).info
    assert (info.codec, info.pixel_format) == ("ffv1", "yuv420p10le") and len(pictures(undone)) == FRAMES


def test_other_players_show_the_plain_stream(source, made):
    plain = run(job(source, made.output.with_name("plain.mkv"), restore="off"))
    assert pictures(plain.output) == pictures(made.output)
    assert 0 < made.bytes - plain.bytes - made.details["restored"]["bytes"] < attach.AROUND


def test_without_the_attachment_the_plain_picture_is_shown(made, tmp_path):
    with av.open(str(made.output)) as whole, av.open(str(tmp_path / "bare.mkv"), "w") as bare:
        stream = bare.add_stream_from_template(whole.streams.video[0], opaque=True)
        for packet in whole.demux(whole.streams.video[0]):
            if packet.size:
                packet.stream = stream
                bare.mux(packet)
    report = run(Decompress(input=tmp_path / "bare.mkv", output=tmp_path / "out.mkv"))
    assert not report.warnings and report.frames == FRAMES
    with Reader(made.output) as wanted, Reader(report.output) as found:
        for a, b in zip(wanted, found, strict=True):
            assert torch.equal(a.planes().y, b.planes().y)


@pytest.mark.parametrize("where", [0, 5, 20, -1])
def test_a_damaged_attachment_is_a_warning_and_the_plain_picture(made, tmp_path, where):
    data = made.output.read_bytes()
    content = attached(made.output, RESTORE_TYPE)[0]
    assert data.count(content) == 1
    broken = bytearray(content)
    broken[where] ^= 0x10
    path = tmp_path / "broken.mkv"
    path.write_bytes(data.replace(content, bytes(broken)))
    report = run(Decompress(input=path, output=tmp_path / "out.mkv"))
    (warning,) = report.warnings
    assert "the plain picture is shown" in warning and report.frames == FRAMES
    with pytest.raises(BadInput, match="plain picture"):
        decompress(path)


def test_enhance_works_on_the_filtered_picture(made, undone, tmp_path):
    direct, behind = (run(exact(path, tmp_path / path.name)).output for path in (made.output, undone))
    assert not attached(direct, RESTORE_TYPE)  # which was of another picture
    with Reader(direct) as found, Reader(behind) as wanted:  # the former with the 8 bits of its source
        for a, b in zip(found, wanted, strict=True):
            assert (4 * a.planes().y.int() - b.planes().y.int()).abs().max() <= 2


def test_a_part_is_that_part_of_the_whole(made, undone, tmp_path):
    part = run(Decompress(input=made.output, output=tmp_path / "part.mkv", start=0.2, stop=0.48)).output
    assert pictures(part) == pictures(undone)[5:12]


def test_workers_and_interruptions_change_nothing(source, made, undone, tmp_path, monkeypatch):
    monkeypatch.setattr("vidwright.jobs.planning.SEGMENT_SECONDS", Fraction(1, 5))
    parallel = Decompress(input=made.output, output=tmp_path / "two.mkv")
    assert pictures(run(parallel, on=Local(workers=2)).output) == pictures(undone)
    again = run(job(source, tmp_path / "again.mkv"), on=Local(workers=2)).output
    assert again.read_bytes() == run(job(source, tmp_path / "once.mkv")).output.read_bytes()


def test_killed_at_any_moment_the_file_is_the_same(source, made, tmp_path, forks):
    output = tmp_path / "out.mkv"
    for moment in (0.2, 0.8, 1.5):
        if not output.exists():
            forks.run(job(source, output), kill_after=moment)
    if not output.exists():
        run(job(source, output))
    assert output.read_bytes() == made.output.read_bytes()
    assert listing(tmp_path) == ["out.mkv"]


def test_a_size_is_kept_with_the_filters_in_it(source, tmp_path):
    report = run(job(source, tmp_path / "out.mkv", crf=None, target_size="20kB"))
    assert report.bytes <= 20_000 and report.details["restored"]["mean"] > report.details["quality"]["mean"]


def test_a_shot_that_comes_out_worse_stays_as_it_is(source, tmp_path, monkeypatch):
    def worse(*given, **options):
        found = gate.gated(*given, **options)
        bad = replace(found.shots[1].y, thresholds=b"", fineness=0, coefficients=(-60,))
        return replace(found, shots=(found.shots[0], replace(found.shots[1], y=bad)))

    monkeypatch.setattr(attach, "gated", worse)
    report = run(job(source, tmp_path / "out.mkv"))
    assert report.details["restored"]["shots"] == 1
    first, second = sidecar.read(attached(report.output, RESTORE_TYPE)[0], "it").shots
    assert not first.plain and second == ShotFilter(second.milliseconds)
    undone = run(Decompress(input=report.output, output=tmp_path / "undone.mkv")).output
    assert compare(source, undone).figure("psnr").mean == pytest.approx(report.details["restored"]["mean"], abs=2e-4)


def test_where_all_shots_come_out_worse_the_file_is_the_plain_one(source, made, tmp_path, monkeypatch):
    def worse(*given, **options):
        found = gate.gated(*given, **options)
        bad = replace(found.shots[0].y, thresholds=b"", fineness=0, coefficients=(-60,))
        return replace(found, shots=tuple(replace(shot, y=bad) for shot in found.shots))

    monkeypatch.setattr(attach, "gated", worse)
    report = run(job(source, tmp_path / "out.mkv"))
    plain = run(job(source, tmp_path / "plain.mkv", restore="off"))
    assert "restored" not in report.details and report.bytes == report.output.stat().st_size
    assert report.output.read_bytes() == plain.output.read_bytes()


def test_nothing_is_added_where_nothing_is_won(source, tmp_path, monkeypatch):
    monkeypatch.setattr(gate, "OCTAVE_GAIN", 1e4)
    report = run(job(source, tmp_path / "out.mkv"))
    assert not attached(report.output, RESTORE_TYPE) and "restored" not in report.details
    assert any("none was added" in warning for warning in report.warnings)


@pytest.mark.parametrize(
    ("options", "cause"),
    [
        ({"output": "out.mp4"}, "has no attachments"),
        ({"lossless": True, "crf": None}, "nothing is lost"),
    ],
)
def test_what_cannot_carry_filters_is_refused(source, tmp_path, options, cause):
    output = tmp_path / options.pop("output", "out.mkv")
    with pytest.raises(UsageError, match=cause):
        run(job(source, output, **options))
    assert listing(tmp_path) == []


def test_only_420_is_filtered(tmp_path):
    media.clip(tmp_path / "in.mkv", pix_fmt="yuv444p")
    with pytest.raises(UsageError, match="only 4:2:0"):
        run(job(tmp_path / "in.mkv", tmp_path / "out.mkv"))


def test_the_api_gives_the_filtered_video(made, undone):
    video = decompress(made.output)
    with Reader(undone) as wanted:
        for a, b in zip(video, wanted, strict=True):
            assert torch.equal(a.data, b.frame().data) and a.time == b.time
    assert len(list(video)) == FRAMES  # once more


def test_ranges_of_any_beginning_are_those_of_the_whole(made):
    found, _ = filters(made.output)
    with Cursor(made.output, keep=4) as cursor:
        whole = [digest(each) for each in found.pictures(cursor, 0, 99)]
    assert len(whole) == FRAMES
    for start, stop in ((0, 1), (3, 9), (CUT, CUT + 2), (CUT - 1, CUT + 1), (15, 99)):
        with Cursor(made.output, keep=4) as cursor:
            assert [digest(each) for each in found.pictures(cursor, start, stop)] == whole[start:stop]


def digest(picture) -> str:
    return hashlib.md5(picture.raw.to_ndarray().tobytes()).hexdigest()


@pytest.mark.parametrize("full_range", [False, True])
@pytest.mark.parametrize("bits", [8, 10])
@pytest.mark.parametrize("size", [(48, 32), (47, 31)])
def test_code_values_come_back(tmp_path, full_range, bits, size):
    """What nothing is added to is the same picture with 10 bits."""
    colour = Colour(1, 1, 1, full_range, bits)
    path = media.clip(
        tmp_path / "in.mkv", 1, (48, 32), codec="ffv1", pix_fmt="yuv420p10le" if bits == 10 else "yuv420p"
    )
    with Reader(path) as reader:
        (picture,) = reader
    own = picture.planes()
    half = -(-size[1] // 2), -(-size[0] // 2)
    cut = replace(
        own,
        y=own.y[: size[1], : size[0]].clone(),
        u=own.u[: half[0], : half[1]].clone(),
        v=own.v[: half[0], : half[1]].clone(),
        colour=colour,
    )
    raw = from_planes(cut, pixel_format="yuv420p10le" if bits == 10 else "yuv420p")
    given = replace(picture, raw=raw, colour=colour)
    found = stored(given, codes(given))
    wanted = converted(raw, rotation=0, pixel_format="yuv420p10le", colour=replace(colour, bits=10))
    for name in "yuv":
        a, b = getattr(found.planes(), name), getattr(replace(given, raw=wanted, colour=found.colour).planes(), name)
        assert torch.equal(a.int(), b.int())


def test_quality_that_cannot_be_reached_is_still_refused(source, tmp_path):
    with pytest.raises(QualityMissed):
        run(job(source, tmp_path / "out.mkv", crf=None, target_quality="psnr=90"))


def test_opencv_opens_the_file_and_shows_the_plain_stream(made):
    capture = cv2.VideoCapture(str(made.output))
    shown = 0
    while capture.read()[0]:
        shown += 1
    assert shown == FRAMES
