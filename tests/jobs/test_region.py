"""Regions: from words to data, to JSON and back, and to pixels."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from vidwright.core.errors import UsageError
from vidwright.jobs.masks import words
from vidwright.jobs.region import Region, Shape, parsed
from vidwright.vision import masks

SIZE = (48, 64)


@pytest.mark.parametrize(
    ("word", "shape"),
    [
        ("box:120,80,260,300@0.4", {"kind": "box", "numbers": (120, 80, 260, 300), "at": 0.4}),
        ("box:1.5,-2,3,4", {"kind": "box", "numbers": (1.5, -2, 3, 4)}),
        ("ellipse:190,190,70,110", {"kind": "ellipse", "numbers": (190, 190, 70, 110)}),
        ("polygon:10,10,90,10,50,80@2", {"kind": "polygon", "numbers": (10, 10, 90, 10, 50, 80), "at": 2}),
        ("brush:12,40,50,80,60", {"kind": "brush", "numbers": (12, 40, 50, 80, 60)}),
        ("brush:12,40,50@0", {"kind": "brush", "numbers": (12, 40, 50), "at": 0}),
        ("mask.png", {"kind": "mask", "path": Path("mask.png")}),
        ("some folder/Mask.MKV@1.25", {"kind": "mask", "path": Path("some folder/Mask.MKV"), "at": 1.25}),
        ("me@home/mask.png", {"kind": "mask", "path": Path("me@home/mask.png")}),
        ("me@home.png", {"kind": "mask", "path": Path("me@home.png")}),
        ("me@home.png@3", {"kind": "mask", "path": Path("me@home.png"), "at": 3}),
        ("box:1.png", {"kind": "mask", "path": Path("box:1.png")}),
        ("all", {"kind": "all"}),
        ("all@2", {"kind": "all", "at": 2}),
    ],
)
def test_words_are_shapes(word, shape):
    assert parsed(word) == Shape(**shape)
    assert Region.parse(word) == Region(shapes=(Shape(**shape),))


@pytest.mark.parametrize(
    ("word", "cause", "nearest"),
    [
        ("bx:1,2,3,4", "no region", "box:left,top,right,bottom?"),
        ("elipse:1,2,3,4", "no region", "ellipse:x,y"),
        ("brsh:1,2,3", "no region", "brush:width"),
        ("mask.pg", "no region", "mask.png"),
        ("al", "no region", "all?"),
        ("mask:a.txt", "no region", "mask."),
        ("", "no region", "box:"),
        ("box:1,2,3", "box takes left,top,right,bottom", "box:left,top,right,bottom"),
        ("box:1,2,3,4,5", "box takes", "box:left,top,right,bottom"),
        ("box:a,b,c,d", "box takes", "box:left,top,right,bottom"),
        ("box", "box takes", "box:left,top,right,bottom"),
        ("box:9,2,3,4", "box takes", "box:left,top,right,bottom"),
        ("box:1,2,3,4@nan", "no second", "@seconds"),
        ("box:1,2,3,nan", "box takes", "box:left,top,right,bottom"),
        ("ellipse:1,2,3", "ellipse takes", "ellipse:x,y"),
        ("polygon:1,2,3,4", "polygon takes", "polygon:x,y"),
        ("polygon:1,2,3,4,5,6,7", "polygon takes", "polygon:x,y"),
        ("brush:1,2", "brush takes", "brush:width"),
        ("brush:1,2,3,4", "brush takes", "brush:width"),
        ("box:1,2,3,4@-1", "no second", "@seconds"),
        ("all@-1", "no second", "@seconds"),
        ("mask.png@inf", "no second", "@seconds"),
    ],
)
def test_other_words_are_refused_in_three_lines_that_name_the_nearest(word, cause, nearest):
    for read in (parsed, Region.parse):
        with pytest.raises(UsageError) as caught:
            read(word)
        assert len(str(caught.value).splitlines()) == 3
        assert caught.value.subject == word and cause in caught.value.cause and nearest in caught.value.next_step


@pytest.mark.parametrize(
    ("text", "fields", "cause"),
    [
        ("box:1,2,3,4@1;box:1,2,3,4", {}, "either all have a time or none has"),
        ("box:1,2,3,4", {"tracked": True}, "a shape with a time"),
        ("box:1,2,3,4;bx:1,2", {}, "no region"),
        ("box:1,2,3,4", {"start": -1.0}, "greater than or equal to 0"),
    ],
)
def test_what_makes_no_sense_together_is_refused_in_three_lines(text, fields, cause):
    with pytest.raises(UsageError) as caught:
        Region.parse(text, **fields)
    assert len(str(caught.value).splitlines()) == 3 and cause in caught.value.cause


def test_as_data_it_is_held_to_the_same():
    for wrong in (
        {"shapes": ()},
        {"shapes": ({"kind": "box", "numbers": (1, 2, 3)},)},
        {"shapes": ({"kind": "box", "numbers": (1, 2, 3, 4), "path": "a.png"},)},
        {"shapes": ({"kind": "mask"},)},
        {"shapes": ({"kind": "all", "numbers": (1, 2)},)},
        {"shapes": ({"kind": "star", "numbers": (1, 2)},)},
        {"shapes": ({"kind": "all"},), "grown": 3},
        {"shapes": ({"kind": "all"},), "tracked": True},
        {"shapes": ({"kind": "all"},), "shadows": True},
        {"shapes": ({"kind": "all"},), "growth": float("inf")},
    ):
        with pytest.raises(ValidationError):
            Region.model_validate(wrong)


@pytest.mark.parametrize(
    "text",
    [
        "box:120,80,260,300@0.4",
        "ellipse:190,190,70.5,110;polygon:10,10,90,10,50,80;brush:12,40,50,80,60",
        "some/mask.png@1;other.mkv@2.5",
        "all",
    ],
)
def test_through_json_and_through_words_it_stays_itself(text):
    region = Region.parse(text, growth=2.5, form="hull", inverted=True, start=0.5, stop=3)
    assert Region.model_validate_json(region.model_dump_json()) == region
    assert words(region) == text and Region.parse(words(region)) == Region.parse(text)


def test_calls_follow_each_other_and_change_nothing_that_was_there():
    first = Region.box((120, 80, 260, 300), t=0.4)
    last = first.track().grow(6).grow(-2).hull()
    assert first == Region.parse("box:120,80,260,300@0.4")
    assert last == Region.parse("box:120,80,260,300@0.4", tracked=True, growth=4, form="hull")
    assert first.track(shadows=True) == Region.parse("box:120,80,260,300@0.4", tracked=True, shadows=True)
    assert Region.ellipse((10, 20), (3, 4), t=1) == Region.parse("ellipse:10,20,3,4@1")
    assert Region.mask("a.png") == Region.parse("a.png") and Region.everything() == Region.parse("all")
    with pytest.raises(ValueError, match="a shape with a time"):
        Region.box((1, 2, 3, 4)).track()
    with pytest.raises(ValidationError, match="frozen"):
        first.growth = 3


def test_shapes_are_drawn_by_their_numbers():
    for word, truth_HW in {
        "box:5,6,30,20": masks.box(SIZE, 5, 6, 30, 20),
        "ellipse:20,30,9,12": masks.ellipse(SIZE, 20, 30, 9, 12),
        "polygon:5,5,40,8,50,40,9,30": masks.polygon(SIZE, [(5, 5), (40, 8), (50, 40), (9, 30)]),
        "brush:5,10,12,50,40,10,40": masks.stroke(SIZE, 5, [(10, 12), (50, 40), (10, 40)]),
        "brush:9,10,12": masks.stroke(SIZE, 9, [(10, 12)]),
        "all": torch.ones(SIZE, dtype=torch.bool),
    }.items():
        found_HW = parsed(word).drawn(SIZE)
        assert torch.equal(found_HW, truth_HW) and found_HW.any()


@given(st.integers(5, 58), st.integers(5, 42), st.integers(5, 58), st.integers(5, 42), st.integers(2, 9))
@settings(max_examples=25, deadline=None)
def test_a_brush_covers_its_points_and_nothing_off_its_way(x0, y0, x1, y1, width):
    drawn_HW = parsed(f"brush:{width},{x0},{y0},{x1},{y1}").drawn(SIZE)
    assert drawn_HW[y0, x0] and drawn_HW[y1, x1] and drawn_HW[(y0 + y1) // 2, (x0 + x1) // 2]
    (left, right), (top, bottom) = sorted((x0, x1)), sorted((y0, y1))
    around = masks.box(SIZE, left - width, top - width, right + width, bottom + width)
    assert not (drawn_HW & ~around).any()
