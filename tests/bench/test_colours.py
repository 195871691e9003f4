"""Colours that are lost, found again, and measured."""

from __future__ import annotations

import math

import pytest
import torch

from pans import known, pan
from vidwright.bench import colours
from vidwright.bench.colours import REACH, chroma_psnr, coloured, greyed


def test_chroma_is_that_of_the_standard():
    """Full red has Cr = 0.5 and Cb = -0.1687 of the peak; grey has none."""
    red, grey = torch.zeros(1, 3, 4, 4, dtype=torch.uint8), torch.full((1, 3, 4, 4), 90, dtype=torch.uint8)
    red[:, 0] = 255
    assert chroma_psnr(red, grey) == pytest.approx(-10 * math.log10((0.5**2 + 0.1687**2) / 2), abs=0.01)
    assert chroma_psnr(red, red) == math.inf


def test_grey_is_the_luma_and_says_nothing_of_colour():
    frames = pan(1, 3, (32, 40), 1)
    grey = greyed(frames)
    assert torch.equal(grey[:, 0], grey[:, 1]) and torch.equal(grey[:, 0], grey[:, 2])
    luma = 0.299 * frames[:, 0].float() + 0.587 * frames[:, 1].float() + 0.114 * frames[:, 2].float()
    assert (grey[:, 0].float() - luma).abs().max() <= 0.51


def test_colour_is_asked_for_from_the_middle_frame_and_that_one_does_not_count(monkeypatch):
    clip = known(pan(2, 40, (48, 64), 1), 1)
    seen = []

    def propagated(film, keys, colour):
        frames = list(film())
        seen.append((frames, keys, colour))
        return [frame.with_data(keys.get(n, frame.data)) for n, frame in enumerate(frames)]

    monkeypatch.setattr(colours, "propagated", propagated)
    found = coloured(clip)
    ((frames, keys, colour),) = seen
    assert len(frames) == 2 * REACH + 1 and list(keys) == [REACH] and colour
    assert torch.equal(keys[REACH], clip.frames[20].float() / 255)
    truth = torch.cat([clip.frames[4:20], clip.frames[21:37]])
    assert found.grey == found.ours == pytest.approx(chroma_psnr(greyed(truth), truth))
