"""A generation is a file that says how it was made, whatever interrupts it."""

from __future__ import annotations

import dataclasses
import itertools
import random
import threading
from fractions import Fraction
from pathlib import Path

import hypothesis
import pytest
import torch
from hypothesis import strategies as st

import media
from doing import listing, pictures
from tiny import randomise
from vidwright import models, open_video
from vidwright.core import Frame
from vidwright.core.errors import BadInput, Interrupted, ModelRefused, UsageError
from vidwright.io.stills import encode_still
from vidwright.jobs import given
from vidwright.jobs.generate import Generate, generate, make, recorded
from vidwright.jobs.given import fitted
from vidwright.jobs.run import run
from vidwright.models.generate import flow
from vidwright.models.generate.cnn_lstm import Config, Net
from vidwright.weights.store import read_header, save_weights


@pytest.fixture(scope="module")
def weights(tmp_path_factory) -> Path:
    """Of a small network that goes on from what it is given, one frame after the other."""
    path, config = tmp_path_factory.mktemp("weights") / "w.safetensors", Config(width=16)
    card = {"model": "generate/cnn_lstm", "name": "test", "config": dataclasses.asdict(config)}
    save_weights(path, randomise(Net(config)).state_dict(), card)
    return path


@pytest.fixture
def asks(weights):
    """A job without loss, of ten frames of 24x16 if nothing else is said."""

    def job(output: Path, **options: object) -> Generate:
        usual = {"model": str(weights), "codec": "ffv1", "seconds": 1, "size": "24x16", "label": [3], "dtype": "fp32"}
        return Generate(**{"output": output} | usual | options)

    return job


def frames(path: Path) -> list[Frame]:
    return list(open_video(path))


def test_the_file_holds_what_the_network_samples(tmp_path, asks, weights):
    report = run(asks(tmp_path / "a.mkv"))
    net = models.load("generate/cnn_lstm", weights, kind=Net, dtype="fp32")
    wanted = list(net.sample(label=3, length=10, size=(16, 24), seed=0))
    found = frames(tmp_path / "a.mkv")
    assert report.frames == len(found) == 10 and listing(tmp_path) == ["a.mkv"]
    assert [frame.time for frame in found] == [Fraction(n, 10) for n in range(10)]
    for a, b in zip(found, wanted, strict=True):
        assert (a.data - b.data).abs().max() < 0.01
    again = list(generate(net, length=10, size=(16, 24), label=3))
    assert all(torch.equal(a.data, b.data) for a, b in zip(again, wanted, strict=True))


def test_the_same_seed_gives_the_same_bytes(tmp_path, asks):
    made = []
    for name, seed in (("a", 5), ("b", 5), ("c", 6)):
        make(asks(tmp_path / f"{name}.mp4", seed=seed, codec="h264"))
        made.append(pictures(tmp_path / f"{name}.mp4"))
    assert made[0] == made[1] != made[2]
    assert (tmp_path / "a.mp4").read_bytes() == (tmp_path / "b.mp4").read_bytes()


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv"])
def test_it_can_be_made_again_from_the_file_alone(tmp_path, asks, name):
    before = media.clip(tmp_path / "before.mp4", frames=12)
    make(asks(tmp_path / name, clip=before, seed=3, codec="h264"))
    copy = tmp_path / f"copy{Path(name).suffix}"
    make(recorded(tmp_path / name, copy))
    assert copy.read_bytes() == (tmp_path / name).read_bytes()


def test_what_cannot_be_made_again_is_said(tmp_path, asks, weights):
    before = media.clip(tmp_path / "before.mp4", frames=12)
    with pytest.raises(BadInput, match="does not say how it was made"):
        recorded(before, tmp_path / "copy.mkv")
    mine = tmp_path / "mine.safetensors"
    mine.write_bytes(weights.read_bytes())
    made = tmp_path / "a.mkv"
    make(asks(made, clip=before, model=str(mine)))
    save_weights(mine, randomise(Net(Config(width=16)), seed=1).state_dict(), read_header(weights))
    with pytest.raises(ModelRefused, match="made by other weights"):
        recorded(made, tmp_path / "copy.mkv")
    media.clip(before, frames=11)
    with pytest.raises(BadInput, match="not what it was"):
        recorded(made, tmp_path / "copy.mkv")


def test_a_long_one_goes_on_where_it_stopped(tmp_path, asks, monkeypatch):
    """In segments of the network's usual 20 frames, of which the second is under way when the end is asked for."""
    monkeypatch.setattr("vidwright.jobs.generate.SEGMENT_SECONDS", Fraction(1))
    whole = make(asks(tmp_path / "whole.mkv", seconds=7))
    assert whole.details["segments"] == 4
    stop, job = threading.Event(), asks(tmp_path / "a.mkv", seconds=7)

    def watch(event) -> None:
        if event.done == 21:
            stop.set()

    with pytest.raises(Interrupted, match="stopped with 2 of 4 segments done"):
        make(job, watch=watch, stop=stop)
    assert not job.output.exists()
    events = []
    assert make(job, watch=events.append).details["resumed_segments"] == 2
    assert [event.done for event in events if event.stage == "generate"] == list(range(41, 71))
    assert pictures(job.output) == pictures(whole.output)
    assert listing(tmp_path) == ["a.mkv", "whole.mkv"]


@pytest.mark.slow
def test_what_a_kill_leaves_is_used(tmp_path, asks, forks):
    moment = random.Random(0)
    whole = forks.run(asks(tmp_path / "whole.mkv", seconds=4), segment="1")
    wanted, killed = pictures(tmp_path / "whole.mkv"), 0
    for number in range(3):
        job = asks(tmp_path / f"{number}.mkv", seconds=4)
        killed += forks.run(job, segment="1", kill_after=moment.uniform(0.2, 0.9) * whole["seconds"])["status"] == -9
        assert forks.run(job.model_copy(), segment="1")["status"] in (0, 1)  # 1: it was done already
        assert pictures(job.output) == wanted
    assert killed >= 1


def test_a_lost_context_is_made_again(tmp_path, asks, monkeypatch):
    monkeypatch.setattr("vidwright.jobs.generate.SEGMENT_SECONDS", Fraction(1))
    whole = make(asks(tmp_path / "whole.mkv", seconds=6))
    stop, job = threading.Event(), asks(tmp_path / "a.mkv", seconds=6)
    with pytest.raises(Interrupted):
        make(job, watch=lambda event: stop.set() if event.done == 40 else None, stop=stop)
    (tmp_path / "a.mkv.job" / "0001.last.safetensors").write_bytes(b"damaged")
    assert make(job).details["resumed_segments"] == 1
    assert pictures(job.output) == pictures(whole.output)


def test_frames_are_shown_as_they_are_made(tmp_path, asks):
    seen: list[Frame] = []
    make(asks(tmp_path / "a.mkv"), show=seen.append)
    assert len(seen) == 10 and seen[3].time == Fraction(3, 10)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (
            {"loop": True},
            "--loop\n  cause: generate/cnn_lstm cannot be told that\n  next:  it takes --class, --continue",
        ),
        (
            {"model": "patches", "label": []},
            "generate/patches\n  cause: it has nothing to begin with\n  next:  give it --like",
        ),
        ({"image": "a.png"}, "--image\n  cause: generate/cnn_lstm cannot be told that"),
        ({"label": [10]}, "the model knows 10 classes"),
        ({"size": "20000x20"}, "10 frames of 20000x20\n  cause: no file holds that"),
        ({"clip": "missing.mp4"}, "missing.mp4\n"),
        ({"model": "flaw"}, "there is no such model"),
        ({"model": "lstm.pth"}, "can run code"),
    ],
)
def test_what_makes_no_sense_is_said_and_leaves_nothing(tmp_path, asks, options, words):
    with pytest.raises((UsageError, BadInput, ModelRefused)) as error:
        make(asks(tmp_path / "a.mkv", **options))
    assert words in str(error.value) and len(str(error.value).splitlines()) == 3
    assert listing(tmp_path) == []


@pytest.mark.parametrize(
    ("word", "cause"),
    [
        ("a.png", "which picture when"),
        ("a.png@soon", "which picture when"),
        ("@1", "which picture when"),
        ("a.png@1", "ends at 0.9 s"),
        ("a.png@-1", "ends at 0.9 s"),
    ],
)
def test_keys_are_pictures_and_seconds(word, cause, tmp_path):
    with pytest.raises(UsageError, match=cause):
        given.keys([word], 10, (16, 24), Fraction(10), max_pixels=10**6)
    still = tmp_path / "a@b.png"
    still.write_bytes(encode_still(torch.rand(3, 32, 24), format="png"))
    found = given.keys([f"{still}@0.5"], 10, (16, 24), Fraction(10), max_pixels=10**6)
    assert list(found) == [5] and found[5].data.shape == (3, 16, 24)


def test_the_clip_to_be_like_is_one_shot(tmp_path):
    cut = media.clip(tmp_path / "cut.mkv", frames=12, cuts=(7,))
    with pytest.raises(BadInput, match="the picture changes at"):
        given.shot(cut, max_pixels=10**6)
    whole = media.clip(tmp_path / "whole.mkv", frames=12)
    assert len(given.shot(whole, max_pixels=10**6)) == 12


@hypothesis.given(st.tuples(*[st.integers(1, 40)] * 4))
@hypothesis.settings(max_examples=40, deadline=None)
def test_a_fitted_picture_keeps_the_middle_and_its_shape(sides):
    height, width, to_height, to_width = sides
    data = torch.linspace(0, 1, width).expand(3, height, width)
    found = fitted(Frame(data, Fraction(0)), (to_height, to_width)).data
    assert found.shape == (3, to_height, to_width)
    assert abs(float(found.mean()) - 0.5) < 0.51 / max(width - 1, 1) + 1e-3  # an odd rest is cut off one side
    assert all(float(b) >= float(a) - 1e-6 for a, b in itertools.pairwise(found[0, 0]))


@pytest.fixture(scope="module")
def drawing(tmp_path_factory) -> Path:
    """Weights of a small network that draws beside whatever is given."""
    config = flow.Config(widths=(4, 8), tokens=16, depth=1, heads=1, length=4, side=16)
    path = tmp_path_factory.mktemp("flow") / "w.safetensors"
    card = {"model": "generate/flow", "name": "test", "config": dataclasses.asdict(config)}
    save_weights(path, randomise(flow.Net(config)).state_dict(), card)
    return path


def grey(path: Path, level: float) -> Path:
    path.write_bytes(encode_still(torch.full((3, 16, 16), level), format="png"))
    return path


def drawn(drawing: Path, output: Path, **options: object) -> list[Frame]:
    job = {"output": output, "model": str(drawing), "codec": "ffv1", "size": "16x16", "steps": 2, "seconds": 0.4}
    make(Generate(**job | options))
    return frames(output)


def level(frame: Frame) -> float:
    return float(frame.data.mean())


def test_pictures_are_where_they_were_asked_for(tmp_path, drawing):
    dark, bright = grey(tmp_path / "dark.png", 0.2), grey(tmp_path / "bright.png", 0.8)
    begun = drawn(drawing, tmp_path / "a.mkv", image=dark)
    assert len(begun) == 4 and level(begun[0]) == pytest.approx(0.2, abs=0.01)
    between = drawn(drawing, tmp_path / "b.mkv", key=[f"{dark}@0", f"{bright}@0.3"])
    assert [level(between[n]) for n in (0, 3)] == pytest.approx([0.2, 0.8], abs=0.01)


def test_key_frames_of_a_long_one_lie_in_their_segments(tmp_path, drawing, monkeypatch):
    monkeypatch.setattr("vidwright.jobs.generate.SEGMENT_SECONDS", Fraction(2, 5))
    bright = grey(tmp_path / "bright.png", 0.8)
    found = drawn(drawing, tmp_path / "a.mkv", key=[f"{bright}@0.6"], seconds=1)
    assert len(found) == 10 and level(found[6]) == pytest.approx(0.8, abs=0.01)


def test_a_loop_and_what_is_like_a_clip_are_made_in_one_piece(tmp_path, drawing, monkeypatch):
    monkeypatch.setattr("vidwright.jobs.generate.SEGMENT_SECONDS", Fraction(1, 5))
    assert len(drawn(drawing, tmp_path / "a.mkv", loop=True, seconds=0.8)) == 8
    source = media.clip(tmp_path / "in.mkv", frames=8)
    report = make(Generate(output=tmp_path / "b.mkv", like=source, variation=0, codec="ffv1", seconds=0.32))
    assert report.details["segments"] == 1 and report.frames == 8 and report.warnings == ()
    shown = [(a.data - b.data).abs().mean() for a, b in zip(frames(source), frames(tmp_path / "b.mkv"), strict=True)]
    assert max(shown) < 0.02


def test_copies_of_the_clip_are_said(tmp_path):
    source = media.clip(tmp_path / "in.mkv", frames=8)
    report = make(Generate(output=tmp_path / "b.mkv", like=source, variation=0.001, codec="ffv1", seconds=0.32))
    assert [warning for warning in report.warnings if "8 of 8 frames are those of" in warning]


def test_sizes_that_cannot_be_drawn_are_answered_with_the_nearest(tmp_path, drawing):
    with pytest.raises(UsageError, match="the nearest size is 24x16"):
        drawn(drawing, tmp_path / "a.mkv", size="21x17")
    assert listing(tmp_path) == []
