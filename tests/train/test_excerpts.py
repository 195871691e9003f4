"""What a model is judged on: excerpts of shots that it has not been trained on."""

from __future__ import annotations

import pytest
import torch

import media
from vidwright.core.errors import BadInput
from vidwright.data.index import open_shots
from vidwright.train.excerpts import FIRST, FRAMES, judged, truth

LONG_ENOUGH = FIRST + FRAMES


def test_validation_is_on_sources_that_training_never_sees(tmp_path):
    for name in ("a_1", "a_2", "b_1", "c_1"):
        media.clip(tmp_path / f"{name}.mkv", frames=17)
    valid, train = judged(tmp_path, "valid"), open_shots(tmp_path, "train")
    assert valid and not {shot.source for shot in valid} & {shot.source for shot in train}
    assert len(judged(tmp_path, "all")) == len(judged(tmp_path, "test")) == 4


def test_short_shots_are_left_out_and_nothing_left_is_said(tmp_path):
    media.clip(tmp_path / "short.mkv", frames=LONG_ENOUGH - 1)
    with pytest.raises(BadInput, match="none of its 1 shots has 16 frames") as error:
        judged(tmp_path, "all")
    assert len(str(error.value).splitlines()) == 3


def test_a_limit_is_spread_over_the_folder(tmp_path):
    for n in range(6):
        media.clip(tmp_path / f"{chr(97 + n)}.mkv", frames=LONG_ENOUGH)
    assert [shot.file.stem for shot in judged(tmp_path, "all", 3)] == ["a", "c", "e"]
    assert len(judged(tmp_path, "all", 4)) == 4 and len(judged(tmp_path, "all", 50)) == 6


def test_the_truth_is_frames_8_to_15_in_eights(tmp_path):
    media.clip(tmp_path / "a.mkv", frames=20, size=(68, 50))
    found = truth(judged(tmp_path, "all")[0])
    assert found.shape == (FRAMES, 3, 48, 64) and found.dtype == torch.uint8


def test_a_longer_excerpt_begins_as_the_usual_one(tmp_path):
    media.clip(tmp_path / "a.mkv", frames=FIRST + 17)
    (shot,) = judged(tmp_path, "all", frames=17)
    assert torch.equal(truth(shot, frames=17)[:FRAMES], truth(shot))
    with pytest.raises(BadInput, match="has 26 frames"):
        judged(tmp_path, "all", frames=18)
