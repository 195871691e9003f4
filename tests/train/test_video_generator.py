"""Compile, fit and predict: the document's three verbs, on clips in memory."""

from __future__ import annotations

import math
import runpy
import sys
from pathlib import Path

import pytest
import torch
from torch import Tensor

from mnist import write_mnist
from vidwright.core.errors import UsageError
from vidwright.train.video_generator import VideoGenerator

EXAMPLE = Path(__file__).parents[2] / "examples" / "document.py"


def bars(count: int) -> tuple[Tensor, Tensor]:
    """Clips (N, 3, 1, 16, 16) of a moving bar, lying or standing, and which it is."""
    labels = torch.arange(count) % 2
    clips = torch.zeros(count, 3, 1, 16, 16)
    for n, label in enumerate(labels.tolist()):
        for t in range(3):
            place = (n // 2 + t) % 12
            clips[n, t, 0, place : place + 3] = 1
        if label:
            clips[n] = clips[n].mT.clone()
    return clips, labels


def compiled(**options: object) -> VideoGenerator:
    model = VideoGenerator(**{"num_classes": 2, "width": 4, "motions": 1} | options)
    model.compile(learning_rate=3e-3)
    return model


def test_it_learns_what_clips_show():
    clips, labels = bars(48)
    model = compiled()
    history = model.fit(clips[8:], labels[8:], epochs=20, batch=8, validation=(clips[:8], labels[:8]))
    assert len(history) == 20 and history[-1].keys() == {"loss", "val_loss", "val_accuracy"}
    assert history[-1]["loss"] < 0.8 * math.log(2)
    odds = model.predict(clips[:5])
    assert odds.shape == (5, 2)
    torch.testing.assert_close(odds.sum(dim=1), torch.ones(5))


def test_it_learns_the_next_frame():
    clips, _ = bars(16)
    model = compiled(preset="next-frame")
    history = model.fit(clips, epochs=6, batch=8, validation=(clips, None))
    assert history[-1]["val_loss"] < history[0]["val_loss"]
    odds = model.predict(clips[:2])
    assert odds.shape == (2, 3, 2, 16, 16)
    torch.testing.assert_close(odds.sum(dim=2), torch.ones(2, 3, 16, 16))


def test_the_same_fit_twice_is_the_same_to_the_bit():
    clips, labels = bars(16)
    one, other = compiled(), compiled()
    assert one.fit(clips, labels, epochs=2, batch=8) == other.fit(clips, labels, epochs=2, batch=8)
    assert torch.equal(one.predict(clips), other.predict(clips))


CLIPS, LABELS = bars(4)


@pytest.mark.parametrize(
    "attempt",
    [
        lambda: VideoGenerator(width=4).fit(CLIPS, LABELS),
        lambda: VideoGenerator(width=4).compile(optimiser="sgd"),
        lambda: VideoGenerator(width=4).compile(loss="mse"),
        lambda: compiled().fit(CLIPS),
        lambda: compiled().fit(CLIPS, LABELS[:3]),
        lambda: compiled().fit(CLIPS, LABELS + 1),
        lambda: compiled().fit(CLIPS[:, 0], LABELS),
        lambda: compiled().fit(CLIPS[:0], LABELS[:0]),
    ],
)
def test_what_does_not_fit_is_said_in_three_lines(attempt):
    with pytest.raises(UsageError) as error:
        attempt()
    assert len(str(error.value).splitlines()) == 3


def test_the_example_runs_as_it_stands(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["document.py", str(write_mnist(tmp_path)), "4", "60"])
    runpy.run_path(str(EXAMPLE), run_name="__main__")
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 4 and "val_accuracy" in lines[2] and "should be" in lines[3]
    assert len([line for line in EXAMPLE.read_text().splitlines() if line.strip() and line[0] not in '"#']) <= 20
