"""The half of users' files that demos leave out goes through every step, and comes out as what it was."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import pytest

import media
from vidwright.core import Report
from vidwright.io import open_video, probe
from vidwright.jobs.enhance import Enhance
from vidwright.jobs.run import run
from vidwright.jobs.work import Local
from vidwright.models import card
from writing import furthest, numbers, packets, times

#: Each step alone, and all in one pass.
STEPS: dict[str, dict[str, Any]] = {
    "deinterlace": {"deinterlace": "bwdif", "scale": 1},
    "clean": {"clean": "on", "scale": 1},
    "enlarge": {"scale": 2},
    "resize": {"scale": 1.5},
    "interpolate": {"fps": "x2", "scale": 1},
    "all": {"deinterlace": "bwdif", "clean": "on", "scale": 1.5, "fps": "x2"},
}


NETWORKS = {"clean": "enhance/cleaner", "fps": "enhance/interpolator"}


#: Those that are tried each time; the others, alone, with the slow tests.
ALWAYS = ("enlarge", "all")


@pytest.fixture(params=[pytest.param(name, marks=[pytest.mark.slow] * (name not in ALWAYS)) for name in STEPS])
def steps(request) -> dict[str, Any]:
    chosen = STEPS[request.param]
    if missing := [name for option, name in NETWORKS.items() if option in chosen and not card(name).weights]:
        pytest.skip(f"no weights of {missing} are shipped")
    return chosen


def done(source: Path, suffix: str = "mkv", **options: Any) -> Report:
    """The job with nothing left to decide, and nothing to warn of."""
    plain = {"clean": "off", "deinterlace": "off", "field_order": "top", "preset": "ultrafast", "codec": "ffv1"}
    job = Enhance(**{"input": source, "output": source.with_name(f"out.{suffix}")} | plain | options)
    report = run(job, on=Local(threads=1))
    assert report.warnings == () and not report.damage
    return report


def scale(steps: dict[str, Any]) -> Fraction:
    return Fraction(steps["scale"])


def each(steps: dict[str, Any]) -> int:
    """How many frames come of one."""
    return (1 + (steps.get("deinterlace") == "bwdif")) * (1 + ("fps" in steps))


def test_ten_bit_hdr(tmp_path, steps):
    source = media.clip(tmp_path / "in.mkv", frames=3, hdr10=True)
    before, after = probe(source).info, probe(done(source, "mp4", codec="hevc", **steps).output).info
    assert (after.pixel_format, after.colour) == ("yuv420p10le", before.colour)
    assert after.hdr == before.hdr and after.hdr is not None


def test_ten_bits_are_not_eight(tmp_path, steps):
    source = media.clip(tmp_path / "in.mkv", frames=2, codec="ffv1", pix_fmt="yuv420p10le", size=(128, 96))
    with av.open(str(done(source, **steps).output)) as output:
        codes = next(output.decode(video=0)).to_ndarray()
    assert (codes & 3).any(axis=None) and (codes & 3).mean() > 0.5


def test_rotated(tmp_path, steps):
    source = media.clip(tmp_path / "in.mp4", frames=3, size=(64, 96), rotation=90)
    report = done(source, **steps)
    info = probe(report.output).info
    assert (info.width, info.height, info.rotation) == (64 * scale(steps), 96 * scale(steps), 0)
    assert numbers(report.output)[:: each(steps)] == [0, 1, 2]


def test_variable_times(tmp_path, steps):
    moments = [Fraction(n, 1000) for n in (0, 40, 45, 300, 310, 700)]
    source = media.clip(tmp_path / "in.mkv", times=moments)
    report = done(source, **steps)
    if "fps" in steps:
        found = times(report.output)
        rate = probe(report.output).info.rate
        assert max(abs(time - n / rate) for n, time in enumerate(found)) <= Fraction(1, 1000)
    else:
        assert report.frames == 6 * each(steps)
        assert max(abs(a - b) for a, b in zip(times(report.output)[:: each(steps)], moments, strict=True)) <= Fraction(
            1, 1000
        )


def test_odd_sizes_and_pixels_that_are_not_square(tmp_path, steps):
    source = media.clip(tmp_path / "in.mkv", frames=3, size=(65, 49), pix_fmt="yuv444p", sar=Fraction(4, 3))
    info = probe(done(source, "mkv", codec="h264", **steps).output).info
    wanted = {1: (65, 49), 2: (130, 98), Fraction(3, 2): (98, 74)}[scale(steps)]
    assert (info.width, info.height, info.sample_aspect) == (*wanted, Fraction(4, 3))


def test_alpha(tmp_path, steps):
    source = media.clip(tmp_path / "in.mkv", frames=3, codec="ffv1", pix_fmt="yuva444p")
    report = done(source, **steps)
    assert probe(report.output).info.alpha
    opaque = next(iter(open_video(source))).data[3].mean()
    for frame in open_video(report.output):
        assert frame.data.shape[0] == 4 and abs(frame.data[3].mean() - opaque) < 0.02


def test_interlaced(tmp_path, steps):
    source = media.clip(tmp_path / "in.mkv", frames=4, interlaced=True)
    report = run(
        Enhance(
            input=source,
            output=tmp_path / "out.mkv",
            **{"clean": "off", "codec": "ffv1", "deinterlace": "bwdif"} | steps,
        ),
        on=Local(threads=1),
    )
    rate = 50 * (1 + ("fps" in steps))
    assert probe(report.output).info.field_order == "progressive" and report.warnings == ()
    assert report.frames == 4 * rate // 25
    assert furthest(report.output, [Fraction(n, rate) for n in range(report.frames)]) <= Fraction(1, 1000)


def test_one_frame(tmp_path, steps):
    source = media.clip(tmp_path / "in.mkv", frames=1, codec="ffv1")
    report = done(source, **steps)
    assert report.frames == each(steps) and set(numbers(report.output)) == {0}


def test_everything_else_of_the_file(tmp_path, steps):
    source = media.clip(tmp_path / "in.mkv", frames=12, audio=2, subtitles=True, chapters=2, attachment=True)
    report = done(source, **steps)
    for kind, count in (("audio", 2), ("subtitle", 1)):
        for index in range(count):
            assert packets(report.output, kind, index) == packets(source, kind, index)
    assert probe(report.output).streams.chapters == 2
    assert report.frames == 12 * each(steps) and furthest(
        report.output, [Fraction(n, 25 * each(steps)) for n in range(report.frames)]
    ) <= Fraction(1, 1000)


@pytest.mark.slow
def test_four_thousand_columns(tmp_path, steps):
    """A picture of 8 million pixels, enlarged to 33 million."""
    source = media.clip(tmp_path / "in.mp4", frames=2, size=(3840, 2160))
    report = done(source, "mp4", codec="h264", **steps)
    info = probe(report.output).info
    assert (info.width, info.height) == (3840 * scale(steps), 2160 * scale(steps))
    assert numbers(report.output)[:: each(steps)] == [0, 1]
