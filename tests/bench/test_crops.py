"""Pieces of pictures: from where the baseline errs, exact, of the clips that tell most."""

from __future__ import annotations

import io

import numpy as np
import pytest
import torch
from PIL import Image

from vidwright.bench.crops import INPUT, SIZE, TRUTH, Crop, crop, spread
from vidwright.bench.enhance import Cell, Score
from vidwright.bench.tasks import tasks

HEIGHT, WIDTH = SIZE


def cell(height: int, width: int, *, wrong: tuple[int, int]) -> Cell:
    """A grey clip on which Lanczos errs at one place of the middle frame, and a net nowhere."""
    target = torch.full((3, 3, height, width), 90, dtype=torch.uint8)
    failed = target.clone()
    failed[1, :, wrong[0] : wrong[0] + 8, wrong[1] : wrong[1] + 8] = 250
    source = torch.arange(3, dtype=torch.uint8)[:, None, None, None].expand(3, 3, height // 2, width // 2)
    scores = tuple(Score("x2", "area", name, "a", psnr, 0.1, 1, 1.0) for name, psnr in (("lanczos", 30), ("net", 32)))
    return Cell(tasks()["x2"], "area", "a", source, target, {"lanczos": failed, "net": target}, scores)


def pixels(content: bytes) -> np.ndarray:
    return np.array(Image.open(io.BytesIO(content)))


def test_the_place_is_where_the_baseline_errs_and_pixels_are_exact():
    found = crop(cell(272, 480, wrong=(200, 400)), ["net"])
    assert (found.clip, found.column, found.gain) == ("a", "area", 2.0)
    assert [name for name, _ in found.pictures] == [INPUT, "lanczos", "net", TRUTH]
    shown = {name: pixels(content) for name, content in found.pictures}
    assert all(picture.shape == (HEIGHT, WIDTH, 3) for picture in shown.values())
    assert (shown["lanczos"] == 250).sum() == 3 * 64  # the whole of what went wrong
    assert (shown["net"] == 90).all() and (shown[TRUTH] == 90).all()
    assert (shown[INPUT] == 1).all()  # of the middle frame


def test_small_pictures_are_shown_whole():
    found = crop(cell(48, 64, wrong=(0, 0)), [])
    assert (found.width, found.height, found.gain) == (64, 48, None)
    assert [name for name, _ in found.pictures] == [INPUT, "lanczos", TRUTH]


@pytest.mark.parametrize(("gains", "wanted"), [([0.5], [0.5]), ([3, 1], [3, 1]), ([2, 5, 1, 4, 3], [5, 3, 1])])
def test_most_middling_and_least(gains, wanted):
    assert [each.gain for each in spread(Crop("area", "a", gain, 1, 1, ()) for gain in gains)] == wanted
