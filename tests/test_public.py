"""The public surface is a list, and the README's programme does what the command does."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import torch

import media
import vidwright as vw

PUBLIC = [
    "Change", "Colour", "Compress", "Edit", "Enhance", "Fill", "Frame", "Generate", "Local", "Region", "Report",
    "Video", "VideoGenerator", "VideoInfo", "VidwrightError", "compare", "compress_lossless", "decompress_lossless",
    "edit", "enhance", "generate", "load", "open_video", "probe", "run", "save_video",
]  # fmt: skip


def test_the_public_names_are_these_and_all_are_there():
    assert vw.__all__ == PUBLIC
    assert sorted({*dir(vw)} - {"__version__"}) == PUBLIC
    for name in PUBLIC:
        assert getattr(vw, name).__name__ == name


def test_importing_the_package_imports_no_torch():
    code = "import sys, vidwright; sys.exit('torch' in sys.modules or 'av' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_the_programme_is_the_command(tmp_path: Path):
    source = media.clip(tmp_path / "a.mp4", frames=20, audio=1, cuts=(7, 12))
    by_hand, by_job = tmp_path / "hand.mkv", tmp_path / "job.mkv"
    enlarged = vw.enhance(vw.open_video(source), vw.load("enhance/restorer", "x2-fast"))
    report = vw.save_video(enlarged, by_hand, codec="ffv1")
    vw.run(vw.Enhance(input=source, output=by_job, clean="off", deinterlace="off", codec="ffv1"))
    assert report.frames == 20
    ours, theirs = list(vw.open_video(by_hand)), list(vw.open_video(by_job))
    assert [frame.time for frame in ours] == [frame.time for frame in theirs]
    for one, other in zip(ours, theirs, strict=True):
        assert torch.equal(one.data, other.data)
    kinds = [[track.codec for track in vw.probe(path).streams.tracks] for path in (by_hand, by_job)]
    assert kinds == [["aac"], ["aac"]]
