"""Windows: one for each item, around it, and never across a cut."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vidwright.core.window import windows


def over(text: str, radius: int) -> list[str]:
    """The windows over letters, of which capitals begin a shot."""
    return ["".join(window) for window in windows(text, radius, is_cut=str.isupper)]


@pytest.mark.parametrize(
    ("text", "radius", "expected"),
    [
        ("", 1, []),
        ("a", 1, ["aaa"]),
        ("ab", 1, ["aab", "abb"]),
        ("abc", 0, ["a", "b", "c"]),
        ("abcd", 1, ["aab", "abc", "bcd", "cdd"]),
        ("abC", 1, ["aab", "abb", "CCC"]),
        ("AbCd", 2, ["AAAbb", "AAbbb", "CCCdd", "CCddd"]),
        ("ABC", 2, ["AAAAA", "BBBBB", "CCCCC"]),
        ("abcde", 2, ["aaabc", "aabcd", "abcde", "bcdee", "cdeee"]),
    ],
)
def test_golden_windows(text, radius, expected):
    assert over(text, radius) == expected


@given(cuts=st.lists(st.booleans(), max_size=40), radius=st.integers(0, 6))
def test_every_window_holds_the_nearest_items_of_its_shot(cuts, radius):
    shots = list(itertools.accumulate(cuts, initial=0))[1:]  # each item's shot, by counting cuts
    items = list(enumerate(shots))
    found = list(windows(items, radius, is_cut=lambda item: cuts[item[0]]))
    assert [window[radius] for window in found] == items
    for window, (number, shot) in zip(found, items, strict=True):
        own = [n for n, other in items if other == shot]
        wanted = [min(max(n, own[0]), own[-1]) for n in range(number - radius, number + radius + 1)]
        assert [n for n, _ in window] == wanted


@pytest.mark.parametrize("radius", [0, 1, 3])
def test_windows_come_as_soon_as_they_are_complete(radius):
    taken: list[int] = []

    def source():
        for number in range(10):
            taken.append(number)
            yield number

    for count, window in enumerate(windows(source(), radius, is_cut=lambda item: False)):
        assert window[radius] == count
        assert len(taken) == min(count + radius + 1, 10)
