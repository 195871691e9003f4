"""What is seen in a clip, and what is decided from it."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import pytest
import torch

import media
import scenes
import tiny
from vidwright.core import VideoInfo
from vidwright.core.errors import BadInput, UsageError
from vidwright.jobs.auto import Findings, decide, look_at
from vidwright.jobs.enhance import Enhance
from vidwright.jobs.options import EnhanceOptions

GOOD = Findings(VideoInfo(640, 360, Fraction(25), Fraction(1, 25)), 0.4, 0.2, 18.0, "progressive")
OPEN = EnhanceOptions()


def decided(found: Findings, **options: object) -> str:
    """In words, from options as a user gives them."""
    return decide(found, EnhanceOptions.model_validate(options)).words()


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (GOOD, "x2"),
        (replace(GOOD, noise=4.0), "clean, x2"),
        (replace(GOOD, quantiser=34.0), "clean, x2"),
        (replace(GOOD, grid=2.0, quantiser=None), "clean, x2"),
        (replace(GOOD, field_order="bottom"), "deinterlace, x2"),
        (replace(GOOD, info=replace(GOOD.info, field_order="top"), noise=9.0), "deinterlace, clean, x2"),
        (replace(GOOD, info=replace(GOOD.info, width=1280, height=720)), "x2"),
        (replace(GOOD, info=replace(GOOD.info, width=720, height=1280)), "x2"),
        (replace(GOOD, info=replace(GOOD.info, width=1920, height=1080)), "nothing"),
        (replace(GOOD, info=replace(GOOD.info, width=1920, height=1080), noise=4.0), "clean"),
    ],
)
def test_what_is_found_decides(found, words):
    assert decided(found) == words


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"scale": 1.5}, "deinterlace, clean, x1.5"),
        ({"height": 1080, "clean": "off"}, "deinterlace, x3"),
        ({"deinterlace": "bwdif", "scale": 1}, "deinterlace by bwdif, clean"),
        ({"deinterlace": "off", "strength": 0.5, "scale": 1}, "clean (strength 0.5)"),
        ({"deinterlace": "off", "strength": 0}, "x2"),
        ({"look": "screen"}, "x2"),
        ({"look": "screen", "clean": "on"}, "clean, x2"),
        ({"look": "phone"}, "clean, x2"),
        ({"look": "old-film"}, "deinterlace, clean (strength 1.25), x2"),
        ({"look": "old-film", "strength": 0.75}, "deinterlace, clean (strength 0.75), x2"),
        ({"look": "anime", "scale": 4}, "deinterlace, clean (strength 0.6), x4"),
    ],
)
def test_what_is_asked_for_goes_before_what_is_found(options, words):
    assert decided(replace(GOOD, noise=4.0, field_order="top"), **options) == words


def test_looks_decide_for_good_clips_too():
    assert decided(GOOD, look="old-film") == "clean (strength 1.25), x2"
    assert decided(GOOD, look="phone") == decided(GOOD, look="screen") == "x2"
    assert decided(GOOD, strength=0.5) == "clean (strength 0.5), x2"  # whoever says how much wants it


def test_a_decision_is_decided():
    once = decide(replace(GOOD, noise=4.0, field_order="bottom"), OPEN)
    assert (once.field_order, once.strength, once.scale, once.height) == ("bottom", 1.0, 2, None)
    assert decide(GOOD, once) == once  # whatever is found later


def test_weights_that_are_named_bring_their_scale(tmp_path):
    large = replace(GOOD, info=replace(GOOD.info, width=1920, height=1080))
    weights = tiny.weights(tmp_path / "w.safetensors", replace(tiny.CONFIG, scale=4))
    assert decided(large, model=str(weights)) == "x4"
    assert decided(large, model="lanczos", clean="on") == "clean"


@pytest.mark.parametrize("height", [180, 359, 2881])
def test_heights_that_cannot_be_had_are_refused(height):
    with pytest.raises(UsageError, match=r"360 rows(.|\n)*give a height from 360 to 2880"):
        decide(GOOD, EnhanceOptions(height=height))


def test_the_line_says_what_was_seen():
    found = Findings(replace(GOOD.info, rate=Fraction(24000, 1001)), 7.3, 0.1, 36.0, "top")
    assert found.words() == "640x360, 23.976 fps, noisy (7.3 of 255), coarsely coded, interlaced (top field first)"
    assert GOOD.words() == Findings(GOOD.info).words() == "640x360, 25 fps"


def seen(path, **options: object) -> Findings:
    return look_at(path, EnhanceOptions.model_validate(options))


def test_good_clips_are_found_good(tmp_path):
    found = seen(scenes.write(tmp_path / "in.mp4", scenes.scene(0, 30, (128, 96))))
    assert not found.noisy and not found.blocky and found.field_order == "progressive"
    barcodes = seen(media.clip(tmp_path / "sharp.mp4", frames=20))
    assert not barcodes.noisy and not barcodes.blocky and barcodes.field_order == "progressive"


def test_noise_and_coarse_coding_are_found(tmp_path):
    clean = scenes.scene(0, 20, (128, 96))
    noise = torch.randn(clean.shape, generator=torch.Generator().manual_seed(0)) * 12 / 255
    found = seen(scenes.write(tmp_path / "noisy.mp4", (clean + noise).clamp(0, 1)))
    assert found.noisy and not found.blocky
    coarse = seen(media.clip(tmp_path / "coarse.mp4", frames=20, options={"crf": "45"}))
    assert coarse.blocky and not coarse.noisy


@pytest.mark.parametrize("later", ["top", "bottom"])
def test_interlaced_pictures_that_nothing_marks_are_found(tmp_path, later):
    moments = scenes.scene(0, 60, (128, 96), pace=2)
    row = 0 if later == "top" else 1
    woven = moments[0::2].clone()
    woven[:, :, row::2] = moments[1::2, :, row::2]
    found = seen(scenes.write(tmp_path / "in.mp4", woven))
    assert found.field_order == ("bottom" if later == "top" else "top")


def test_nobody_looks_when_nothing_is_open(tmp_path, monkeypatch):
    source = media.clip(tmp_path / "in.mp4", frames=3)
    monkeypatch.setattr("vidwright.jobs.auto.glimpses", lambda *args, **options: 1 / 0)
    assert seen(source, clean="off", deinterlace="off").noise is None
    assert seen(source, look="screen").noise is None
    assert seen(source, clean="on", deinterlace="on", field_order="top").noise is None
    marked = media.clip(tmp_path / "fields.mkv", frames=3, interlaced=True)
    assert seen(marked, clean="off").info.field_order == "top"


def test_what_is_no_video_is_refused(tmp_path):
    (tmp_path / "in.mp4").write_text("only words")
    with pytest.raises(BadInput):
        seen(tmp_path / "in.mp4")


@pytest.mark.parametrize("steps", [{"scale": 2}, {"scale": 3}, {"scale": 1, "deinterlace": "on"}])
def test_the_best_networks_are_the_fast_ones_where_no_better_are_shipped(tmp_path, steps):
    fast, best = (
        Enhance(input=tmp_path / "a", output=tmp_path / "b", clean="off", quality=quality, **steps).networks()
        for quality in ("fast", "best")
    )
    assert [network.needs.scale for network in best.all()] == [network.needs.scale for network in fast.all()] != []
