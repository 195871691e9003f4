"""Clips through real encoders in memory: all frames, right colours, worse at worse quality, the same each time."""

from __future__ import annotations

from fractions import Fraction

import pytest
import torch
from torch import Tensor

import media
from vidwright.core import Frame, Video, VideoInfo
from vidwright.io import open_video, save_video
from vidwright.io.roundtrip import CODINGS, PRESET, roundtrip

#: A middling quality of each codec.
MIDDLING = {"h264": 28, "hevc": 30, "av1": 40, "mpeg4": 6, "mpeg2": 6}


def clip(count: int, size: tuple[int, int] = (64, 48)) -> Tensor:
    return torch.stack([torch.from_numpy(media.picture(n, size).transpose(2, 0, 1).copy()) for n in range(count)])


def distance(one: Tensor, other: Tensor) -> float:
    return float((one.float() - other.float()).abs().mean())


@pytest.mark.parametrize("codec", CODINGS)
@pytest.mark.parametrize("count", [1, 2, 14])
def test_every_frame_comes_back_in_its_place(codec, count):
    frames = clip(count)
    seen = roundtrip(frames, codec, MIDDLING[codec])
    assert seen.shape == frames.shape and seen.dtype == torch.uint8
    assert [media.read_barcode(frame.float() / 255) for frame in seen] == list(range(count))
    assert torch.equal(seen, roundtrip(frames, codec, MIDDLING[codec]))


@pytest.mark.parametrize("codec", CODINGS)
def test_less_quality_leaves_less(codec):
    frames = clip(5)
    coding = CODINGS[codec]
    losses = [distance(frames, roundtrip(frames, codec, q)) for q in (coding.best, MIDDLING[codec], coding.worst)]
    assert losses[0] < losses[1] < losses[2]
    assert 2 * losses[0] < losses[2]


@pytest.mark.parametrize("codec", CODINGS)
@pytest.mark.parametrize("size", [(96, 64), (1280, 64)])  # BT.601 and BT.709
def test_colours_come_back(codec, size):
    patches = torch.tensor([[200, 60, 50], [40, 180, 70], [50, 60, 210], [128, 128, 128]], dtype=torch.uint8)
    frame = patches.T[:, None].repeat_interleave(size[0] // 4, -1).expand(3, size[1], size[0])
    seen = roundtrip(frame.expand(3, -1, -1, -1), codec, max(CODINGS[codec].best, 2)).float()
    for n, patch in enumerate(patches.float()):
        middle = seen[:, :, 8:-8, n * size[0] // 4 + 8 : (n + 1) * size[0] // 4 - 8].mean((0, 2, 3))
        assert (middle - patch).abs().max() < 2.5, patch


def test_h264_is_what_a_file_would_hold(tmp_path):
    frames, rate = clip(12), Fraction(25)
    video = Video(
        VideoInfo(64, 48, rate, time_base=1 / rate),
        lambda: (Frame(data.float() / 255, n / rate) for n, data in enumerate(frames)),
    )
    save_video(video, tmp_path / "clip.mp4", crf=28, preset=PRESET)
    stored = torch.stack(
        [(f.data * 255).clamp(0, 255).round().to(torch.uint8) for f in open_video(tmp_path / "clip.mp4")]
    )
    assert torch.equal(roundtrip(frames, "h264", 28), stored)


def test_no_frames_stay_none():
    assert roundtrip(torch.empty(0, 3, 48, 64, dtype=torch.uint8), "h264", 28).shape == (0, 3, 48, 64)


@pytest.mark.parametrize(
    ("size", "codec", "quality"),
    [
        ((64, 48), "vp3", 9),
        ((64, 48), "h264", 52),
        ((64, 48), "mpeg4", 0),
        ((63, 48), "h264", 9),
        ((32, 16), "hevc", 9),
    ],
)
def test_what_an_encoder_cannot_take_is_refused(size, codec, quality):
    with pytest.raises(ValueError, match=codec):
        roundtrip(clip(1, size), codec, quality)
