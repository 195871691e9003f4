"""Figures of filled holes, against ones that are known by hand, and the table of all ways."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import pytest
import torch

from pans import known, pan
from vidwright.bench import edit, edit_sheet
from vidwright.bench.colours import Coloured
from vidwright.bench.edit import (
    ALONE,
    GREY,
    LEAST,
    OURS,
    PLAIN,
    Score,
    cells,
    completion,
    decibels,
    fillers,
    motion,
    similarity_inside,
    warping,
)
from vidwright.bench.edit_table import Found, as_json, notes, rows, text
from vidwright.bench.fillers import FILLERS
from vidwright.bench.holes import KINDS
from vidwright.bench.tracks import Tracked

SIZE = (96, 128)


@pytest.fixture(scope="module")
def clip():
    return known(pan(1, 8, SIZE, 3), 3)


def scored(clip, fill, kind="moving"):
    (cell,) = cells([clip], {"way": fill}, [kind])
    return cell.scores[0]


@pytest.mark.parametrize("kind", KINDS)
def test_the_truth_is_perfect(kind, clip):
    score = scored(clip, lambda source, masks: clip.frames, kind)
    assert score.psnr == math.inf and score.ssim == pytest.approx(1) and score.touched == 0
    assert {score.revealed, score.never} <= {math.inf, None} and score.warping == score.truth
    assert (score.clip, score.motion, score.kind) == ("clip", "panning", kind)


def test_grey_scores_what_it_has_to():
    """Against a clip of one value the error is the same everywhere."""
    flat = known(torch.full((8, 3, *SIZE), 100, dtype=torch.uint8), 0)
    score = scored(flat, lambda source, masks: source, "static")
    small = (0.01 * 255) ** 2
    assert score.psnr == pytest.approx(10 * math.log10(255**2 / (GREY - 100) ** 2))
    assert score.never == score.psnr and score.revealed is None
    inside = similarity_inside(torch.full_like(flat.frames, 127), flat.frames, torch.ones(8, *SIZE, dtype=torch.bool))
    assert inside == pytest.approx((2 * 100 * 127 + small) / (100**2 + 127**2 + small), rel=1e-4)


def test_figures_are_of_hidden_pixels_alone(clip):
    masks = torch.zeros(8, *SIZE, dtype=torch.bool)
    masks[2, 20:40, 30:50] = True
    spoilt = torch.where(masks[:, None], clip.frames, 0)
    assert decibels(spoilt, clip.frames, masks) == math.inf
    one = clip.frames.clone()
    one[2, 1, 25, 35] ^= 16  # one value of the 1200 in the hole
    assert decibels(one, clip.frames, masks) == pytest.approx(10 * math.log10(255**2 * 1200 / 256))
    assert decibels(one, clip.frames, ~masks & False) is None
    assert similarity_inside(one, clip.frames, masks) < 1 == similarity_inside(clip.frames, clip.frames, masks)
    around = torch.zeros_like(masks)
    around[2, 10, 10] = around[2, 60, 80] = True  # a hole of two pixels, between which the other one lies
    assert similarity_inside(one, clip.frames, around) == pytest.approx(1)


def test_error_is_split_between_what_is_revealed_and_what_never_is():
    slow = known(pan(2, 8, SIZE, 1), 1)
    (cell,) = cells([slow], {"Telea": FILLERS["Telea"]}, ["static"])
    (score,) = cell.scores
    columns = cell.masks[0].any(0).sum()
    shares = [(min(n, columns) + min(7 - n, columns)) / columns for n in range(8)]  # pixels at either side of the box
    share = float(sum(shares)) / 8
    assert score.revealed is not None and score.never is not None
    whole, seen, unseen = (10 ** (-value / 10) for value in (score.psnr, score.revealed, score.never))
    assert whole == pytest.approx(share * seen + (1 - share) * unseen)


def test_a_few_pixels_have_no_figure_of_their_own(monkeypatch, clip):
    whole = []

    def all_but_a_few(masks, cameras):
        seen = masks.clone()
        seen[0, :, : int(masks[0].nonzero()[:, 1].min()) + 1] = False
        whole.append((int((masks & ~seen).sum()), int(masks.sum())))
        return seen

    monkeypatch.setattr(edit, "revealed", all_but_a_few)
    score = scored(clip, FILLERS["Telea"], "static")
    assert 0 < whole[0][0] < LEAST * whole[0][1] and score.never is None and score.revealed is not None


def test_flicker_is_found_along_the_motion_of_the_truth():
    still = known(pan(3, 6, SIZE, 0), 0)
    masks = torch.zeros(6, *SIZE, dtype=torch.bool)
    masks[:, 30:60, 40:80] = True
    flows = motion(still.frames)
    frames = still.frames.clamp(max=240)
    assert warping(frames, masks, flows) == 0
    flickering = frames.clone()
    flickering[1::2] += 12
    assert warping(flickering, masks, flows) == pytest.approx((12 / 255) ** 2, rel=1e-4)
    flickering[:, :, ~masks[0]] = frames[:, :, ~masks[0]]
    assert warping(flickering, masks, flows) == pytest.approx((12 / 255) ** 2, rel=1e-4)
    assert warping(frames, masks & False, flows) is None


def test_ways_see_grey_in_the_holes_and_what_they_change_elsewhere_is_counted(clip):
    seen = []

    def careless(source, masks):
        seen.append((source, masks))
        made = source.clone()
        made[4, :, 0, 0] ^= 1  # a corner that no hole reaches
        return made

    assert scored(clip, careless, "static").touched == 1
    ((source, masks),) = seen
    assert (source.movedim(1, -1)[masks] == GREY).all()
    assert torch.equal(source.movedim(1, -1)[~masks], clip.frames.movedim(1, -1)[~masks])


def test_ours_beats_what_sees_one_frame_and_touches_nothing_else(clip):
    ways = fillers(completion())
    assert list(ways) == [*FILLERS, ALONE, PLAIN, OURS]
    (cell,) = cells([clip], {name: ways[name] for name in ("Telea", ALONE, PLAIN, OURS)}, ["moving"])
    telea, alone, *ours = cell.scores
    assert all(score.psnr > telea.psnr + 3 and score.touched == 0 for score in ours)
    assert alone.psnr > telea.psnr + 1 and alone.touched == 0


def test_the_sheet_has_a_row_for_the_truth_the_hole_and_each_way(clip):
    (cell,) = cells([clip], FILLERS, ["static"])
    shown = edit_sheet.rows(cell)
    assert len(shown) == 2 + len(FILLERS)
    truth, holes = shown[0][0], shown[1][0]
    hidden = (holes * 255).round().eq(GREY).all(0)
    assert hidden.sum() >= 24 * 32 and (truth - holes)[:, ~hidden].abs().max() == 0


def score(clip: str, method: str, psnr: float, **others) -> Score:
    made = Score(clip, "panning", "moving", method, psnr, psnr + 1, psnr - 1, 0.5, 0.02, 0.01, 0.1, 0.2, 0)
    return replace(made, **others)


SCORES = [
    score("a", "Telea", 20.0),
    score("a", "mine", 23.0),
    score("b", "Telea", 18.0, motion="near-static", never=None),
    score("b", "mine", 17.5, motion="near-static", never=None, warping=None),
    score("c_screen", "Telea", 10.0),
    score("c_screen", "mine", 40.0),
]


def test_means_gains_and_the_worst_clip():
    telea, mine = rows(SCORES)
    assert mine.psnr == {"all": 20.25, "panning": 23.0, "near-static": 17.5}
    assert mine.gain == {"all": 1.25, "panning": 3.0, "near-static": -0.5}
    assert (mine.worst, mine.worst_clip) == (-0.5, "b")
    assert (mine.revealed, mine.revealed_gain) == (21.25, 1.25) and (mine.never, mine.never_gain) == (22.0, 3.0)
    assert mine.warping == pytest.approx(2.0) and (mine.seconds, mine.wall) == (0.1, 0.2)
    assert set(telea.gain.values()) == {0.0} and telea.method == "Telea"


def test_screens_are_all_there_is_or_not_in_the_means():
    assert [row.psnr["all"] for row in rows([each for each in SCORES if "screen" in each.clip])] == [10.0, 40.0]


def test_the_text_has_every_row():
    clips = [known(pan(1, 2, SIZE, 3), 3, "a"), known(pan(1, 2, SIZE, 0), 0, "b")]
    static = [replace(each, kind="static", touched=7) for each in SCORES]
    tracked, coloured = [Tracked("a", "panning", 0.7, 0.8)], [Coloured("a", "panning", 20.0, 29.0, 0.1)]
    lines = text(Found(clips, [*SCORES, *static], tracked, coloured)).splitlines()
    for kind in ("moving", "static"):
        first = next(n for n, line in enumerate(lines) if line.startswith(f"hole: {kind};"))
        assert lines[first + 2].startswith("Telea") and "19.00 +0.00" in lines[first + 2]
        assert (
            lines[first + 3].startswith("mine") and "20.25 +1.25" in lines[first + 3] and "-0.50 b" in lines[first + 3]
        )
    assert "note: mine changed 7 pixels outside of static in a" in lines and notes(SCORES) == []
    assert ["a", "panning", "7.50", "px"] in [line.split() for line in lines]
    assert ["a", "panning", "0.700", "0.800"] in [line.split() for line in lines]
    assert ["mean", "20.00", "29.00", "+9.00", "0.100"] in [line.split() for line in lines]


def test_data_is_json_even_of_perfect_fills():
    perfect = [*SCORES, score("a", "perfect", math.inf), score("b", "perfect", math.inf)]
    content = json.loads(json.dumps(as_json(Found([], perfect, [], []), {"threads": 1}), allow_nan=False))
    assert len(content["scores"]) == 8 and content["rows"][2]["psnr"]["all"] is None
    assert content["rows"][2]["worst"] is None and content["machine"] == {"threads": 1}
