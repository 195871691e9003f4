"""Quality by name: the same figures as of the measures themselves, and how many become one."""

from __future__ import annotations

import math
import re
import subprocess
from pathlib import Path

import imageio_ffmpeg
import pytest
import torch

import media
from vidwright.core import Colour, Planes
from vidwright.io.reader import Reader
from vidwright.metrics.psnr import psnr
from vidwright.metrics.quality import measured, nearest_rank, summary
from vidwright.metrics.ssim import ssim
from vidwright.metrics.vmaf import vmaf_of_files


def coded(path: Path, crf: int, **options) -> Path:
    return media.clip(path, frames=6, size=(96, 80), options={"crf": str(crf)}, **options)


def planes(path: Path) -> list[Planes]:
    with Reader(path, cuts=False) as reader:
        return [picture.planes() for picture in reader]


@pytest.fixture
def pair(tmp_path) -> tuple[Path, Path]:
    return coded(tmp_path / "b.mp4", 40), coded(tmp_path / "a.mp4", 1)


def test_they_are_the_measures_of_that_name(pair):
    output, target = (planes(path) for path in pair)
    both = list(zip(output, target, strict=True))
    assert measured("psnr", output, target) == [psnr(a.y, b.y, peak=255) for a, b in both]
    assert measured("ssim", output, target) == [ssim(a.y, b.y, peak=255) for a, b in both]
    assert measured("vmaf", output, target) == list(vmaf_of_files(*pair).frames)


def test_xpsnr_is_that_of_ffmpeg(pair):
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-loglevel", "error", "-i", str(pair[0]), "-i", str(pair[1])]
    command += ["-lavfi", "xpsnr=stats_file=-", "-f", "null", "-"]
    said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    wanted = [float(figure) for figure in re.findall(r"n: +\d+ +XPSNR y: ([\d.]+)", said)]
    assert len(wanted) == 6
    assert measured("xpsnr", planes(pair[0]), planes(pair[1])) == pytest.approx(wanted, abs=1e-4)


@pytest.mark.parametrize("name", ["psnr", "ssim", "vmaf", "xpsnr"])
def test_ten_bits_are_measured_against_eight(pair, name):
    target = planes(pair[1])
    deep = [
        Planes((each.y.int() * 4).to(torch.uint16), None, None, each.time, Colour(1, 1, 1, False, 10))
        for each in planes(pair[0])
    ]
    eight = measured(name, planes(pair[0]), target)
    assert measured(name, deep, target) == pytest.approx(eight, rel=0.01)


def test_many_become_one():
    figures = [float(n) for n in range(100, 0, -1)]
    assert summary("psnr", figures) == 50.5 and summary("psnr", [math.inf, 40, 30]) == 35
    assert [summary("vmaf", figures, at) for at in ("p5", "p1", "worst")] == [5, 1, 1]


def test_a_percentile_is_one_of_the_figures():
    assert nearest_rank([5.0, 1.0, 3.0], 5) == 1.0 and nearest_rank([math.inf, math.inf, 2.0], 50) == math.inf
    for count in range(1, 401):
        figures = [float(n) for n in range(count)]
        found = nearest_rank(figures, 5)
        assert 20 * found < count <= 20 * (found + 1)


def test_other_lengths_and_sizes_are_refused(pair):
    output, target = (planes(path) for path in pair)
    with pytest.raises(ValueError, match="argument"):
        measured("psnr", output[:-1], target)
    with pytest.raises(ValueError, match="sizes differ"):
        measured("ssim", [Planes(each.y[:-2], None, None, each.time) for each in output], target)
    with pytest.raises(ValueError, match="no picture"):
        measured("vmaf", [], [])
