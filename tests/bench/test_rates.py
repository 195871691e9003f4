"""The table of codecs: its points are real files, its savings those of the standard."""

from __future__ import annotations

import itertools
import json
import math
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from xml.etree import ElementTree

import pytest
import torch
from safetensors.torch import save_file

import media
from vidwright.bench import promises, rates
from vidwright.bench.promises import Kept
from vidwright.bench.rate_plot import curves, write_plots
from vidwright.bench.rates import Coded, savings
from vidwright.cli.main import run as main
from vidwright.core.errors import BadInput, JobFailed, ModelRefused
from vidwright.io import probe
from vidwright.io.codecs import EncoderSettings
from vidwright.io.join import SegmentPart, join
from vidwright.io.writer import encode_segment
from vidwright.jobs import gate
from vidwright.metrics.bd import bd_rate
from vidwright.metrics.lpips import LpipsNet

WITHOUT_WEIGHTS = tuple(name for name in rates.FIGURES if name != "lpips")


@pytest.fixture
def clip(tmp_path) -> Path:
    return media.clip(tmp_path / "a.mkv", frames=6, size=(176, 168), codec="ffv1")


def test_every_encoder_is_measured_at_every_crf(clip, monkeypatch):
    few = {name: rates.ENCODERS[name] for name in ("x264 medium", "SVT-AV1 8")}
    monkeypatch.setattr(rates, "ENCODERS", few)
    found = list(rates.points([clip]))
    filtered = rates.FILTERED["x264 medium"]["auto"]
    both = [(name, crf) for crf in rates.CRFS["h264"] for name in ("x264 medium", filtered)]
    assert [(coded.encoder, coded.crf) for coded in found] == both + [("SVT-AV1 8", crf) for crf in rates.CRFS["av1"]]
    for plain, filtered in zip(found[:8:2], found[1:8:2], strict=True):
        assert filtered.bytes >= plain.bytes and filtered.figures["psnr_y"] >= plain.figures["psnr_y"]
        assert (filtered.bytes > plain.bytes) == (filtered.figures != plain.figures)
    assert any(filtered.bytes > plain.bytes for plain, filtered in zip(found[:8:2], found[1:8:2], strict=True))
    for first, *_, last in (found[:8:2], found[8:]):
        assert first.bytes > last.bytes and all(first.figures[name] > last.figures[name] for name in WITHOUT_WEIGHTS)
        assert first.encode_fps > 0 and first.decode_fps > 0
    with rates.Reader(clip, cuts=False) as reader:
        settings, segment = EncoderSettings("h264", 23), clip.with_name("b.mp4")
        encode_segment(reader, probe(clip).info, segment, settings)
    parts = [SegmentPart(segment, Fraction(0))]
    assert found[0].bytes == join(parts, None, clip.with_name("b.mkv"), info=probe(clip).info, settings=settings).bytes
    assert "x264 medium" in rates.text(found, savings(found))
    assert {coded.pixels for coded in found} == {6 * 176 * 168}
    assert rates.as_json(found, [], {})["points"][0]["figures"]["vmaf"] == found[0].figures["vmaf"]


def test_both_sets_are_measured_beside_the_plain_stream(tmp_path, monkeypatch):
    monkeypatch.setattr(rates, "ENCODERS", {"x265 medium": rates.ENCODERS["x265 medium"]})
    monkeypatch.setattr(rates, "CRFS", {"hevc": (36,)})
    monkeypatch.setattr(gate, "OCTAVE_GAIN", 0.2)  # a third of a second is worth no attachment
    plain, near, alike = rates.points([media.FLOWER], frames=8)
    assert [each.encoder for each in (plain, near, alike)] == ["x265 medium", *rates.FILTERED["x265 medium"].values()]
    assert plain.bytes < alike.bytes < near.bytes  # chroma takes a strength alone
    assert alike.figures["ms_ssim"] > plain.figures["ms_ssim"]
    assert near.figures["psnr_y"] > alike.figures["psnr_y"]
    small = media.clip(tmp_path / "small.mkv", frames=3, size=(160, 96), codec="ffv1")
    assert [each.encoder for each in rates.points([small], frames=3)] == ["x265 medium", "x265 medium + filter"]


def coded(clip: str, encoder: str, scale: float) -> list[Coded]:
    quality = (30.0, 33.0, 36.0, 40.0)
    return [
        Coded(clip, encoder, n, round(scale * 1000 * 1.7**n), 8000, 1, 1, dict.fromkeys(WITHOUT_WEIGHTS, quality[n]))
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


def test_a_curve_is_the_mean_over_clips_at_each_crf():
    found = [*coded("a", "SVT-AV1 6", 1), *coded("b", "SVT-AV1 6", 4), *coded("a", "x264 medium", 1)]
    first, second = curves(found, "psnr_y")
    assert (first.encoder, second.encoder) == ("x264 medium", "SVT-AV1 6")
    assert first.points == [(pytest.approx(1.7**n, rel=1e-3), (30, 33, 36, 40)[n]) for n in range(4)]
    assert second.points == [(pytest.approx(2 * 1.7**n, rel=1e-3), (30, 33, 36, 40)[n]) for n in range(4)]


def drawing(path: Path) -> tuple[list[list[tuple[float, float]]], list[tuple[float, str]]]:
    """Where an SVG file has the dots of each curve, and its names with their heights."""
    parts = list(ElementTree.parse(path).getroot())
    dots = [(part.get("fill"), float(part.get("cx", "")), float(part.get("cy", ""))) for part in parts if part.get("r")]
    names = [(float(part.get("y", "")), part.text or "") for part in parts if part.text in rates.ROWS]
    return [[(x, y) for _, x, y in group] for _, group in itertools.groupby(dots, key=lambda dot: dot[0])], names


def test_plots_are_drawn_of_what_is_known(tmp_path):
    found = [*coded("a", "x265 medium", 1), *coded("a", "SVT-AV1 6", 0.7), *coded("b", "SVT-AV1 6", 9)]
    found = [replace(each, figures=each.figures | {"ms_ssim": 1 - 1 / each.figures["vmaf"]}) for each in found]
    write_plots(found, tmp_path, without=["b"])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["ms_ssim.svg", "psnr_y.svg", "vmaf.svg"]
    for path in tmp_path.iterdir():
        (anchor, better), names = drawing(path)
        assert all(x < right and y > above for (x, y), (right, above) in itertools.pairwise(anchor))
        shift = anchor[0][0] - better[0][0]  # a ratio of rates is a distance
        assert shift > 0
        for (x, y), (left, same) in zip(anchor, better, strict=True):
            assert y == same and x - left == pytest.approx(shift, abs=0.3)
        assert sorted(name for _, name in names) == ["SVT-AV1 6", "x265 medium"]
        assert "one clip" in path.read_text()


def test_names_do_not_touch_and_stay_in_the_picture(tmp_path):
    for worse in (1.0, 0.99, 0.1):  # ends at one place, beside one another, all but one at the lower edge
        found = coded("a", rates.ROWS[0], 1)
        for row in rates.ROWS[1:]:
            found += [replace(each, figures={"vmaf": each.figures["vmaf"] * worse}) for each in coded("a", row, 1)]
        write_plots(found, tmp_path)
        _, names = drawing(tmp_path / "vmaf.svg")
        heights = [y for y, _ in names]
        assert len(names) == len(rates.ROWS) and min(heights) > 0 and max(heights) < 540
        assert all(below - above >= 18.9 for above, below in itertools.pairwise(sorted(heights)))


def test_lpips_is_drawn_upside_down_and_saves_as_others_do(tmp_path):
    found = [
        replace(each, figures={"lpips": 1 / each.figures["vmaf"]})
        for each in [*coded("a", "x265 medium", 1), *coded("a", "SVT-AV1 6", 0.7)]
    ]
    write_plots(found, tmp_path)
    (points, _), _ = drawing(tmp_path / "lpips.svg")
    assert all(y > above for (_, y), (_, above) in itertools.pairwise(points))
    (row,) = (r for r in savings(found) if r.anchor == "x265 medium")
    assert row.figure == "lpips" and row.percent == pytest.approx(-30, abs=0.1)
    header = rates.text(found, savings(found)).splitlines()[0]
    assert header.endswith("lpips") and "vmaf" not in header


def test_the_command_measures_lpips_and_draws(clip, tmp_path, monkeypatch):
    monkeypatch.setattr(rates, "ENCODERS", {"x265 medium": rates.ENCODERS["x265 medium"]})
    monkeypatch.setattr(rates, "FILTERED", {})
    weights, drawn = tmp_path / "lpips.safetensors", tmp_path / "made" / "plots"
    torch.manual_seed(1)
    save_file(LpipsNet().state_dict(), weights)
    words = ["bench", "compress", "--data", str(clip.parent), "--quick", "--plots", str(drawn)]
    assert main([*words, "--lpips", str(weights), "--json", str(tmp_path / "all.json")]) == 0
    points = json.loads((tmp_path / "all.json").read_text())["points"]
    far = [point["figures"]["lpips"] for point in points]
    assert all(math.isfinite(each) for each in far) and far[0] > 0 and len(set(far)) == 4
    assert sorted(path.stem for path in drawn.iterdir()) == ["lpips", "ms_ssim", "psnr_y", "vmaf"]


@pytest.mark.parametrize(
    ("option", "code", "said"),
    [("--lpips", ModelRefused.exit_code, "safetensors"), ("--plots", JobFailed.exit_code, "writing failed")],
)
def test_files_that_are_something_else_are_refused_before_the_work(clip, capsys, option, code, said):
    assert main(["bench", "compress", "--data", str(clip.parent), "--quick", option, str(clip)]) == code
    complaint = capsys.readouterr().err
    assert said in complaint and "x264" not in complaint


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
