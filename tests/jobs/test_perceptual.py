"""`compress --restore perceptual`: MS-SSIM decides, and what is said of both measures is what anybody measures."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pytest

import media
from doing import pictures
from vidwright.bench.compare import compare
from vidwright.cli.main import run as main
from vidwright.core.errors import UsageError
from vidwright.core.video import RESTORE_TYPE
from vidwright.io.attachments import attached
from vidwright.io.reader import Reader
from vidwright.jobs import attach, gate, sidecar
from vidwright.jobs.compress import Compress
from vidwright.jobs.decompress import Decompress
from vidwright.jobs.restore import postfilter
from vidwright.jobs.run import run
from vidwright.jobs.sidecar import ShotFilter
from vidwright.jobs.verify import Verdict
from vidwright.metrics.quality import likeness

CUT, FRAMES, SIZE = 8, 16, (320, 180)


@pytest.fixture(scope="module")
def source(tmp_path_factory) -> Path:
    """Two shots of real footage without loss: the sample, shrunk, and its negative upside down."""
    path = tmp_path_factory.mktemp("perceptual") / "in.mkv"
    return media.two_shots(path, FRAMES, CUT, SIZE, lambda image: 255 - image[::-1], rate=16)


@pytest.fixture(scope="module", autouse=True)
def cheap():
    """Bytes count for little, so that shots of half a second are worth theirs."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(gate, "OCTAVE_GAIN", 0.2)
        yield


def job(source: Path, output: Path, **options) -> Compress:
    given = {"input": source, "output": output, "codec": "h264", "crf": 34, "restore": "perceptual"}
    return Compress(**given | options)


@pytest.fixture(scope="module")
def made(source):
    """A file with filters, and what is reported of it."""
    return run(job(source, source.with_name("out.mkv")))


def similarity(path: Path, source: Path) -> float:
    with Reader(path) as output, Reader(source) as target:
        found = [likeness(a.planes(), b.planes()) for a, b in zip(output, target, strict=True)]
    return math.fsum(found) / len(found)


def told(path: Path) -> sidecar.Sidecar:
    return sidecar.read(attached(path, RESTORE_TYPE)[0], "it")


def test_both_measures_are_those_of_what_is_shown(source, made, tmp_path):
    undone = run(Decompress(input=made.output, output=tmp_path / "undone.mkv")).output
    for path, said in ((undone, made.details["restored"]), (made.output, made.details["quality"])):
        assert compare(source, path).figure("psnr").mean == pytest.approx(said["mean"], abs=2e-4)
        assert similarity(path, source) == pytest.approx(said["ms_ssim"], abs=1e-5)
    assert made.details["restored"]["ms_ssim"] > made.details["quality"]["ms_ssim"] + 1e-4


def test_luma_is_fitted_to_the_shot_and_chroma_takes_a_strength(source, made):
    found = told(made.output)
    assert found.weights == postfilter("perceptual").weights != postfilter("fidelity").weights
    filtered = [shot for shot in found.shots if not shot.plain]
    assert len(found.shots) == 2 and filtered
    assert any(len(shot.y.coefficients) >= sidecar.TAPS[0] for shot in filtered)
    assert all(len(plane.coefficients) <= 1 for shot in filtered for plane in shot.planes[1:])


def test_any_player_shows_the_plain_stream(source, made, tmp_path):
    plain = run(job(source, tmp_path / "plain.mkv", restore="off"))
    assert pictures(plain.output) == pictures(made.output) and "ms_ssim" not in plain.details["quality"]


def test_each_is_better_by_its_own_measure(source, made, tmp_path):
    auto = run(job(source, made.output.with_name("auto.mkv"), restore="auto"))
    assert told(auto.output).weights == postfilter("fidelity").weights
    assert "ms_ssim" not in auto.details["restored"] and "ms_ssim" not in auto.details["quality"]
    undone = run(Decompress(input=auto.output, output=tmp_path / "undone.mkv")).output
    assert auto.details["restored"]["mean"] > made.details["restored"]["mean"]
    assert similarity(undone, source) < made.details["restored"]["ms_ssim"]


def test_a_shot_that_comes_out_worse_stays_as_it_is(source, tmp_path, monkeypatch):
    def worse(*given, **options):
        found = gate.gated(*given, **options)
        first = replace(found.shots[0], y=replace(found.shots[0].y, thresholds=b"", coefficients=(32,)))
        second = replace(found.shots[1], y=replace(found.shots[1].y, thresholds=b"", coefficients=(-60,)))
        return replace(found, shots=(first, second))

    monkeypatch.setattr(attach, "gated", worse)
    report = run(job(source, tmp_path / "out.mkv"))
    first, second = told(report.output).shots
    assert not first.plain and second == ShotFilter(second.milliseconds)
    undone = run(Decompress(input=report.output, output=tmp_path / "undone.mkv")).output
    assert similarity(undone, source) == pytest.approx(report.details["restored"]["ms_ssim"], abs=1e-5)


def test_similarity_decides_where_it_was_measured():
    sharp, near = Verdict("psnr", (30.0, 31.0), (0.99, 0.98)), Verdict("psnr", (32.0, 33.0), (0.97, 0.98))
    assert sharp.decisive > near.decisive
    assert replace(sharp, similar=()).decisive < replace(near, similar=()).decisive
    assert near.of(slice(1, 2)) == Verdict("psnr", (33.0,), (0.98,))


def test_nothing_is_added_where_nothing_is_won(source, tmp_path, monkeypatch):
    monkeypatch.setattr(gate, "OCTAVE_GAIN", 1e4)
    report = run(job(source, tmp_path / "out.mkv"))
    assert not attached(report.output, RESTORE_TYPE) and "restored" not in report.details
    assert any("none was added" in warning for warning in report.warnings)


def test_pictures_too_small_for_the_measure_are_refused(tmp_path):
    media.clip(tmp_path / "in.mkv", size=(320, 160))
    with pytest.raises(UsageError, match="161"):
        run(job(tmp_path / "in.mkv", tmp_path / "out.mkv"))
    assert not (tmp_path / "out.mkv").exists()


def test_both_measures_are_printed(source, tmp_path, capsys):
    order = ["compress", str(source), "-o", str(tmp_path / "out.mkv"), "--codec", "h264", "--crf", "34"]
    assert main([*order, "--restore", "perceptual"]) == 0
    said = capsys.readouterr()
    plain, restored = (line for line in (said.out + said.err).splitlines() if "psnr mean" in line)
    before, after = (float(line.split("; ms-ssim mean ")[1].split(";")[0]) for line in (plain, restored))
    assert restored.strip().startswith("by `vidwright decompress`") and 0.8 < before < after < 1
