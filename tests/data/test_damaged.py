"""Damaged windows show the place and the time of the clean frame, and are a function of seed, epoch and number."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest
import torch

import media
from vidwright.core.errors import BadInput
from vidwright.data.damaged import COPIES, CROPS_PER_PIECE, GRID, KINDS, PIECES_PER_PAGE, Damaged, coded
from vidwright.data.seeding import generator

MIX = tuple((kind, 1.0) for kind in KINDS)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("clips")
    media.clip(folder / "b.mp4", frames=20)
    media.clip(folder / "a.mkv", frames=3, size=(68, 50))
    return folder


def damaged(folder: Path, *, kind: str | None = None, radius: int = 1, patch: int = 48, **options) -> Damaged:
    mix = MIX if kind is None else ((kind, 1.0),)
    return Damaged(folder, "all", radius=radius, patch=patch, mix=mix, **({"seed": 0} | options))


def error(sample: dict[str, torch.Tensor]) -> float:
    middle = sample["seen"][len(sample["seen"]) // 2]
    return float((middle.float() - sample["clean"].float()).square().mean().sqrt())


@pytest.mark.parametrize("radius", [0, 1, 2])
def test_samples_have_one_shape(folder, radius):
    for k in range(12):
        sample = damaged(folder, radius=radius, patch=24).sample(0, k)
        assert {name: (x.shape, x.dtype) for name, x in sample.items()} == {
            "seen": ((2 * radius + 1, 3, 24, 24), torch.uint8),
            "clean": ((3, 24, 24), torch.uint8),
        }


def test_each_kind_does_to_footage_what_it_says(folder):
    found = {kind: [error(damaged(folder, kind=kind).sample(0, k)) for k in range(12)] for kind in KINDS}
    assert found["clean"] == [0] * 12
    assert 0 < max(found["light"]) < 4
    for kind in ("white", "sensor", "grain", "coded", "noisy-coded"):
        assert min(found[kind]) > 0.5 and max(found[kind]) < 60 and max(found[kind]) > 3
    assert max(found["white"]) > 4 * min(found["white"])  # weak and strong noise are both met


def test_the_clean_frame_is_the_middle_one_of_frames_that_move(folder):
    clips, seen = damaged(folder, kind="clean", radius=2), set()
    for k in range(20):
        sample = clips.sample(0, k)
        assert torch.equal(sample["seen"][2], sample["clean"])
        seen.add(len({frame.numpy().tobytes() for frame in sample["seen"]}))
    assert max(seen) == 5 and len(seen) > 1  # at a piece's end its last frame stands for those that are not there


def test_noise_is_new_in_each_frame_and_leaves_the_clean_one_alone(folder):
    sample = damaged(folder, kind="white", radius=1).sample(0, 3)
    noise = sample["seen"].float() - sample["clean"].float()
    assert not torch.equal(noise[0], noise[1]) and noise[1].std() > 0.5


def test_samples_are_a_function_of_seed_epoch_and_number(folder):
    one = damaged(folder)
    for other in (damaged(folder), damaged(folder, cache_bytes=0), pickle.loads(pickle.dumps(one))):
        for k in range(8):
            a, b = one.sample(1, k), other.sample(1, k)
            assert torch.equal(a["seen"], b["seen"]) and torch.equal(a["clean"], b["clean"])
    for other in ([damaged(folder, seed=1).sample(0, k) for k in range(8)], [one.sample(1, k) for k in range(8)]):
        assert sum(not torch.equal(one.sample(0, k)["seen"], other[k]["seen"]) for k in range(8)) > 4


def test_long_and_large_shots_give_more_pieces(tmp_path):
    media.clip(tmp_path / "large.mp4", frames=30, size=(400, 300), options={"preset": "ultrafast"})
    media.clip(tmp_path / "small.mp4", frames=3, size=(32, 32))
    pieces = len(damaged(tmp_path, patch=24)) / CROPS_PER_PIECE
    assert pieces == 3  # the large one and what is shrunk of it, and the small one


def test_pages_are_a_few_of_the_pieces(tmp_path):
    for n in range(PIECES_PER_PAGE):
        media.clip(tmp_path / f"{chr(97 + n)}.mkv", frames=3)
    assert len(damaged(tmp_path)) == CROPS_PER_PIECE * (PIECES_PER_PAGE + 1)
    page = damaged(tmp_path)._clean(PIECES_PER_PAGE)
    assert page.shape == (12, 3, 256, 256)


def test_crops_keep_to_the_grid_of_the_codecs(folder):
    """Without noise each crop is found in its clip, at multiples of the grid, in one of eight orientations."""
    clips = damaged(folder, kind="clean", patch=16, radius=0)
    for k in range(20):
        clean = clips.sample(0, k)["clean"]
        ways = [
            way for turned in (clean, clean.mT) for way in (turned, *(turned.flip(d) for d in ([-1], [-2], [-1, -2])))
        ]
        for number in range(len(clips) // CROPS_PER_PIECE):
            blocks = clips._clean(number).unfold(-2, 16, GRID).unfold(-2, 16, GRID)
            blocks = blocks.permute(0, 2, 3, 1, 4, 5)
            if any(bool((blocks == way).flatten(3).all(-1).any()) for way in ways):
                break
        else:
            pytest.fail("it lies off the grid")


@pytest.mark.parametrize("kind", sorted(set(COPIES)))
def test_coded_frames_are_the_same_frames(folder, kind):
    frames = damaged(folder)._clean(1)[:4, :, :48, :64]
    found = coded(frames, kind, generator(0))
    assert found.shape == frames.shape and found.dtype == torch.uint8 and not torch.equal(found, frames)
    assert [media.read_barcode(frame.float() / 255) for frame in found] == [
        media.read_barcode(frame.float() / 255) for frame in frames
    ]


def test_too_small_is_said_in_three_lines(folder):
    with pytest.raises(BadInput, match="no clip in it has 1000 rows") as error:
        damaged(folder, patch=1000)
    assert len(str(error.value).splitlines()) == 3
