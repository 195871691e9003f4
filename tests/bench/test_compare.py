"""Comparing files: figures against FFmpeg's, and everything in which two files may disagree."""

from __future__ import annotations

import json
import math
import tracemalloc
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch

import media
from vidwright.bench.compare import Comparison, compare
from vidwright.core import Colour, Planes
from vidwright.core.errors import BadInput, QualityMissed, UsageError
from vidwright.metrics.align import align

CLEAN, ROUGH = {"crf": "1"}, {"crf": "38"}


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("pair")
    return media.clip(folder / "a.mp4", options=CLEAN), media.clip(folder / "b.mp4", options=ROUGH)


@pytest.fixture(scope="module")
def found(pair: tuple[Path, Path]) -> Comparison:
    return compare(*pair)


def _luma(path: Path) -> list[np.ndarray]:
    import av

    with av.open(str(path)) as source:
        return [frame.to_ndarray(format="yuv420p")[: frame.height] for frame in source.decode(video=0)]


def test_figures_are_those_of_the_stored_luma(pair: tuple[Path, Path], found: Comparison):
    for first, second, score in zip(_luma(pair[0]), _luma(pair[1]), found.frames, strict=True):
        error = np.mean((first.astype(float) - second) ** 2)
        assert score.psnr == pytest.approx(10 * math.log10(255**2 / error), abs=1e-6)
    values = [score.psnr for score in found.frames]
    figure = found.figure("psnr")
    assert figure is not None
    assert figure.mean == pytest.approx(sum(values) / len(values))
    assert figure.worst == min(values) == found.frames[found.worst[0]].psnr
    assert [figure.name for figure in found.figures] == ["psnr", "psnr_u", "psnr_v", "ssim"]


def test_the_files_are_described(pair: tuple[Path, Path], found: Comparison):
    assert (found.a.path, found.b.path) == pair
    assert found.a.bytes == pair[0].stat().st_size > found.b.bytes
    assert (found.a.width, found.a.height, found.a.frames, found.a.rate) == (64, 48, 12, 25)
    assert found.a.duration == Fraction(12, 25)
    assert [score.time for score in found.frames] == [Fraction(n, 25) for n in range(12)]
    assert found.warnings == ()


def test_a_file_equals_itself(pair: tuple[Path, Path]):
    same = compare(pair[0], pair[0])
    figure, similar = same.figure("psnr"), same.figure("ssim")
    assert figure is not None and similar is not None
    assert figure.mean == figure.p5 == figure.worst == math.inf
    assert figure.equal == 12
    assert similar.mean == pytest.approx(1, abs=1e-6)
    same.check({"psnr": 100, "psnr.worst": 100})


def test_json_is_valid_and_an_infinite_psnr_is_null(pair: tuple[Path, Path]):
    text = json.dumps(compare(pair[0], pair[0]).as_json(), allow_nan=False)
    plain = json.loads(text)
    assert plain["figures"]["psnr"]["mean"] is None and plain["frames"][3]["psnr"] is None
    assert plain["frames"][3]["frame"] == 3 and plain["a"]["rate"] == "25"


def test_gates(found: Comparison):
    figure = found.figure("psnr")
    assert figure is not None
    found.check({"psnr": figure.mean, "psnr.p5": figure.p5, "ssim": 0.1})
    with pytest.raises(QualityMissed) as missed:
        found.check({"ssim": 0.1, "psnr": figure.mean + 0.01})
    assert missed.value.exit_code == 8 and "b.mp4" in missed.value.subject
    assert len(str(missed.value).splitlines()) == 3
    for wrong in ("vmaf", "psnr.p95", "frames"):
        with pytest.raises(UsageError, match="psnr, psnr_u, psnr_v, ssim"):
            found.check({wrong: 1})


def test_the_shorter_file_sets_the_length(pair: tuple[Path, Path], tmp_path: Path):
    seen: list[int] = []
    short = media.clip(tmp_path / "short.mp4", frames=7, options=ROUGH)
    found = compare(pair[0], short, progress=lambda done, total: seen.append(done))
    assert len(found.frames) == 7 and (found.a.frames, found.b.frames) == (12, 7)
    assert seen == list(range(1, 8))
    assert any("first 7 of each" in warning for warning in found.warnings)


def test_other_frame_times_are_said(pair: tuple[Path, Path], tmp_path: Path):
    slow = media.clip(tmp_path / "slow.mp4", rate=Fraction(20), options=CLEAN)
    assert any("paired by number" in warning for warning in compare(pair[0], slow).warnings)


def test_a_shifted_start_is_no_difference(pair: tuple[Path, Path], tmp_path: Path):
    late = media.clip(tmp_path / "late.mp4", start=Fraction(5), options=CLEAN)
    found = compare(pair[0], late)
    assert found.warnings == () and found.frames[0].time == 0


def test_the_smaller_is_enlarged_and_it_is_said(pair: tuple[Path, Path], tmp_path: Path):
    large = media.clip(tmp_path / "large.mp4", size=(128, 96), options=CLEAN)
    for first, second in ((pair[0], large), (large, pair[0])):
        found = compare(first, second)
        assert sum("enlarged by Lanczos" in warning for warning in found.warnings) == 1
        figure = found.figure("psnr")
        assert figure is not None and 15 < figure.mean < 45


def test_grey_against_colour_compares_luma_only(pair: tuple[Path, Path], tmp_path: Path):
    grey = media.clip(tmp_path / "grey.mkv", codec="ffv1", pix_fmt="gray", options={})
    found = compare(pair[0], grey)
    assert [figure.name for figure in found.figures] == ["psnr", "ssim"]
    assert any("no colour" in warning for warning in found.warnings)


def test_tiny_pictures_have_no_ssim(tmp_path: Path):
    first, second = (
        media.clip(tmp_path / f"{crf}.mkv", size=(10, 8), frames=3, options={"crf": str(crf)}) for crf in (1, 40)
    )
    found = compare(first, second)
    assert found.figure("ssim") is None and "ssim" not in found.as_json()["frames"][0]
    assert any("11x11" in warning for warning in found.warnings)


def test_what_is_no_video_is_bad_input(pair: tuple[Path, Path], tmp_path: Path):
    (tmp_path / "text.mp4").write_text("no video")
    for wrong in (tmp_path / "text.mp4", tmp_path / "absent.mp4"):
        with pytest.raises(BadInput):
            compare(pair[0], wrong)


def test_worst_frames_are_apart(tmp_path: Path):
    first = media.clip(tmp_path / "a.mp4", frames=60, size=(32, 32), options=CLEAN)
    second = media.clip(tmp_path / "b.mp4", frames=60, size=(32, 32), options=ROUGH)
    worst = compare(first, second).worst
    assert len(worst) == 6
    assert all(abs(one - other) >= 3 for i, one in enumerate(worst) for other in worst[:i])


def test_memory_does_not_grow_with_length(tmp_path: Path):
    peaks: list[int] = []
    for frames in (8, 160):
        path = media.clip(tmp_path / f"{frames}.mp4", frames=frames, size=(96, 64), options=ROUGH)
        tracemalloc.start()
        compare(path, path)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] - peaks[0] < 152 * 2000  # a score takes a few hundred bytes, a picture of this size 9 kB


def _planes(value: int, bits: int, *, full: bool, size: int = 16, chroma: int = 8) -> Planes:
    kind = torch.uint8 if bits == 8 else torch.uint16
    colour = Colour(matrix=1, transfer=1, primaries=1, full_range=full, bits=bits)
    u, v = (torch.full((chroma, chroma), value, dtype=kind) for _ in range(2))
    return Planes(torch.full((size, size), value, dtype=kind), u, v, Fraction(0), colour)


@pytest.mark.parametrize(("full", "eight", "ten"), [(False, 235, 940), (True, 255, 1023)])
def test_white_stays_white_when_bits_are_added(full: bool, eight: int, ten: int):
    pair = align(_planes(eight, 8, full=full), _planes(ten, 10, full=full))
    assert pair.peak == (1023 if full else 4 * 255)  # the same figure, whatever it is compared at
    assert torch.allclose(pair.luma[0].float(), pair.luma[1].float(), atol=1e-3)
    assert "compared at 10 bits" in pair.notes[0]


def test_enlarging_keeps_a_flat_picture_and_matches_coarse_chroma():
    pair = align(_planes(100, 8, full=False), _planes(100, 8, full=False, size=24, chroma=24))
    assert all(one.shape == other.shape == (24, 24) for one, other in (pair.luma, *pair.chroma))
    assert torch.allclose(pair.luma[0].float(), pair.luma[1].float(), atol=1e-3)
    sampled = align(_planes(100, 8, full=False), _planes(100, 8, full=False, chroma=16))
    assert sampled.chroma[0][0].shape == (16, 16) and "sampling" in sampled.notes[0]


def test_levels_and_colour_spaces_that_differ_are_said():
    assert "levels" in align(_planes(9, 8, full=False), _planes(9, 8, full=True)).notes[0]
    assert align(_planes(9, 8, full=False), _planes(9, 8, full=False)).notes == ()
