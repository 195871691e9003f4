"""The usual lossless codecs really are, at the settings they are measured with."""

from __future__ import annotations

from fractions import Fraction

import av
import pytest
import torch

from vidwright.core.errors import JobFailed
from vidwright.data.seeding import generator
from vidwright.io import lossless_size as module
from vidwright.io.lossless_size import LOSSLESS, LosslessCoding, lossless_size


def moving(frames: int = 5, height: int = 64, width: int = 64, most: int = 255) -> torch.Tensor:
    """A random picture that glides over another."""
    random = generator(4, most)
    ground = torch.randint(0, most + 1, (height, width), generator=random).to(torch.uint8)
    thing = torch.randint(0, most + 1, (20, 20), generator=random).to(torch.uint8)
    clip_THW = ground.expand(frames, -1, -1).clone()
    for number in range(frames):
        clip_THW[number, 10:30, 5 + 2 * number : 25 + 2 * number] = thing
    return clip_THW


@pytest.mark.parametrize("codec", LOSSLESS)
@pytest.mark.parametrize("most", [1, 255])
def test_each_codec_gives_its_pixels_back_in_fewer_bytes(codec, most):
    clip_THW = moving(most=most)
    size = lossless_size(clip_THW, codec)
    assert 64 * 64 * most.bit_length() / 8 < size.stream < 1.02 * clip_THW.numel()  # noise, at least once
    assert size.stream < size.file < size.stream + 1500


def test_odd_sizes_and_one_frame():
    for codec in ("ffv1", "vp9"):
        assert lossless_size(moving(1, 33, 35), codec).stream > 0


def test_no_settings_are_counted():
    """x264 writes a message of its settings into the stream, which would be a third of a small clip."""
    clip_THW = torch.zeros(3, 64, 64, dtype=torch.uint8)
    context = av.CodecContext.create("libx264", "w")
    context.width = context.height = 64
    context.pix_fmt, context.time_base, context.options = "gray", Fraction(1, 25), {"qp": "0"}
    assert b"x264 - core" in b"".join(
        bytes(packet) for packet in (*context.encode(av.VideoFrame(64, 64, "gray")), *context.encode(None))
    )
    assert lossless_size(clip_THW, "x264").stream < 200


def test_a_codec_that_loses_is_caught(monkeypatch):
    lossy = LosslessCoding("libx264", {"crf": "30"})
    monkeypatch.setattr(module, "LOSSLESS", {"x264": lossy})
    with pytest.raises(JobFailed, match="other pixels"):
        lossless_size(moving(), "x264")
