"""VMAF against FFmpeg's filter on the same files, and what is refused."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import imageio_ffmpeg
import pytest
import torch
from torch import Tensor

import media
from vidwright.core.errors import BadInput, JobFailed, UsageError
from vidwright.data.seeding import generator
from vidwright.metrics.vmaf import vmaf, vmaf_of_files


def _lumas(count: int = 3, height: int = 36, width: int = 45) -> list[Tensor]:
    return list(torch.randint(16, 236, (count, height, width), generator=generator(1), dtype=torch.uint8))


def _coded(path: Path, crf: int, pix_fmt: str = "yuv420p") -> Path:
    return media.clip(path, frames=6, size=(96, 80), pix_fmt=pix_fmt, options={"crf": str(crf)})


def _ffmpegs_own(output: Path, target: Path) -> list[float]:
    folder = output.parent
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-loglevel", "error", "-i", output.name, "-i", target.name]
    command += ["-lavfi", "libvmaf=log_fmt=json:log_path=direct.json", "-f", "null", "-"]
    subprocess.run(command, check=True, cwd=folder)
    log = json.loads((folder / "direct.json").read_text())
    assert log["pooled_metrics"]["vmaf"]["mean"] == pytest.approx(
        sum(frame["metrics"]["vmaf"] for frame in log["frames"]) / len(log["frames"]), abs=1e-5
    )
    return [frame["metrics"]["vmaf"] for frame in log["frames"]]


@pytest.mark.parametrize("pix_fmt", ["yuv420p", "yuv444p", "yuv420p10le"])
def test_agrees_with_ffmpegs_filter(tmp_path: Path, pix_fmt: str):
    target, output = (_coded(tmp_path / f"{crf}.mp4", crf, pix_fmt) for crf in (1, 38))
    score = vmaf_of_files(output, target)
    assert list(score.frames) == _ffmpegs_own(output, target)
    assert score.mean == pytest.approx(sum(score.frames) / 6)


def test_falls_with_the_quality_from_near_100(tmp_path: Path):
    target = _coded(tmp_path / "target.mp4", 1)
    scores = [vmaf_of_files(_coded(tmp_path / f"{crf}.mp4", crf), target).mean for crf in (1, 24, 36, 48)]
    assert scores == sorted(scores, reverse=True) and len(set(scores)) == 4
    assert scores[0] >= 97 and scores[-1] < 70


def test_ten_bits_are_measured_as_eight():
    target = _lumas()
    output = [(plane // 2 + 60) for plane in target]
    deep = [[plane.to(torch.uint16) * 4 for plane in planes] for planes in (output, target)]
    assert vmaf(*deep, bits=10).mean == pytest.approx(vmaf(output, target).mean, abs=0.05)


def test_what_does_not_fit_together_is_refused():
    three, two = _lumas(3), _lumas(2)
    with pytest.raises(ValueError, match="one ends after 2 pictures"):
        vmaf(three, two)
    with pytest.raises(ValueError, match=r"\(36, 45\) of torch.uint8, got \(36, 44\)"):
        vmaf(two, [plane[:, :-1] for plane in two])
    with pytest.raises(ValueError, match=r"of torch.uint16, got \(36, 45\) of torch.uint8 in picture 0"):
        vmaf(two, two, bits=10)
    with pytest.raises(ValueError, match="8 or 10 bits, got 12"):
        vmaf(two, two, bits=12)
    with pytest.raises(ValueError, match="at least 17x17 pixels, got 45x16"):
        vmaf([plane[:16] for plane in two], [plane[:16] for plane in two])
    with pytest.raises(ValueError, match="no picture"):
        vmaf([], [])


def test_files_of_two_lengths_are_a_bad_input(tmp_path: Path):
    first, second = media.clip(tmp_path / "a.mp4", frames=4), media.clip(tmp_path / "b.mp4", frames=3)
    with pytest.raises(BadInput, match=r"one ends after 3 pictures\n.*b\.mp4"):
        vmaf_of_files(first, second)


def test_without_the_extra_the_error_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "imageio_ffmpeg", None)
    with pytest.raises(UsageError, match=r"pip install 'vidwright\[metrics\]'"):
        vmaf(_lumas(), _lumas())


def test_an_ffmpeg_that_dies_is_a_failed_job(monkeypatch: pytest.MonkeyPatch):
    dying = shutil.which("false")
    assert dying is not None
    monkeypatch.setattr("vidwright.metrics.ffmpeg._ffmpeg", lambda what: dying)
    with pytest.raises(JobFailed, match="FFmpeg failed"):
        vmaf(_lumas(400), _lumas(400))  # more than the pipe holds


def test_an_error_of_the_stream_arrives_and_ends_ffmpeg(monkeypatch: pytest.MonkeyPatch):
    started: list[subprocess.Popen] = []
    start = subprocess.Popen
    monkeypatch.setattr(subprocess, "Popen", lambda *a, **k: started.append(start(*a, **k)) or started[-1])

    def breaking() -> Iterator[Tensor]:
        yield from _lumas(2)
        raise OSError("gone")

    with pytest.raises(OSError, match="gone"):
        vmaf(breaking(), _lumas())
    assert started[0].poll() is not None
