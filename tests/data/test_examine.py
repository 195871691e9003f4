"""What is noted of a clip: brightness, motion, time stamps, and a few evenly spread pictures of any length of it."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import media
import scenes
from vidwright.data.examine import GRID, MOMENTS, Thinned, examine


@given(st.integers(1, 500), st.integers(2, 20), st.floats(0, 1))
def test_thinned_series_are_even_and_bounded(count, most, part):
    series = Thinned[int](most)
    for number in range(count):
        series.add(number)
    assert len(series.kept) <= most and series.kept[0] == 0
    steps = {b - a for a, b in zip(series.kept, series.kept[1:], strict=False)}
    assert len(steps) <= 1
    step = steps.pop() if steps else 1
    assert abs(series.at(part) - part * (count - 1)) <= max(step, count - 1 - series.kept[-1])


def test_levels_are_code_values(tmp_path):
    frames = torch.full((6, 3, 64, 96), 0.5)
    frames[2:, :, 24:40, 32:64] = 1.0  # a twelfth of the picture lights up: not a cut
    for name, options in (("a.mp4", {}), ("deep.mkv", {"pixel_format": "yuv420p10le"})):
        (look,), damage = examine(scenes.write(tmp_path / name, frames, **options), shortest=1)
        assert not damage and (look.first, look.frames, look.width, look.height) == (0, 6, 96, 64)
        assert look.brightest == pytest.approx(235, abs=2)  # studio white
        assert look.motion == pytest.approx(235 - 125.5, abs=2)
        assert float(look.seconds) == pytest.approx(6 / 25)
        assert look.prints.shape == (MOMENTS, GRID[0] // 4, GRID[1] // 4)
        assert look.prints[0].float().mean() == pytest.approx(125.5, abs=1)
        assert look.thumbnail.shape == (3, 72, 108) and look.thumbnail[:, 36, 54].min() > 250


def test_shots_begin_at_cuts_and_can_be_sought(tmp_path):
    looks, _ = examine(media.clip(tmp_path / "cuts.mp4", frames=30, cuts=[12, 20]), shortest=1)
    assert [(look.first, look.frames) for look in looks] == [(0, 12), (12, 8), (20, 10)]
    stamps = [look.stamp for look in looks]
    assert None not in stamps and stamps == sorted(stamps)
    raw, _ = examine(media.clip(tmp_path / "raw.h264", frames=30, cuts=[12], container="h264"), shortest=1)
    assert [look.stamp for look in raw] == [None, None]


def test_upright_sizes(tmp_path):
    (look,), _ = examine(media.clip(tmp_path / "turned.mp4", frames=4, size=(48, 64), rotation=90), shortest=1)
    assert (look.width, look.height) == (48, 64)
    assert look.thumbnail.shape == (3, 72, 54)
