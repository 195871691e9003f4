"""A job that learns from its input first: once, and the same for all who take part in it."""

from __future__ import annotations

import threading
from dataclasses import asdict
from fractions import Fraction

import pytest

import media
import tiny
from doing import exact, listing, pictures
from vidwright.core import VideoInfo
from vidwright.core.errors import Interrupted
from vidwright.core.files import sha256
from vidwright.jobs import adapt as adapting
from vidwright.jobs.run import run
from vidwright.jobs.work import Local
from vidwright.models.enhance.restorer import Net
from vidwright.train.schedule import Budget
from vidwright.weights.store import read_header, save_weights

HERE = Local(threads=1)


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr("vidwright.jobs.run.SEGMENT_SECONDS", Fraction(1, 5))


@pytest.fixture
def few_steps(monkeypatch):
    """Whatever the machine can do in a minute."""
    monkeypatch.setattr("vidwright.jobs.enhance.Budget", lambda minutes: Budget(steps=12))


@pytest.fixture
def source(tmp_path):
    return media.clip(tmp_path / "in.mkv", frames=24, codec="ffv1", pix_fmt="yuv444p")


def job(source, output, **options):
    weights = source.with_name("w.safetensors")
    if not weights.exists():
        net = tiny.says(Net(tiny.CONFIG), {"bicubic": 1.0})
        save_weights(weights, net.state_dict(), {"model": "enhance/restorer", "config": asdict(tiny.CONFIG)})
    return exact(source, output, **{"model": str(weights), "dtype": "fp32", "adapt": 1.0} | options)


def pupil(learner, frames: int = 24) -> adapting.Pupil:
    found = learner.pupil(VideoInfo(64, 48, Fraction(25), Fraction(1, 25), length=frames))
    assert found is not None
    return found


def test_it_learns_once_and_all_use_the_same_weights(tmp_path, source, few_steps):
    before, told = sha256(source), []
    first = run(job(source, tmp_path / "a.mkv"), on=HERE, tell=told.append)
    (learned,) = adapting.cache_folder().iterdir()
    gain = adapting.Gain(**read_header(learned)["adapted"])
    assert gain.won and gain.steps == 12
    words = f"in.mkv: learned from the clip: {gain.decibels:+.2f} dB on its held-out frames, shrunk and enlarged again"
    assert told[-2:] == ["in.mkv: learning from the clip", words]
    stamp = learned.stat().st_mtime_ns
    again = run(job(source, tmp_path / "b.mkv"), on=Local(workers=2, threads=1), tell=told.append)
    assert told[-1] == f"{words}, in an earlier run"
    assert list(adapting.cache_folder().iterdir()) == [learned] and learned.stat().st_mtime_ns == stamp
    plain = run(job(source, tmp_path / "c.mkv", adapt=None), on=HERE)
    assert pictures(first.output) == pictures(again.output) != pictures(plain.output)
    assert first.details["job"]["model"] == str(learned) and sha256(source) == before


def test_a_resumed_job_goes_on_with_what_it_learned(tmp_path, source, few_steps):
    stop, told = threading.Event(), []

    def watch(event) -> None:
        if event.stage == "work" and event.done >= 5:
            stop.set()

    with pytest.raises(Interrupted, match="segments done"):
        run(job(source, tmp_path / "a.mkv"), on=HERE, watch=watch, stop=stop)
    report = run(job(source, tmp_path / "a.mkv"), on=HERE, tell=told.append)
    assert report.details["resumed_segments"] >= 1 and told[-1].endswith("in an earlier run")


def test_stopped_while_learning_nothing_is_left(tmp_path, source):
    stop = threading.Event()
    stop.set()
    with pytest.raises(Interrupted, match="while learning"):
        run(job(source, tmp_path / "a.mkv", adapt=600), on=HERE, stop=stop)
    assert listing(adapting.cache_folder()) == [] and listing(tmp_path) == ["cache", "in.mkv", "w.safetensors"]


def test_what_is_learned_depends_on_what_decides_it(tmp_path, source):
    places = {
        pupil(job(source, tmp_path / "a.mkv", **options)).place()
        for options in ({}, {"seed": 1}, {"adapt": 2.0}, {"start": 0.2}, {"crf": 3})
    }
    assert len(places) == 3


@pytest.mark.parametrize(
    ("frames", "options", "words"),
    [
        (1, {}, "nothing to learn from, the plain weights are used (it takes two pieces of a clip"),
        (24, {"size": (24, 20)}, "nothing to learn from, the plain weights are used (pictures have fewer than 24"),
        (24, {"model": "lanczos"}, "nothing that is used here can learn"),
    ],
)
def test_clips_that_teach_nothing_say_so(tmp_path, frames, options, words):
    size = options.pop("size", (64, 48))
    source = media.clip(tmp_path / "in.mkv", frames=frames, size=size, codec="ffv1", pix_fmt="yuv444p")
    told = []
    report = run(job(source, tmp_path / "out.mkv", **options), on=HERE, tell=told.append)
    assert report.frames == frames and words in told[-1]
    assert not adapting.cache_folder().exists() or not listing(adapting.cache_folder())


@pytest.mark.parametrize(
    ("frames", "cuts", "numbers"),
    [
        (4, (), [[0], [1], [2], [3]]),
        (17, (), [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 10, 11], [12, 13, 14, 15]]),
        (64, (14,), [list(range(n, min(n + 8, 14 if n == 8 else 64))) for n in range(0, 64, 8)]),
        (320, (), [list(range(20 * n + 6, 20 * n + 14)) for n in range(16)]),
    ],
)
def test_pieces_are_spread_over_the_clip_and_hold_no_cut(tmp_path, frames, cuts, numbers):
    source = media.clip(tmp_path / "in.mkv", frames=frames, cuts=cuts, options={"preset": "ultrafast"})
    learner = pupil(job(source, tmp_path / "out.mkv"), frames)
    found = [[media.read_barcode(frame / 255) for frame in piece] for piece in adapting.pieces(learner)]
    assert found == numbers


def test_of_large_pictures_a_window_is_seen(tmp_path, monkeypatch):
    monkeypatch.setattr(adapting, "SIDE", 32)
    source = media.clip(tmp_path / "in.mkv", frames=32)
    found = list(adapting.pieces(pupil(job(source, tmp_path / "out.mkv"), 32)))
    assert [tuple(piece.shape) for piece in found] == [(8, 3, 32, 32)] * 4
