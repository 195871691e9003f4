"""Objects that are pasted on clips are where they are said to be, and masks that follow them are measured."""

from __future__ import annotations

import pytest
import torch

from pans import known, pan
from vidwright.bench import tracks
from vidwright.bench.tracks import RADIUS, overlap, pasted, tracked
from vidwright.vision.masks import bounds

SIZE = (120, 160)
CLIP, OTHER = (known(pan(seed, 10, SIZE, 2), 2) for seed in (1, 2))


@pytest.mark.parametrize("seed", range(6))
def test_an_object_is_whole_moves_and_is_another_clip_s(seed):
    frames, truth = pasted(CLIP, OTHER, seed)
    assert torch.equal(pasted(CLIP, OTHER, seed)[0], frames) and not torch.equal(
        pasted(CLIP, OTHER, seed + 1)[1], truth
    )
    rim = torch.ones(SIZE, dtype=torch.bool)
    rim[1:-1, 1:-1] = False
    assert not (truth & rim).any()
    area = truth.flatten(1).sum(1) / (torch.pi * (RADIUS * SIZE[0]) ** 2)
    assert (area - 1).abs().max() < 0.1
    middles = torch.stack([mask.nonzero().double().mean(0) for mask in truth])
    steps = (middles[1:] - middles[:-1]).norm(dim=1)
    assert steps.min() > 2 and steps.max() < 12
    changed = (frames != CLIP.frames).any(1)
    assert (changed & truth).sum() > 0.95 * truth.sum()
    assert (changed & ~truth).sum() < 0.2 * truth.sum()  # the soft edge alone


def test_an_object_keeps_its_texture_on_its_way():
    frames, truth = pasted(CLIP, OTHER, 0)
    parts = []
    for frame, mask in zip(frames, truth, strict=True):
        row, column = (int(each) for each in mask.nonzero().double().mean(0))
        parts.append(frame[:, row - 6 : row + 7, column - 6 : column + 7].float())
    texture = OTHER.frames[0].float()
    centre = texture[:, SIZE[0] // 2 - 6 : SIZE[0] // 2 + 7, SIZE[1] // 2 - 6 : SIZE[1] // 2 + 7]
    background = CLIP.frames[0, :, 54:67, 74:87].float()
    assert max((part - centre).abs().mean() for part in parts) < 0.6 * (background - centre).abs().mean()


def test_overlap_is_by_frame():
    one, other = torch.zeros(4, 8, 8, dtype=torch.bool), torch.zeros(4, 8, 8, dtype=torch.bool)
    one[0, :4], other[0, 2:6] = True, True
    one[1, :4] = True
    one[2, 0], other[2, 0] = True, True
    assert overlap(one, other).tolist() == pytest.approx([1 / 3, 0, 1, 1])


def test_the_box_is_the_smallest():
    mask = torch.zeros(9, 9, dtype=torch.bool)
    mask[2, 5] = mask[6, 3] = True
    wanted = torch.zeros(9, 9, dtype=torch.bool)
    wanted[2:7, 3:6] = True
    assert torch.equal(bounds(mask), wanted)


def test_the_worst_frame_is_corrected_and_left_out(monkeypatch):
    _, truth = pasted(CLIP, OTHER, 3)
    asked = []

    def track(frames, keys):
        asked.append(dict(keys))
        masks = [each.clone() for each in truth]
        masks[6] = masks[6] & False
        return [keys.get(n, mask) for n, mask in enumerate(masks)]

    monkeypatch.setattr(tracks, "track", track)
    found = tracked(CLIP, OTHER, 3)
    first, second = asked
    assert list(first) == [0] and torch.equal(first[0], bounds(truth[0]))
    assert list(second) == [0, 6] and torch.equal(second[6], truth[6])
    box = float(truth[0].sum() / bounds(truth[0]).sum())
    assert found.box == pytest.approx((box + 8) / 10) and found.corrected == pytest.approx((box + 8) / 9)
