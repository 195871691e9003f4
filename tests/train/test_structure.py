"""Structure as a sum of squares: its slope is that of what is measured, and what it finds keeps more."""

from __future__ import annotations

import shutil

import pytest
import torch

from media import FLOWER
from vidwright.data.decoded import Copy
from vidwright.data.index import open_shots
from vidwright.jobs.gate import BACK
from vidwright.metrics.ssim import similarity, windowed
from vidwright.models.compress.postfilter import CLASSES, classes_of
from vidwright.nn.adaptive import combined
from vidwright.train import filtering
from vidwright.train.structure import INNER, MOST_LOST, Structure, lost


@pytest.fixture(scope="module")
def examples():
    """A real picture or two between their neighbours, as an encoder leaves them, and what is missing of them."""
    (shot,) = [shot for shot in open_shots(FLOWER.parent, "all") if shot.file.name == FLOWER.name]
    _, found = filtering._examples(Copy(shot, 0.5, "av1", 55))
    return [next(found)]


def test_what_is_lost_is_what_ssim_counts(examples):
    ((place, missing),) = examples
    seen, truth = place.planes[0], place.planes[0] + missing[0]
    _, structure = similarity(truth[None], seen[None], peak=255)
    assert lost(truth, seen) == pytest.approx(1 - float(structure.mean()), abs=1e-5)
    found = filtering._structural(place, missing[0])
    assert found.left(0 * found.solved()) / structure.numel() == pytest.approx(lost(truth, seen), rel=1e-4)
    assert lost(truth, truth) == pytest.approx(0, abs=1e-6)


def test_the_sums_are_those_of_both_squares(examples):
    """What they say of a filter is what the two squares of the page's head come to, place by place."""
    ((place, missing),) = examples
    found = filtering._structural(place, missing[0])
    some_LK = found.solved().float()
    gone, energy, detail = (part.clamp(0, MOST_LOST) if n == 0 else part for n, part in enumerate(parts(examples)))
    added = combined(place.taps(0), some_LK, classes_of(place, 0))[INNER, INNER]
    error = missing[0][INNER, INNER]

    def squares(added):
        return float((((error - added).square() - gone * (detail + added).square()) / energy).double().sum())

    assert found.left(some_LK) - found.left(0 * some_LK) == pytest.approx(squares(added) - squares(0 * added), rel=1e-3)
    seen = place.planes[0]
    whole = combined(place.taps(0), some_LK, classes_of(place, 0))
    fewer = [lost(seen + missing[0], seen + part * whole) for part in (0.0, 0.3, 0.6)]
    assert fewer == sorted(fewer, reverse=True) and fewer[0] > fewer[-1]  # and what is lost falls along it


def parts(examples):
    """What is lost at each place, the energy there, and the detail that is seen, each by its own definition."""
    ((place, missing),) = examples
    seen = place.planes[0].double()
    truth = seen + missing[0]
    means = windowed(torch.stack((seen, truth, seen**2, truth**2, missing[0].double(), missing[0].double() ** 2)))
    energy = means[2] - means[0] ** 2 + means[3] - means[1] ** 2 + (0.03 * 255) ** 2
    return (means[5] - means[4] ** 2) / energy, energy, seen[INNER, INNER] - means[0]


def test_it_keeps_more_structure_and_no_more_detail_than_the_truth(examples):
    ((place, missing),) = examples
    seen, truth = place.planes[0], place.planes[0] + missing[0]

    def restored(coefficients_LK):
        return seen + combined(place.taps(0), coefficients_LK.float(), classes_of(place, 0))

    taps, class_HW = place.all_taps(0), classes_of(place, 0)
    near = restored(filtering._sums(place, 0, missing[0]).solved())
    alike, more = (
        restored(Structure(taps, seen, missing[0], back=back).sums(class_HW, CLASSES[0]).solved())
        for back in (1.0, BACK)
    )
    assert lost(truth, alike) < lost(truth, near) < lost(truth, seen)
    assert lost(truth, more) < lost(truth, seen)
    assert detail(near) < detail(alike) < detail(more) <= detail(truth)


def detail(plane_HW: torch.Tensor) -> float:
    return float(sum(plane_HW.diff(dim=axis).square().mean() for axis in (0, 1)))


def test_each_goal_is_learned_best_for_itself(tmp_path, monkeypatch):
    shutil.copy(FLOWER, tmp_path)
    monkeypatch.setattr("vidwright.data.decoded.FRAMES", 5)
    near, alike = (filtering.fit(tmp_path, goal=goal, codecs=["av1"], copies=1) for goal in ("fidelity", "perceptual"))
    assert not torch.equal(near.y, alike.y) and torch.equal(near.u, alike.u) and torch.equal(near.v, alike.v)
    for goal, better, worse in (("fidelity", near, alike), ("perceptual", alike, near)):
        first, second = (filtering.gains(net, tmp_path, goal=goal, copies=1, seed=0) for net in (better, worse))
        assert first["y.av1"] > second["y.av1"] and first["u.av1"] == second["u.av1"]
