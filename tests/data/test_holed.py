"""Samples of completion hide what they say, show the same place three times, and are a function of their number."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest
import torch

import media
import scenes
from vidwright.core.errors import BadInput
from vidwright.data.holed import AREA, Holed, hidden, random_hole
from vidwright.data.holes import KINDS
from vidwright.data.seeding import generator


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("clips")
    scenes.write(folder / "a.mp4", scenes.scene(0, 12, (96, 80), 2))
    scenes.write(folder / "b.mp4", scenes.scene(1, 5, (64, 48), 1))
    media.clip(folder / "short.mkv", frames=2)
    return folder


def holed(folder: Path, *, patch: int = 40, seed: int = 0, cache_bytes: int = 2**24) -> Holed:
    return Holed(folder, "all", patch=patch, seed=seed, cache_bytes=cache_bytes)


def test_a_sample_is_three_frames_their_holes_and_the_middle_one_without(folder):
    kinds = set[int]()
    for k in range(24):
        sample = holed(folder).sample(0, k)
        assert {name: (x.shape, x.dtype) for name, x in sample.items()} == {
            "seen": ((3, 3, 40, 40), torch.uint8),
            "unknown": ((3, 1, 40, 40), torch.bool),
            "truth": ((3, 40, 40), torch.uint8),
            "kind": ((), torch.int64),
        }
        hole_1HW = sample["unknown"][1]
        assert AREA[0] - 0.01 <= float(hole_1HW.float().mean()) <= AREA[1] + 0.03
        known = ~hole_1HW.expand(3, -1, -1)
        assert torch.equal(sample["seen"][1][known], sample["truth"][known])
        kinds.add(int(sample["kind"]))
    assert kinds == set(range(len(KINDS)))


def test_outer_frames_are_laid_over_the_middle_one(folder):
    """The texture moves by up to 16 pixels between them, and what they show is the same."""
    errors = []
    for k in range(30):
        sample = holed(folder).sample(0, k)
        for n in (0, 2):
            known = ~(sample["unknown"][n] | sample["unknown"][1]).expand(3, -1, -1)
            if known.sum() > 600:
                difference = sample["seen"][n].float() - sample["truth"].float()
                errors.append(float(difference[known].abs().mean()))
    assert len(errors) > 30 and sorted(errors)[len(errors) // 2] < 2.5


def test_what_lies_outside_of_an_outer_frame_is_unknown(tmp_path):
    """The picture pans, and crops are as large as it is: outer frames lack some columns, or rows once transposed."""
    scenes.write(tmp_path / "a.mp4", scenes.scene(0, 8, (96, 96), 3))
    for k in range(12):
        outer = holed(tmp_path, patch=96).sample(0, k)["unknown"][[0, 2], 0]
        assert outer.all(dim=1).any() or outer.all(dim=2).any()


def test_mostly_the_hole_hides_the_same_in_all_three():
    still = moved = 0
    for n in range(60):
        earlier, middle, later = random_hole("box", (40, 40), generator(0, n))
        still += torch.equal(earlier, middle) and torch.equal(middle, later)
        moved += not (torch.equal(earlier, middle) or torch.equal(middle, later) or torch.equal(earlier, later))
    assert still + moved == 60 and 5 <= moved <= 25


def test_nothing_of_what_is_hidden_can_be_told_from_what_stands_there():
    x = torch.randint(256, (3, 3, 24, 32), dtype=torch.uint8, generator=generator(0))
    unknown = torch.zeros(3, 1, 24, 32, dtype=torch.bool)
    unknown[:2, :, 8:20, 8:20] = True
    unknown[2] = True  # a frame of which nothing is known
    other = torch.where(unknown, 255 - x, x)
    filled = hidden(x, unknown)
    assert torch.equal(filled, hidden(other, unknown))
    known = ~unknown.expand_as(x)
    assert torch.equal(filled[known], x[known]) and not torch.equal(filled, x)


def test_samples_are_a_function_of_seed_epoch_and_number(folder):
    one = holed(folder)
    for other in (holed(folder), holed(folder, cache_bytes=0), pickle.loads(pickle.dumps(one))):
        for k in range(4):
            here, there = one.sample(1, k), other.sample(1, k)
            assert all(torch.equal(here[name], there[name]) for name in here)
    for other in (holed(folder, seed=1), one):
        epoch = 0 if other is not one else 1
        found = [torch.equal(one.sample(0, k)["truth"], other.sample(epoch, k)["truth"]) for k in range(6)]
        assert sum(found) < 3


def test_clips_too_small_or_too_short_are_refused(folder, tmp_path):
    with pytest.raises(BadInput, match="3 frames of 128 x 128"):
        holed(folder, patch=128)
    media.clip(tmp_path / "short.mkv", frames=2)
    with pytest.raises(BadInput, match="3 frames of 40 x 40"):
        holed(tmp_path)
