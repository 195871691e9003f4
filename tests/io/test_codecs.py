"""The table of codecs and what is refused before any work."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import pytest

from vidwright.core import VideoInfo
from vidwright.core.errors import UsageError
from vidwright.io.codecs import (
    CODECS,
    CONTAINERS,
    CRF_STEP,
    EncoderSettings,
    container_of,
    encoder_options,
    layout_of,
    pixel_format_for,
    pixel_format_warnings,
)


def info(pixel_format: str, size: tuple[int, int] = (64, 48)) -> VideoInfo:
    alpha = layout_of(pixel_format)[2]
    return VideoInfo(*size, Fraction(25), Fraction(1, 25), pixel_format=pixel_format, alpha=alpha)


@pytest.mark.parametrize("row", CODECS.values(), ids=lambda row: row.name)
def test_every_row_names_what_ffmpeg_has(row):
    encoder = av.Codec(row.encoder, "w")
    offered = {each.name for each in encoder.video_formats}
    assert set(row.formats.values()) <= offered
    assert row.segment in row.containers
    for name in row.containers:
        with av.open("/dev/null", "w", format=CONTAINERS[name]) as output:
            assert row.encoder in output.supported_codecs


@pytest.mark.parametrize(
    ("source", "codec", "expected"),
    [
        ("yuv420p", "h264", "yuv420p"),
        ("yuvj420p", "h264", "yuv420p"),
        ("yuv420p10le", "h264", "yuv420p10le"),
        ("p010le", "hevc", "yuv420p10le"),
        ("yuv422p10le", "hevc", "yuv422p10le"),
        ("yuv444p", "hevc", "yuv444p"),
        ("rgb24", "h264", "yuv444p"),
        ("gray", "h264", "yuv420p"),
        ("yuv420p12le", "av1", "yuv420p10le"),
        ("yuv420p", "prores", "yuv422p10le"),
        ("yuva444p", "prores", "yuva444p10le"),
        ("rgba", "ffv1", "yuva444p"),
        ("yuva420p", "ffv1", "yuva420p"),
    ],
)
def test_depth_chroma_and_alpha_stay_where_the_codec_has_them(source, codec, expected):
    assert pixel_format_for(info(source), EncoderSettings(codec)) == expected
    assert pixel_format_warnings(info(source), EncoderSettings(codec)) == ()


@pytest.mark.parametrize(
    ("source", "codec", "expected", "said"),
    [
        ("yuv444p", "av1", "yuv420p", "4:4:4 to 4:2:0"),
        ("yuva420p", "h264", "yuv420p", "transparency"),
        ("rgba", "av1", "yuv420p", "transparency"),
    ],
)
def test_what_a_codec_cannot_keep_is_named(source, codec, expected, said):
    assert pixel_format_for(info(source), EncoderSettings(codec)) == expected
    assert any(said in warning for warning in pixel_format_warnings(info(source), EncoderSettings(codec)))


@pytest.mark.parametrize("codec", ["h264", "hevc"])
def test_odd_sizes_are_coded_without_subsampling_and_said_so(codec):
    odd = info("yuv420p10le", (63, 48))
    assert pixel_format_for(odd, EncoderSettings(codec)) == "yuv444p10le"
    assert "63x48" in pixel_format_warnings(odd, EncoderSettings(codec))[0]


@pytest.mark.parametrize(
    "bad",
    [
        {"codec": "vp9"},
        {"crf": 52},
        {"crf": -1},
        {"preset": "warp"},
        {"threads": 0},
        {"pixel_format": "yuv411p"},
        {"codec": "ffv1", "crf": 10},
        {"codec": "prores", "crf": 1},
    ],
)
def test_settings_that_make_no_sense_are_usage_errors(bad):
    with pytest.raises(UsageError) as error:
        EncoderSettings(**bad)
    assert len(str(error.value).splitlines()) == 3


@pytest.mark.parametrize(
    ("name", "codec", "said"),
    [
        ("a.webm", "h264", ".mp4 or .mkv or .mov"),
        ("a.mov", "av1", ".webm"),
        ("a.mp4", "prores", ".mov"),
        ("a.avi", "h264", ".mp4"),
        ("a", "h264", ".mp4"),
        ("a.mp4", "ffv1", ".mkv"),
    ],
)
def test_a_container_that_cannot_hold_the_codec_is_refused_with_the_legal_ones(name, codec, said):
    with pytest.raises(UsageError, match="next:") as error:
        container_of(Path(name), codec)
    assert said in error.value.next_step


def test_the_suffix_counts_in_any_case():
    assert container_of(Path("A.MKV"), "h264") == "mkv"


def test_parts_of_a_crf_are_told_in_each_encoders_words():
    def options(codec, **more):
        return encoder_options(EncoderSettings(codec, **more), "yuv420p", 100, None)

    assert options("av1", crf=30.25)["svtav1-params"] == "lp=4:crf=30.25" and "crf" not in options("av1", crf=30.25)
    between = options("av1", crf=30.15)["svtav1-params"]
    assert between == "lp=4:crf=30.25:lambda-scale-factors=126,126,126,126,126,126,126"
    assert options("h264", crf=20.35)["crf"] == "20.35" and options("hevc")["crf"] == "20"
    assert "lossless=1" in options("hevc", lossless=True)["x265-params"] and "crf" not in options("hevc", lossless=True)
    assert options("av1", lossless=True, preset="ultrafast")["preset"] == "10"


def test_every_step_of_a_crf_is_other_words_to_av1():
    steps = [round(1 + CRF_STEP * n, 2) for n in range(round(62 / CRF_STEP) + 1)]
    said = [encoder_options(EncoderSettings("av1", crf=crf), "yuv420p", 100, None)["svtav1-params"] for crf in steps]
    assert steps[-1] == 63 and len(set(said)) == len(steps)


def test_presets_are_told_by_the_encoders_own_names():
    with pytest.raises(UsageError, match=r"ultrafast \(12\), .*medium \(6\)"):
        EncoderSettings("av1", preset="6")
    assert EncoderSettings("av1", preset="ultrafast").own_preset == "12"
    assert EncoderSettings("av1", preset="ultrafast", lossless=True).own_preset == "10"  # which is what is used
    assert EncoderSettings("h264", preset="slow", lossless=True).own_preset == "slow"
