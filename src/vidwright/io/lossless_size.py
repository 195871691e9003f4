"""What the usual lossless codecs make of grey clips: how many bytes, after the pixels were seen to come back.

Shapes: T frames, H height, W width.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from types import MappingProxyType
from typing import Any

import av
import numpy as np
import torch
from torch import Tensor

from vidwright.core.errors import JobFailed
from vidwright.io.muxer import writing

RATE = Fraction(25)


@dataclass(frozen=True, slots=True)
class LosslessCoding:
    """An encoder at its smallest: one key frame, the slowest preset, nothing written that a decoder does not need.

    `needless` is a bit stream filter that takes the rest of that out.
    """

    encoder: str
    options: Mapping[str, str]
    pixel_format: str = "gray"
    needless: str | None = None


#: Each tried at several settings on binarised Moving MNIST; these gave the least. x265 is not among them: it lost
#: pixels of one of some hundred such clips, in one run and not in the next.
LOSSLESS: Mapping[str, LosslessCoding] = MappingProxyType(
    {
        "ffv1": LosslessCoding("ffv1", {"level": "1", "coder": "1", "context": "1", "g": "100000"}),
        "x264": LosslessCoding(
            "libx264",
            {"qp": "0", "preset": "placebo", "x264-params": "keyint=infinite:scenecut=0:bframes=0"},
            needless="filter_units=remove_types=6",  # a message with the encoder's settings, 600 bytes
        ),
        "vp9": LosslessCoding(
            "libvpx-vp9", {"lossless": "1", "deadline": "good", "cpu-used": "0", "g": "100000"}, "yuv420p"
        ),
    }
)


@dataclass(frozen=True, slots=True)
class LosslessSize:
    """Bytes of a clip: `stream` is what a decoder must have, `file` the same in Matroska."""

    stream: int
    file: int


def lossless_size(clip_THW: Tensor, codec: str) -> LosslessSize:
    """Code a uint8 grey clip (T, H, W) with one of `LOSSLESS`, decode it, and count the bytes.

    The samples are coded as they are, without a change of range. Raises `JobFailed` when the encoder refuses, or when
    the pixels do not come back.
    """
    coding = LOSSLESS[codec]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "clip.mkv"
        stream = _write(clip_THW, coding, path)
        if not torch.equal(_read(path), clip_THW):
            raise JobFailed(f"the codec {codec}", "it gave other pixels than it got", "leave it out")
        return LosslessSize(stream, path.stat().st_size)


def _write(clip_THW: Tensor, coding: LosslessCoding, path: Path) -> int:
    """Write the file; returns the bytes of its packets and of what the decoder is told before them."""
    count = 0
    with writing(path, "mkv") as muxer, muxer.fatal():
        output: Any = muxer.output
        stream: Any = output.add_stream(coding.encoder, rate=RATE, options=dict(coding.options))
        stream.height, stream.width = clip_THW.shape[1:]
        stream.pix_fmt, stream.codec_context.color_range = coding.pixel_format, 2
        stream.codec_context.thread_count = 1
        thin: Any = av.BitStreamFilterContext(coding.needless, stream) if coding.needless else None
        for picture in _pictures(clip_THW, coding):
            for whole in stream.encode(picture):
                for packet in thin.filter(whole) if thin else [whole]:
                    packet.stream = stream
                    count += packet.size
                    muxer.mux(packet)
        return count + len(stream.codec_context.extradata or b"")


def _pictures(clip_THW: Tensor, coding: LosslessCoding) -> Iterator[Any]:
    """The encoder's pictures, and None for the end; where it must have chroma, that is grey."""
    for number, data_HW in enumerate(clip_THW.numpy()):
        grey = [np.full(((data_HW.shape[0] + 1) // 2, (data_HW.shape[1] + 1) // 2), 128, np.uint8)] * 2
        planes = [data_HW] if coding.pixel_format == "gray" else [data_HW, *grey]
        picture: Any = av.VideoFrame(data_HW.shape[1], data_HW.shape[0], coding.pixel_format)
        for plane, samples in zip(picture.planes, planes, strict=True):
            padded = np.zeros((plane.height, plane.line_size), np.uint8)
            padded[:, : plane.width] = samples
            plane.update(padded)
        picture.pts, picture.time_base, picture.color_range = number, 1 / RATE, 2
        yield picture
    yield None


def _read(path: Path) -> Tensor:
    """The first plane of all frames, (T, H, W)."""
    frames: list[Tensor] = []
    with av.open(str(path.absolute())) as source:
        for picture in source.decode(video=0):
            plane: Any = picture.planes[0]
            rows = np.frombuffer(plane, np.uint8).reshape(plane.height, plane.line_size)[:, : plane.width]
            frames.append(torch.from_numpy(rows.copy()))  # pyright: ignore[reportUnknownMemberType]
    return torch.stack(frames)
