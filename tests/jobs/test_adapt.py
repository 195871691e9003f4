"""A job that learns from its input first: once, and the same for all who take part in it."""

from __future__ import annotations

import os
import threading
from dataclasses import asdict
from fractions import Fraction
from pathlib import Path

import pytest
import torch

import media
import scenes
import tiny
from doing import exact, listing, pictures
from vidwright.core import VideoInfo
from vidwright.core.errors import Interrupted
from vidwright.core.files import sha256
from vidwright.jobs import adapt as adapting
from vidwright.jobs import cache
from vidwright.jobs.estimate import estimate
from vidwright.jobs.run import run
from vidwright.jobs.work import Local
from vidwright.models.enhance import cleaner
from vidwright.models.enhance.restorer import Net
from vidwright.train.schedule import Budget
from vidwright.weights.store import read_header, save_weights

HERE = Local(threads=1)
INFO = VideoInfo(64, 48, Fraction(25), Fraction(1, 25), length=24)
CLEANER = cleaner.Config(radius=1, align=False, widths=(4, 6), estimate=4)


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr("vidwright.jobs.planning.SEGMENT_SECONDS", Fraction(1, 5))
    monkeypatch.setattr(os, "cpu_count", lambda: 1)  # networks this small wait for a second thread, if it is busy


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
    assert learner.learners() == ["enlarge"]
    return learner.pupil("enlarge", VideoInfo(64, 48, Fraction(25), Fraction(1, 25), length=frames), 1.0)


def test_it_learns_once_and_all_use_the_same_weights(tmp_path, source, few_steps):
    before, told = sha256(source), []
    first = run(job(source, tmp_path / "a.mkv"), on=HERE, tell=told.append)
    (learned,) = cache.folder().iterdir()
    gain = adapting.Gain(**read_header(learned)["adapted"])
    assert gain.won and gain.steps == 12
    words = (
        f"in.mkv: restorer: learned from the clip: {gain.decibels:+.2f} dB on its held-out frames, "
        "shrunk and enlarged again"
    )
    assert told[-2:] == ["in.mkv: restorer: learning from the clip", words]
    stamp = learned.stat().st_mtime_ns
    again = run(job(source, tmp_path / "b.mkv"), on=Local(workers=2, threads=1), tell=told.append)
    assert told[-1] == f"{words}, in an earlier run"
    assert list(cache.folder().iterdir()) == [learned] and learned.stat().st_mtime_ns == stamp
    plain = run(job(source, tmp_path / "c.mkv", adapt=None), on=HERE)
    assert pictures(first.output) == pictures(again.output) != pictures(plain.output)
    assert first.details["job"]["learned"] == {"enlarge": str(learned)} and sha256(source) == before


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
    assert listing(cache.folder()) == [] and listing(tmp_path) == ["cache", "in.mkv", "w.safetensors"]


def test_what_is_learned_depends_on_what_decides_it(tmp_path, source):
    places = {
        pupil(job(source, tmp_path / "a.mkv", **options)).place()
        for options in ({}, {"seed": 1}, {"start": 0.2}, {"crf": 3}, {"deinterlace": "bwdif"})
    }
    assert len(places) == 3


def test_what_is_learned_behind_a_network_depends_on_its_weights(tmp_path, source):
    net, places = tiny.randomise(cleaner.Net(CLEANER)), set()
    for number in range(2):
        path = tmp_path / f"{number}.safetensors"
        torch.nn.init.constant_(net.unet.exit.bias, number / 10)
        save_weights(path, net.state_dict(), {"model": "enhance/cleaner", "config": asdict(CLEANER)})
        learner = job(source, tmp_path / "a.mkv", clean="on", learned={"clean": path})
        places |= {learner.pupil(step, INFO, 1.0).place() for step in learner.learners()}
    assert len(places) == 4


@pytest.fixture
def noisy(tmp_path):
    """A texture that moves, under noise that is new in each frame."""
    x_TCHW = scenes.scene(0, 24, (96, 72)) * 0.4 + 0.3
    noise = torch.randn(x_TCHW.shape, generator=torch.Generator().manual_seed(0))
    return scenes.write(tmp_path / "in.mkv", (x_TCHW + 0.08 * noise).clamp(0, 1), crf=None, codec="ffv1")


def test_all_networks_learn_one_after_the_other_and_share_the_minutes(tmp_path, noisy, monkeypatch):
    minutes, told = [], []

    def budget(**given) -> Budget:
        minutes.append(given["minutes"])
        return Budget(steps=3)

    monkeypatch.setattr("vidwright.jobs.enhance.Budget", budget)
    options = {"clean": "on", "fps": "50", "adapt": 6.0}
    first = run(job(noisy, tmp_path / "a.mkv", **options), on=HERE, tell=told.append)
    assert minutes == [2, 2, 2], told
    assert told[0].endswith("; first cleaner, restorer, interpolator learn from the clip, 6 min in all")
    assert [words.split(": ")[1] for words in told[1::2]] == ["cleaner", "restorer", "interpolator"]
    learned = first.details["job"]["learned"]
    assert list(learned) == ["clean", "enlarge", "interpolate"] and first.frames == 48
    assert {read_header(Path(path))["model"] for path in learned.values()} == {
        "enhance/cleaner", "enhance/restorer", "enhance/interpolator"
    }  # fmt: skip
    again = run(job(noisy, tmp_path / "b.mkv", **options), on=HERE, tell=told.append)
    assert again.details["job"]["learned"] == learned and pictures(first.output) == pictures(again.output)


def test_the_minutes_of_a_network_that_learns_nothing_go_to_the_others(tmp_path, source, monkeypatch):
    minutes = []

    def budget(**given) -> Budget:
        minutes.append(given["minutes"])
        return Budget(steps=2)

    monkeypatch.setattr("vidwright.jobs.enhance.Budget", budget)
    report = run(job(source, tmp_path / "a.mkv", clean="on", adapt=4.0), on=HERE)  # without any noise
    assert minutes == [2, 4] and list(report.details["job"]["learned"]) == ["enlarge"]


def test_a_dry_run_says_that_networks_would_learn(tmp_path, source):
    told = []
    estimate(job(source, tmp_path / "a.mkv", adapt=1.5), threads=1, tell=told.append)
    assert told[0].endswith("-> x2; first restorer learn from the clip, 1.5 min in all")
    assert not cache.folder().exists()


def test_the_weights_used_last_are_kept(tmp_path, source, monkeypatch):
    monkeypatch.setattr("vidwright.jobs.enhance.Budget", lambda minutes: Budget(steps=1))

    def learned(seed: int) -> Path:
        learner = pupil(job(source, tmp_path / "a.mkv", seed=seed))
        found = adapting.learn(learner, tell=lambda words: None, stop=threading.Event())
        assert found == learner.place()
        return found

    first, second = learned(1), learned(2)
    assert learned(1) == first and set(cache.folder().iterdir()) == {first, second}
    monkeypatch.setattr(cache, "MOST_BYTES", 2 * first.stat().st_size + 9)
    monkeypatch.setattr(cache, "IN_USE", 0)  # the jobs that used them are over
    third = learned(3)
    assert set(cache.folder().iterdir()) == {first, third}


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
    assert not cache.folder().exists() or not listing(cache.folder())


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
