"""Steps in a row are one process: what they need adds up, and a job in pieces gives the frames of the whole."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import pytest
import torch

import media
import scenes
import tiny
from doing import exact, pictures
from vidwright.core import Frame, Needs, VideoInfo
from vidwright.core.errors import UsageError
from vidwright.io import open_video, probe, save_video
from vidwright.jobs.enhance import Enhance, enhance, enlarged
from vidwright.jobs.run import run
from vidwright.jobs.steps import bwdif, chain, fields, resize, through
from vidwright.jobs.work import Local
from vidwright.models import load
from vidwright.models.enhance.interpolator import Config, Net
from vidwright.nn.model import FrameModel, InterpolationModel
from writing import furthest, numbers, times

HERE = Local(threads=1)
INFO = VideoInfo(64, 48, Fraction(25), Fraction(1, 25), length=10, field_order="top")


class Looking(FrameModel):
    """Needs without work."""

    def __init__(self, **needs: int) -> None:
        super().__init__()
        self.needs = Needs(**needs)


@pytest.mark.parametrize(
    ("networks", "whole"),
    [
        ([], (1, 1, 0, 0)),
        ([(2, 1, 1, 0), (4, 1, 2, 1)], (8, 1, 3, 1)),
        ([(1, 2, 1, 1), (1, 1, 1, 2)], (1, 2, 2, 2)),
        ([(1, 2, 0, 0), (1, 1, 3, 3)], (1, 2, 2, 2)),
        ([(1, 1, 3, 0), (1, 2, 0, 0), (1, 2, 0, 0), (1, 1, 0, 4)], (1, 4, 3, 1)),
    ],
)
def test_needs_add_up_in_frames_of_the_source(networks, whole):
    """Scale, rate, warm-up, look-ahead."""
    names = ("scale", "rate", "warmup", "lookahead")
    steps = [through(Looking(**dict(zip(names, each, strict=True)))) for each in networks]
    assert chain(INFO, steps).needs == Needs(*whole)


def test_the_result_is_described():
    info = chain(INFO, [bwdif, through(Looking(scale=2)), resize(100, 70)]).info
    assert (info.width, info.height, info.rate, info.length) == (100, 70, 50, 20)
    assert (info.field_order, info.time_base, info.colour.matrix) == ("progressive", Fraction(1, 50), 6)
    assert chain(INFO, [through(Looking())]).info.field_order == "top"


@pytest.mark.parametrize(
    ("scale", "size"),
    [(1, (33, 17)), (2, (66, 34)), (3, (99, 51)), (1.5, (50, 26)), (1.03, (34, 18)), (7.9, (260, 134))],
)
def test_sizes_are_whole_multiples_or_even(scale, size):
    assert enlarged(replace(INFO, width=33, height=17), scale) == size


def test_fields_get_the_order_that_nothing_tells():
    given = [
        Frame(torch.zeros(3, 4, 4), Fraction(n), field_order=order) for n, order in enumerate(("progressive", "top"))
    ]
    process = chain(INFO, [fields("bottom")])
    assert [frame.field_order for frame in process.stream(given, None)] == ["bottom", "top"]


def job(source, output, **options):
    return exact(
        source, output, **{"clean": "off", "deinterlace": "bwdif", "field_order": "top", "scale": 1.5} | options
    )


@pytest.fixture
def short_segments(monkeypatch):
    monkeypatch.setattr("vidwright.jobs.planning.SEGMENT_SECONDS", Fraction(1, 5))


@pytest.fixture
def interlaced(tmp_path):
    return scenes.write(tmp_path / "in.mkv", scenes.scene(0, 23, (64, 48), pace=2))


def test_a_job_of_many_steps_is_the_same_as_they_are_on_the_whole_video(tmp_path, interlaced, short_segments):
    """At twice the rate, in pieces, by two processes, and through other networks than those of `Enhance`."""
    weights = tiny.weights(tmp_path / "w.safetensors")
    options = {"model": str(weights), "dtype": "fp32"}
    report = run(job(interlaced, tmp_path / "out.mkv", **options), on=Local(workers=2, threads=1))
    video = open_video(interlaced)
    network = load("enhance/restorer", weights, device="cpu", dtype="fp32")
    process = chain(video.info, [fields("top"), bwdif, through(network), resize(96, 72)])
    whole = replace(video, info=process.info, frames=lambda: process.stream(video.frames(), None))
    saved = save_video(whole, tmp_path / "saved.mkv", codec="ffv1")
    assert report.frames == 46 and report.details["segments"] == 5
    assert pictures(report.output) == pictures(saved.output) and len(set(pictures(saved.output))) == 46
    assert times(report.output) == times(saved.output) == [Fraction(n * 20, 1000) for n in range(46)]
    after = probe(report.output).info
    assert (after.width, after.height, after.rate, after.field_order) == (96, 72, 50, "progressive")


def test_a_job_at_a_rate_of_its_own_is_the_same_in_pieces(tmp_path, short_segments):
    """Uneven times in, a beat that misses most of them out; cuts, a repeat, and a still end."""
    moments = [Fraction(n, 1000) for n in (7, 40, 80, 125, 160, 200, 247, 250, 320, 400, 430, 480, 520, 560, 600, 950)]
    source = media.clip(tmp_path / "in.mkv", times=moments, cuts=(5, 12), codec="ffv1", pix_fmt="yuv444p")
    report = run(exact(source, tmp_path / "out.mkv", scale=1.5, fps="48"), on=HERE)
    video = open_video(source)
    process = chain(video.info, [through(load("enhance/lanczos", scale=2)), resize(96, 72)])
    large = replace(video, info=process.info, frames=lambda: process.stream(video.frames(), None))
    network = load("enhance/interpolator", "fast", kind=InterpolationModel, device="cpu")
    saved = save_video(enhance(large, network, fps=48), tmp_path / "saved.mkv", codec="ffv1")
    assert report.details["segments"] >= 4
    assert pictures(report.output) == pictures(saved.output)
    assert furthest(report.output, [Fraction(n, 48) for n in range(report.frames)]) <= Fraction(1, 1000)
    assert abs(times(report.output)[0] - times(saved.output)[0]) <= Fraction(1, 1000)


def test_interpolation_is_the_last_model_and_has_a_rate(tmp_path):
    video, network = open_video(media.clip(tmp_path / "in.mp4", frames=4)), Net(Config()).eval()
    lanczos = load("enhance/lanczos")
    made = enhance(video, lanczos, network, fps=50)
    found, large = list(made), list(enhance(video, lanczos))
    assert (made.info.rate, made.info.length, made.info.width) == (50, 8, 128)
    assert [frame.time for frame in found] == [Fraction(n, 50) for n in range(8)]
    assert all(torch.equal(one.data, other.data) for one, other in zip(found[::2], large, strict=True))
    for networks, fps in (((network,), None), ((lanczos,), 50), ((network, lanczos), 50), ((network,), 25), ((), 50)):
        with pytest.raises(UsageError):
            enhance(video, *networks, fps=fps)


@pytest.mark.slow
@pytest.mark.parametrize("options", [{}, {"fps": "80"}], ids=["twice", "at a rate"])
def test_killed_and_run_again(tmp_path, interlaced, options, forks):
    whole = forks.run(job(interlaced, tmp_path / "whole.mkv", **options), segment="1/5")
    wanted = pictures(tmp_path / "whole.mkv")
    resumed = 0
    for number, part in enumerate((0.5, 0.6, 0.7, 0.8)):
        again = job(interlaced, tmp_path / f"{number}.mkv", **options)
        forks.run(again, segment="1/5", kill_after=part * whole["seconds"])
        ended = forks.run(again, segment="1/5") if not again.output.exists() else {"resumed": 0}
        resumed += ended["resumed"] > 0
        assert pictures(again.output) == wanted
    assert resumed


def test_progress_and_reports_count_what_comes_out(tmp_path, interlaced, short_segments):
    events = []
    report = run(job(interlaced, tmp_path / "out.mkv"), on=HERE, watch=events.append)
    work = [(event.done, event.total) for event in events if event.stage == "work"]
    assert report.frames == 46 and work == [(n, 46) for n in range(47)]


def test_a_range_gives_the_frames_of_the_whole(tmp_path, interlaced, short_segments):
    whole = run(job(interlaced, tmp_path / "whole.mkv"), on=HERE)
    part = run(job(interlaced, tmp_path / "part.mkv", start=0.28, stop=0.8), on=HERE)
    assert pictures(part.output) == pictures(whole.output)[14:40]


@pytest.mark.parametrize("scale", [1.5, 3])
def test_free_sizes_are_the_larger_network_and_a_resample(tmp_path, scale):
    source = media.clip(tmp_path / "in.mkv", frames=4, codec="ffv1", pix_fmt="yuv444p")
    report = run(exact(source, tmp_path / "out.mkv", scale=scale), on=HERE)
    found = probe(report.output).info
    assert (found.width, found.height) == (64 * scale, 48 * scale) and numbers(report.output) == [0, 1, 2, 3]
    for small, large in zip(open_video(source), open_video(report.output), strict=True):
        back = torch.nn.functional.interpolate(large.data[None], size=(48, 64), mode="bicubic", antialias=True)[0]
        assert (back - small.data).abs().mean() < 0.02


def test_a_job_without_a_decision_is_decided_first(tmp_path):
    source = media.clip(tmp_path / "in.mp4", frames=4)
    options = {"input": source, "model": "lanczos", "codec": "ffv1"}
    open_, told = Enhance(output=tmp_path / "a.mkv", **options), exact(source, tmp_path / "b.mkv", preset="medium")
    decided, line = open_.decided()
    assert line == "in.mp4: 64x48, 25 fps -> x2"
    assert decided == told.model_copy(update={"output": tmp_path / "a.mkv", "strength": 1.0})
    assert pictures(run(open_, on=HERE).output) == pictures(run(told, on=HERE).output)
