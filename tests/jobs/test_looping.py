"""A loop: its last frame leads to its first as any other frame leads to the next."""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

import media
from scenes import RATE, write
from vidwright.core import Frame
from vidwright.core.errors import UsageError
from vidwright.io import open_video, probe
from vidwright.jobs.changes import Change, Loop, Mask, Speed
from vidwright.jobs.edit import Edit, edit
from vidwright.jobs.looping import between, seam
from vidwright.jobs.run import run
from vidwright.jobs.work import Local

HERE = Local(threads=1)
SIZE = (48, 64)


def swinging(frames: int, period: float) -> Tensor:
    """(T, 3, H, W): a scene before which the camera swings from left to right and back, and slowly gets darker."""
    random = torch.Generator().manual_seed(3)
    grids = [torch.rand(1, 3, *size, generator=random) for size in ((12, 24), (5, 8))]
    layers = [F.interpolate(grid, (48, 96), mode="bicubic") for grid in grids]
    wide = torch.stack(layers).mean(0)[0].clamp(0, 1)
    lefts = [round(12 + 12 * math.sin(2 * math.pi * n / period)) for n in range(frames)]
    return torch.stack([wide[..., left : left + SIZE[1]] * (1 - 0.002 * n) for n, left in enumerate(lefts)])


def job(source: Path, output: Path, seconds: float, **options: Any) -> Edit:
    changes = (Change(put=Loop(seconds=seconds)),)
    return Edit(input=source, output=output, changes=changes, **{"codec": "ffv1"} | options)


def steps(frames: Sequence[Tensor]) -> list[float]:
    """How much each frame differs from the one before; the first from the last."""
    return [float((frames[n] - frames[n - 1]).abs().mean()) for n in range(len(frames))]


def test_the_seam_is_no_larger_than_any_other_step(tmp_path: Path) -> None:
    source = write(tmp_path / "in.mkv", swinging(60, 22))
    report = run(job(source, tmp_path / "out.mkv", 0.2), on=HERE)
    made, given = ([frame.data for frame in open_video(path)] for path in (report.output, source))
    at, *others = steps(made)
    assert at < 1.2 * max(others) < steps(given)[0]
    assert 30 < report.frames < 60 and abs(report.frames % 22) in (0, 1, 21)
    assert probe(report.output).info.duration == pytest.approx(report.frames / RATE, abs=0.002)


def test_only_the_last_frames_are_made(tmp_path: Path) -> None:
    source = write(tmp_path / "in.mkv", swinging(40, 30))
    report = run(job(source, tmp_path / "out.mkv", 0.16), on=HERE)
    begin = round(report.details["job"]["start"] * RATE)
    made, given = ([frame.data for frame in open_video(path)] for path in (report.output, source))
    off = [float((a - b).abs().mean()) for a, b in zip(made, given[begin:], strict=False)]
    assert max(off[:-4]) < 0.012 < min(off[-3:])
    assert float((made[-1] - given[begin - 1]).abs().mean()) < off[-1]


def test_of_a_slow_change_most_is_kept() -> None:
    frames = [Frame(torch.full((3, 48, 64), 0.2 + 0.01 * n), n / RATE) for n in range(64)]
    found = seam(frames, 0.2, RATE)
    assert (found.end - found.begin) * RATE > 50 and found.frames == 5


def test_it_is_the_same_in_pieces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = write(tmp_path / "in.mkv", swinging(48, 30))
    whole = run(job(source, tmp_path / "whole.mkv", 0.4), on=HERE)
    monkeypatch.setattr("vidwright.jobs.planning.SEGMENT_SECONDS", Fraction(1, 5))
    parts = run(job(source, tmp_path / "parts.mkv", 0.4), on=HERE)
    assert parts.details["segments"] > whole.details["segments"]
    for a, b in zip(open_video(whole.output), open_video(parts.output), strict=True):
        assert torch.equal(a.data, b.data)


def test_it_is_looked_for_in_the_part_that_is_asked_for(tmp_path: Path) -> None:
    source = write(tmp_path / "in.mkv", swinging(60, 20))
    report = run(job(source, tmp_path / "out.mkv", 0.12, start=0.4, stop=2), on=HERE)
    assert report.details["job"]["start"] >= 0.52 and report.details["job"]["stop"] <= 2


def test_what_is_between_two_pictures_is_on_its_way() -> None:
    wide = swinging(1, 9)[0]
    one, half, other = (wide[:, :40, left : left + 48] for left in (0, 3, 6))
    made = between(one, other, 0.5)
    inner = (slice(None), slice(8, -8), slice(8, -8))
    assert (made - half)[inner].abs().mean() < 0.3 * ((one + other) / 2 - half)[inner].abs().mean()
    alpha = torch.full((1, 40, 48), 0.3)
    assert torch.equal(between(torch.cat([one, alpha]), other, 0.5)[3:], alpha)


def test_what_makes_no_sense_is_refused(tmp_path: Path) -> None:
    frames = [Frame(data, n / RATE) for n, data in enumerate(swinging(12, 9))]
    with pytest.raises(UsageError, match="12 frames, and 12 are to be blended"):
        seam(frames, 0.5, RATE)
    source = media.clip(tmp_path / "in.mkv", frames=3)
    with pytest.raises(UsageError, match="not the first"):
        run(Edit(input=source, output=tmp_path / "o.mkv", changes=(Change(put=Mask()), Change(put=Loop()))), on=HERE)
    with pytest.raises(UsageError, match="in files alone"):
        edit(open_video(source), [Change(put=Loop())])


def test_a_loop_can_be_slowed_down(tmp_path: Path) -> None:
    source = write(tmp_path / "in.mkv", swinging(40, 30))
    changes = (Change(put=Loop(seconds=0.2)), Change(put=Speed(speed=2)))
    plain = run(job(source, tmp_path / "a.mkv", 0.2), on=HERE)
    report = run(Edit(input=source, output=tmp_path / "b.mkv", changes=changes, codec="ffv1"), on=HERE)
    assert report.frames == math.ceil(plain.frames / 2)
