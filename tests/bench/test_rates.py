"""The table of codecs: its points are real files, its savings those of the standard."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest

import media
from vidwright.bench import promises, rates
from vidwright.bench.promises import Kept
from vidwright.bench.rates import Coded, savings
from vidwright.cli.main import run as main
from vidwright.core.errors import BadInput
from vidwright.io import probe
from vidwright.io.codecs import EncoderSettings
from vidwright.io.join import SegmentPart, join
from vidwright.io.writer import encode_segment
from vidwright.metrics.bd import bd_rate


@pytest.fixture
def clip(tmp_path) -> Path:
    return media.clip(tmp_path / "a.mkv", frames=6, size=(176, 168), codec="ffv1")


def test_every_encoder_is_measured_at_every_crf(clip, monkeypatch):
    few = {name: rates.ENCODERS[name] for name in ("x264 medium", "SVT-AV1 8")}
    monkeypatch.setattr(rates, "ENCODERS", few)
    found = list(rates.points([clip]))
    both = [(name, crf) for crf in rates.CRFS["h264"] for name in ("x264 medium", rates.FILTERED["x264 medium"])]
    assert [(coded.encoder, coded.crf) for coded in found] == both + [("SVT-AV1 8", crf) for crf in rates.CRFS["av1"]]
    for plain, filtered in zip(found[:8:2], found[1:8:2], strict=True):
        assert filtered.bytes >= plain.bytes and filtered.figures["psnr_y"] >= plain.figures["psnr_y"]
        assert (filtered.bytes > plain.bytes) == (filtered.figures != plain.figures)
    assert any(filtered.bytes > plain.bytes for plain, filtered in zip(found[:8:2], found[1:8:2], strict=True))
    for first, *_, last in (found[:8:2], found[8:]):
        assert first.bytes > last.bytes and all(first.figures[name] > last.figures[name] for name in rates.FIGURES)
        assert first.encode_fps > 0 and first.decode_fps > 0
    with rates.Reader(clip, cuts=False) as reader:
        settings, segment = EncoderSettings("h264", 23), clip.with_name("b.mp4")
        encode_segment(reader, probe(clip).info, segment, settings)
    parts = [SegmentPart(segment, Fraction(0))]
    assert found[0].bytes == join(parts, None, clip.with_name("b.mkv"), info=probe(clip).info, settings=settings).bytes
    assert "x264 medium" in rates.text(found, savings(found))
    assert rates.as_json(found, [], {})["points"][0]["figures"]["vmaf"] == found[0].figures["vmaf"]


def coded(clip: str, encoder: str, scale: float) -> list[Coded]:
    quality = (30.0, 33.0, 36.0, 40.0)
    return [
        Coded(clip, encoder, n, round(scale * 1000 * 1.7**n), 1, 1, dict.fromkeys(rates.FIGURES, quality[n]))
        for n in range(4)
    ]


def test_savings_are_bd_rates_in_the_mean_over_clips():
    found = [
        *coded("a", "x265 medium", 1), *coded("a", "SVT-AV1 6", 0.7), *coded("b", "x265 medium", 1),
        *coded("b", "SVT-AV1 6", 0.9), *coded("c", "x265 medium", 1), *coded("c", "SVT-AV1 6", 0.1),
    ]  # fmt: skip
    rows = savings(found, without=["c"])
    (row,) = (r for r in rows if (r.encoder, r.anchor, r.figure) == ("SVT-AV1 6", "x265 medium", "vmaf"))
    assert row.percent == pytest.approx(-20, abs=0.1) and row.clips == 2
    rate, score = [1000 * 1.7**n for n in range(4)], (30, 33, 36, 40)
    assert bd_rate(rate, score, [0.7 * r for r in rate], score) == pytest.approx(-30)
    far = [replace(each, figures={"vmaf": 99.0}) for each in coded("a", "SVT-AV1 6", 1)]
    assert not [r for r in savings([*coded("a", "x265 medium", 1), *far]) if r.encoder == "SVT-AV1 6"]


def test_a_folder_without_clips_is_named(tmp_path, capsys):
    assert main(["bench", "compress", "--data", str(tmp_path)]) == BadInput.exit_code
    assert "no clip" in capsys.readouterr().err


def test_a_film_has_all_clips_in_one_size(tmp_path, clip):
    other = media.clip(tmp_path / "b.mkv", frames=4, size=(88, 84), codec="ffv1")
    film = promises.film([clip, other], tmp_path / "film.mkv")
    info = probe(film).info
    assert (info.width, info.height) == (176, 168)
    with rates.Reader(film, cuts=False) as reader:
        shown = [media.read_barcode(picture.frame().data) for picture in reader]
    assert shown == [*range(6), *range(4)]


def test_promises_are_counted(clip, monkeypatch):
    monkeypatch.setattr(promises, "SIZES", (6, 12))
    monkeypatch.setattr(promises, "QUALITIES", (("psnr", 34.0),))
    files = [*promises.sizes([clip], "h264", watch=lambda line: None)]
    assert all(kept.got is None or kept.got <= kept.wanted for kept in files)
    (good,) = promises.qualities([clip], "h264", watch=lambda line: None)
    assert good.got >= 34
    found = [("size", 100.0, 101.0), ("size", 100.0, 99.0), ("size", 100.0, 50.0), ("size", 9.0, None)]
    kept = [Kept("a", "av1", *each) for each in (*found, ("vmaf", 90.0, 90.5))]
    kept += [Kept("a", "av1", "size", 100.0, 50.0, most=True), Kept(promises.FILM, "av1", "size", 100.0, 99.0)]
    assert promises.text(kept).splitlines() == [
        "av1, clips: 4 sizes, 1 exceeded, 2 of 3 filled to 2 %",
        "av1, film: 1 sizes, 0 exceeded, 1 of 1 filled to 2 %",
        "av1: 1 of vmaf, 0 missed, median +0.500 above",
    ]
    assert promises.as_json(kept)[3]["got"] is None
