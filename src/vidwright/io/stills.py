"""Single pictures as PNG or JPEG bytes."""

from __future__ import annotations

from fractions import Fraction
from typing import Literal

import av
import torch
from torch import Tensor

#: Encoder, pixel format it takes, and its options, of each format; FFmpeg's q 3 is about JPEG quality 92.
_ENCODERS: dict[str, tuple[str, str, dict[str, str]]] = {
    "jpeg": ("mjpeg", "yuvj444p", {"qmin": "3", "qmax": "3"}),
    "png": ("png", "rgb24", {}),
}


def encode_still(data: Tensor, *, format: Literal["jpeg", "png"] = "jpeg") -> bytes:
    """The file of one R'G'B' picture, (3, H, W) float in [0, 1], clipped and rounded to 8 bits.

    PNG is exact; JPEG is 4:4:4, full-range BT.601 as JFIF has it. Raises `ValueError` for another shape.
    """
    if data.ndim != 3 or data.shape[0] != 3:
        raise ValueError(f"expected (3, H, W) R'G'B', got {tuple(data.shape)}")
    codec, pixel_format, options = _ENCODERS[format]
    codes = data.detach().clamp(0, 1).mul(255).add_(0.5).to(torch.uint8).permute(1, 2, 0).contiguous()
    frame = av.VideoFrame.from_ndarray(codes.cpu().numpy(), format="rgb24")
    if pixel_format != "rgb24":
        frame = frame.reformat(format=pixel_format, dst_colorspace="ITU601", dst_color_range="JPEG")
    encoder = av.CodecContext.create(codec, "w")
    assert isinstance(encoder, av.VideoCodecContext)
    encoder.width, encoder.height, encoder.pix_fmt = frame.width, frame.height, pixel_format
    encoder.time_base = Fraction(1, 25)
    encoder.options = options
    frame.pts = 0
    packets = [*encoder.encode(frame), *encoder.encode(None)]  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
    return b"".join(map(bytes, packets))  # pyright: ignore[reportUnknownArgumentType]
