"""Sources: told by folder or name, and never in two parts."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vidwright.core.errors import BadInput
from vidwright.data.sources import find_clips, held_out, source_of


@pytest.mark.parametrize(
    ("clip", "source"),
    [
        ("clip_3.mp4", "clip"),
        ("clip.mp4", "clip"),
        ("walk-2 007.mkv", "walk-2"),
        ("2024.mp4", "2024"),
        ("a_cups4_0.mp4", "a_cups4"),
        ("film/scene_1/take_2.mp4", "film"),
    ],
)
def test_source_of_a_clip(clip, source):
    assert source_of(Path("/data") / clip, Path("/data")) == source


def test_clips_are_found_below_and_in_order(tmp_path):
    for name in ("b/2.MP4", "a.mkv", "b/1.mp4", "notes.txt", ".hidden/x.mp4", "b/.part.mp4"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert [str(path.relative_to(tmp_path)) for path in find_clips(tmp_path)] == ["a.mkv", "b/1.mp4", "b/2.MP4"]


def test_no_clips(tmp_path):
    with pytest.raises(BadInput, match="no clip in this folder"):
        find_clips(tmp_path)
    with pytest.raises(BadInput, match="no such folder"):
        find_clips(tmp_path / "gone")


FRAMES = st.dictionaries(st.text(min_size=1, max_size=5), st.integers(1, 1000), min_size=1, max_size=12)


@given(FRAMES, st.floats(0.01, 0.9), st.integers(0, 5))
def test_about_the_share_is_held_out(frames, share, seed):
    kept = held_out(frames, share, seed)
    assert kept <= set(frames)
    if len(frames) == 1:
        assert not kept
        return
    assert 0 < len(kept) < len(frames)
    total = sum(frames[source] for source in kept)
    assert total <= share * sum(frames.values()) or kept == {min(kept, key=frames.__getitem__)}
    assert kept == held_out(dict(reversed(frames.items())), share, seed)  # by name, not by place


def test_seeds_hold_out_different_sources():
    frames = {str(n): 10 for n in range(20)}
    assert len({held_out(frames, 0.1, seed) for seed in range(8)}) > 3
    assert all(len(held_out(frames, 0.1, seed)) == 2 for seed in range(8))
    assert held_out(frames, 0, 0) == frozenset()
