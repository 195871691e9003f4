"""Means, ratios and shortfalls are right, and read well."""

from __future__ import annotations

import json
import math

import pytest

from vidwright.bench.enhance import Score
from vidwright.bench.enhance_table import TaskTable, decibels, notes, speed, summary, task_table, text
from vidwright.bench.peers import CLIPS, PEERS, SOURCE
from vidwright.bench.tasks import tasks
from vidwright.train.excerpts import HEIGHT, WIDTH

X2 = tasks()["x2"]
METHODS = {"bicubic": 30.0, "lanczos": 31.0, "net": 33.0}
#: Pixels of one excerpt: eight frames of full size.
PIXELS = 8 * WIDTH * HEIGHT


def table(clips: tuple[str, ...] = ("a", "b", "c_screen"), **changes: float) -> TaskTable:
    """Every method is the same everywhere, 6 dB worse on screens; `changes` are the net's figures by column."""
    scores = [
        Score(
            "x2",
            column,
            method,
            clip,
            (changes.get(column, value) if method == "net" else value) - 6 * clip.endswith("_screen"),
            0.02 if method == "lanczos" else 0.01,
            PIXELS,
            {"net": 0.5}.get(method, 0.25),
        )
        for clip in clips
        for column in X2.columns
        for method, value in METHODS.items()
    ]
    return task_table(X2, scores, ["net"], frames=8, absent={}, whole={"net": 12.5})


def test_means_are_over_clips_and_over_the_grid():
    rows = {row.method: row for row in table(area=35.0).rows}
    assert rows["bicubic"].means == {column: 28.0 for column in X2.columns}
    assert rows["net"].means["area"] == 33.0 and rows["net"].grid == pytest.approx((3 * 31 + 33) / 4)
    assert rows["net"].natural == 33.0 and rows["net"].gain == 2.0
    assert [row.ours for row in rows.values()] == [False, False, True]


def test_without_screens_there_is_no_second_mean():
    assert all(row.natural is None for row in table(clips=("a", "b")).rows)
    assert "natural" not in summary(table(clips=("a", "b")))[0]


def test_speed_and_flicker_are_ratios_to_the_named_rows():
    rows = {row.method: row for row in table().rows}
    assert rows["net"].fps == pytest.approx(16) and rows["lanczos"].fps == pytest.approx(32)
    assert rows["net"].speed == pytest.approx(0.5) and rows["net"].flicker == pytest.approx(0.5)
    assert rows["lanczos"].speed == rows["lanczos"].flicker == 1
    assert rows["net"].whole == 12.5 and rows["lanczos"].whole is None


def test_what_falls_below_the_floor_is_counted_and_named():
    assert table().below == () and notes(table()) == ["cells of net below bicubic: 0 of 15"]
    short = table(cubic=29.5)
    assert [(each.clip, each.column) for each in short.below] == [(clip, "cubic") for clip in short.clips]
    assert all(each.missing == pytest.approx(0.5) for each in short.below)
    assert notes(short)[0].startswith("cells of net below bicubic: 3 of 15; a, cubic: -0.50 dB; b, cubic: -0.50 dB")


def test_peers_stand_apart_and_only_beside_their_own_clips():
    assert table().peers == () and SOURCE not in text(table())
    same = table(clips=tuple(sorted(CLIPS)))
    assert {peer.name for peer in same.peers} == {"FSRCNN", "ESPCN", "IMDN_RTC", "IMDN"}
    assert SOURCE in text(same) and "IMDN" not in str(summary(same))
    assert {peer.task for peer in PEERS} <= set(tasks())


def test_the_text_has_a_line_for_each_method():
    lines = text(table()).splitlines()
    assert lines[0] == "x2: PSNR of luma without a 4-pixel border in dB, 3 clips of 8 frames"
    assert lines[1] == "gain, speed and flicker over lanczos"
    assert lines[3].split()[:5] == list(X2.columns)
    assert lines[6].split()[0] == "net" and lines[6].split()[-1] == "12.5"
    each = lines[lines.index("PSNR of luma without a 4-pixel border, each clip:") + 1 :]
    assert len(each) == 1 + 3 * 5 and each[-1].split() == ["bicubic+crf28", "net", "33.00", "33.00", "27.00"]


def test_data_is_json_even_when_pictures_are_equal():
    perfect = table(area=math.inf)
    content = json.loads(json.dumps(perfect.as_json(), allow_nan=False))
    (net,) = [row for row in content["rows"] if row["method"] == "net"]
    assert net["means"]["area"] is None and net["means"]["cubic"] == 31.0 and content["below_floor"]["of"] == 15
    assert len(content["scores"]) == 45 and content["peers"]["rows"] == []


def test_numbers_have_as_many_digits_as_they_deserve():
    assert [speed(value) for value in (327.4, 33.94, 1.702)] == ["327", "33.9", "1.70"]
    assert (decibels(33.914), decibels(math.inf), decibels(None)) == ("33.91", "∞", "")


def test_doing_nothing_has_no_speed():
    deblock = tasks()["deblock"]
    scores = [Score("deblock", "crf37", name, "a", 30.0, 0.0, PIXELS, 1e-7) for name in ("input", "net")]
    still, net = task_table(deblock, scores, ["net"], frames=8, absent={}, whole={}).rows
    assert still.fps is None and still.speed is None
    assert net.fps is not None and net.speed is None
    assert net.flicker == 1  # nothing beside nothing
