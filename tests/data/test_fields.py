"""Interlaced samples are woven of the frames that they are to become again."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest
import torch

import media
import scenes
from vidwright.core.errors import BadInput
from vidwright.data.fields import Fields, weave


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("clips")
    scenes.write(folder / "b.mp4", scenes.scene(0, 14))
    scenes.write(folder / "a.mp4", scenes.scene(1, 6, pace=3))
    media.clip(folder / "short.mkv", frames=5)
    return folder


def fields(folder: Path, *, seed: int = 0, size: int = 16, cache_bytes: int = 2**24) -> Fields:
    return Fields(folder, "all", size=size, seed=seed, cache_bytes=cache_bytes)


def test_weaving_takes_every_other_row():
    x = torch.arange(4.0).view(4, 1, 1, 1).expand(4, 3, 5, 2)
    assert weave(x)[:, 0, :, 0].tolist() == [[0, 1, 0, 1, 0], [2, 3, 2, 3, 2]]
    with pytest.raises(ValueError, match="3 frames"):
        weave(x[:3])


def test_a_sample_holds_the_rows_of_its_truth(folder):
    samples = fields(folder)
    for k in range(20):
        sample = samples.sample(0, k)
        assert {name: (x.shape, x.dtype) for name, x in sample.items()} == {
            "interlaced": ((3, 3, 16, 16), torch.uint8),
            "truth": ((2, 3, 16, 16), torch.uint8),
        }
        now, (early, late) = sample["interlaced"][1], sample["truth"]
        assert torch.equal(now[:, 0::2], early[:, 0::2]) and torch.equal(now[:, 1::2], late[:, 1::2])


def test_neighbours_follow_and_at_an_end_there_is_one_less(folder):
    samples = fields(folder)
    found = [samples.sample(0, k)["interlaced"] for k in range(200)]
    first, last = ([torch.equal(x[n], x[n + 1]) for x in found] for n in (0, 1))
    assert 8 < sum(first) < 35 and 8 < sum(last) < 35
    assert not any(a and b for a, b in zip(first, last, strict=True))


def test_samples_are_a_function_of_seed_epoch_and_number(folder):
    one = fields(folder)
    for other in (fields(folder), fields(folder, cache_bytes=0), pickle.loads(pickle.dumps(one))):
        assert all(torch.equal(one.sample(1, k)["truth"], other.sample(1, k)["truth"]) for k in range(8))
    assert sum(not torch.equal(one.sample(0, k)["truth"], one.sample(1, k)["truth"]) for k in range(8)) > 4


def test_what_cannot_be_used_is_refused(folder):
    with pytest.raises(BadInput, match="none of its 3 shots has 6 frames of 100 x 100") as error:
        fields(folder, size=100)
    assert len(str(error.value).splitlines()) == 3
    with pytest.raises(ValueError, match="15 rows"):
        fields(folder, size=15)
