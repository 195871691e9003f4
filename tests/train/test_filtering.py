"""What the post-filter learns of real encoders, in closed form."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

import media
from vidwright.cli.main import run as main
from vidwright.core.errors import BadInput
from vidwright.data.decoded import CRFS, Copy, coded, copies_of
from vidwright.data.index import open_shots
from vidwright.data.neighbours import in_codes
from vidwright.io.reader import Reader
from vidwright.models.compress.postfilter import CLASSES, RATES, places, rate_of
from vidwright.train import filtering
from vidwright.weights.store import read_weights


@pytest.fixture
def folder(tmp_path) -> Path:
    (tmp_path / "clips").mkdir()
    media.clip(tmp_path / "clips" / "a.mkv", frames=10, size=(96, 64))
    return tmp_path / "clips"


def test_it_gains_on_what_it_has_learned(folder):
    net = filtering.fit(folder, codecs=["h264"])
    found = filtering.gains(net, folder, seed=0)
    assert set(found) == {"y.h264", "u.h264", "v.h264"} and all(gain > 0.05 for gain in found.values())


def test_threads_change_nothing(folder):
    one, two = (filtering.fit(folder, codecs=["h264", "hevc"], threads=threads) for threads in (1, 2))
    for name, value in one.state_dict().items():
        assert torch.equal(value, two.state_dict()[name]), name
        assert value.any() and torch.isfinite(value).all()


def test_a_folder_without_clips_is_refused(tmp_path):
    with pytest.raises(BadInput):
        filtering.fit(tmp_path)


@pytest.mark.parametrize("codec", list(CRFS))
def test_a_worse_rate_is_a_larger_error(folder, codec):
    (shot,) = open_shots(folder, "all")
    errors = []
    for crf in CRFS[codec]:
        before, after = coded(Copy(shot, 1.0, codec, crf))
        assert len(before) == len(after) == 10 and after[0].colour.bits == (10 if codec == "av1" else 8)
        pairs = zip(before, after, strict=True)
        errors.append(sum(float((in_codes(a)[0] - in_codes(b)[0]).square().mean()) for a, b in pairs))
    assert 0 <= errors[0] < errors[1]


def test_the_truth_is_the_source_and_large_clips_are_there_twice(folder, monkeypatch):
    (shot,) = open_shots(folder, "all")
    before, _ = coded(Copy(shot, 1.0, "h264", 30))
    with Reader(folder / "a.mkv") as reader:
        for found, picture in zip(before, reader, strict=True):
            assert torch.equal(found.y, picture.planes().y)
    assert {copy.ratio for copy in copies_of(folder, "all", 0)} == {1.0}
    monkeypatch.setattr("vidwright.data.decoded.SHRUNK_FROM", 64)
    small = [copy for copy in copies_of(folder, "all", 0) if copy.ratio < 1]
    before, after = coded(small[0])
    assert len(small) == 4 and before[0].y.shape == after[0].y.shape < (64, 96)


def test_classes_are_within_the_coefficients():
    much = 1e6 * torch.rand(4, 5, generator=torch.Generator().manual_seed(0))
    for plane, count in enumerate(CLASSES):
        assert int(places(plane, much, much, [1.0] * 3).max()) == count - 1
        assert int(places(plane, 0 * much, 0 * much, [1.0] * 3).max()) == 0
    assert [rate_of(error) for error in (0.1, *RATES, 99.0)] == [0, 0, 1, 2]


@pytest.mark.parametrize("goal", ["fidelity", "perceptual"])
def test_the_command_makes_weights_of_the_model(folder, tmp_path, capsys, goal):
    out = tmp_path / "mine.safetensors"
    order = ["weights", "postfilter", "--data", str(folder), "--valid", str(folder), "-o", str(out), "--copies", "2"]
    order += ["--goal", goal]
    assert main([*order, "--licence", "CC0"]) == 0
    tensors, header = read_weights(out)
    assert set(tensors) == {"y", "u", "v"}
    assert header["model"] == "compress/postfilter" and header["data"]["licence"] == "CC0" and header["metrics"]
    assert header["name"] == goal
    assert main(order) == 3  # it is there already
