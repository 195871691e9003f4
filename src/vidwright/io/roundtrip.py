"""What real encoders leave of a picture: frames in, the same frames as a viewer sees them, all in memory.

Shapes: T frames, C = 3 channels R'G'B', H height, W width.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from types import MappingProxyType
from typing import Any

import av
import av.logging
import torch
from av.codec.context import ThreadType
from av.video.codeccontext import VideoCodecContext
from torch import Tensor

from vidwright.core import Colour, Planes, VideoInfo
from vidwright.io.codecs import CODECS, EncoderSettings, encoder_options
from vidwright.io.encoder import tick_for
from vidwright.io.pixels import from_rgb, to_rgb
from vidwright.io.reader import Picture, Reader
from vidwright.io.writer import encode_segment, segment_suffix

FORMAT = "yuv420p"
#: Files that people share were coded in a hurry.
PRESET = "veryfast"
#: Frames per second of the MPEG codecs, and FFmpeg's unit of their quantiser (FF_QP2LAMBDA).
MPEG_RATE = Fraction(25)
QUANTISER_STEP = 118


@dataclass(frozen=True, slots=True)
class Coding:
    """How a clip is coded and decoded again.

    `best` and `worst` bound the quality number of the encoder: CRF, or the quantiser of the MPEG codecs. `smallest` is
    the least width and height that it takes, `threads` how many it uses, on which its output hangs.
    """

    encoder: str
    decoder: str
    best: int
    worst: int
    smallest: tuple[int, int]
    threads: int = 1


def _of_table(name: str, decoder: str, threads: int = 1) -> Coding:
    """A row of the codecs that files are written in."""
    row = CODECS[name]
    return Coding(row.encoder, decoder, 1, row.crf_max, row.smallest, threads)


#: Every codec that clips can be sent through, by name.
CODINGS: Mapping[str, Coding] = MappingProxyType(
    {
        "h264": _of_table("h264", "h264", threads=4),  # as `save_video` has it: figures are published with these bytes
        "hevc": _of_table("hevc", "hevc"),
        "av1": _of_table("av1", "libdav1d"),
        "mpeg4": Coding("mpeg4", "mpeg4", 1, 31, (16, 16)),
        "mpeg2": Coding("mpeg2video", "mpeg2video", 1, 31, (16, 16)),
    }
)


def roundtrip(frames_TCHW: Tensor, codec: str, quality: int, *, rate: Fraction = Fraction(25)) -> Tensor:
    """uint8 (T, 3, H, W) full-range R'G'B' after `codec` at `quality`: 4:2:0, studio range, same frames, same result.

    `quality` is the CRF of h264, hevc and av1, and the quantiser (1 to 31) of mpeg4 and mpeg2: less is better. The
    matrix is what players assume for the size: BT.601 up to 576 lines, BT.709 above. `rate` is in frames per
    second, and changes nothing where the quantiser is fixed. Raises `ValueError` for an unknown codec, a quality
    outside its range, and sizes that are odd or too small for it.
    """
    if codec not in CODINGS:
        raise ValueError(f"no codec {codec!r}; known are {', '.join(CODINGS)}")
    coding = CODINGS[codec]
    count, channels, height, width = frames_TCHW.shape
    if not coding.best <= quality <= coding.worst:
        raise ValueError(f"{codec} has qualities from {coding.best} to {coding.worst}, not {quality}")
    if channels != 3 or height % 2 or width % 2 or width < coding.smallest[0] or height < coding.smallest[1]:
        raise ValueError(f"{codec} takes R'G'B' of even sizes from {coding.smallest}, not {tuple(frames_TCHW.shape)}")
    if count == 0:
        return frames_TCHW.clone()
    colour = Colour().resolved(width, height)
    info = VideoInfo(width, height, rate, time_base=1 / rate)
    encoder = _by_crf(codec, quality, info) if codec in CODECS else _by_quantiser(coding.encoder, quality, info)
    encoder.color_primaries, encoder.color_trc = colour.primaries, colour.transfer
    encoder.colorspace, encoder.color_range = colour.matrix, 1
    packets = _encoded(encoder, frames_TCHW, colour)
    pictures = _decoded(coding.decoder, packets)
    out = torch.stack(
        [to_rgb(picture, colour).mul_(255).clamp_(0, 255).round_().to(torch.uint8) for picture in pictures]
    )
    if out.shape != frames_TCHW.shape:
        raise RuntimeError(f"{codec} gave {tuple(out.shape)} for {tuple(frames_TCHW.shape)}")
    return out


def recoded(pictures: Iterable[Picture], info: VideoInfo, settings: EncoderSettings) -> list[Planes]:
    """What a decoder makes of pictures encoded as `compress` does it. Raises as `encode_segment`."""
    with tempfile.TemporaryDirectory(prefix="vidwright-") as place:
        path = Path(place) / f"coded{segment_suffix(settings)}"
        encode_segment(iter(pictures), info, path, settings)
        with Reader(path, cuts=False) as reader:
            return [picture.planes() for picture in reader]


def _by_crf(codec: str, quality: int, info: VideoInfo) -> Any:
    settings = EncoderSettings(codec, crf=quality, preset=PRESET, threads=CODINGS[codec].threads)
    context = _context(settings.row.encoder, info, info.rate, tick_for(info))
    context.thread_count = settings.threads
    context.options = encoder_options(settings, FORMAT, info.width * info.height, None)
    return context


def _by_quantiser(encoder: str, quality: int, info: VideoInfo) -> Any:
    # MPEG-2 has a handful of rates; at a fixed quantiser the rate changes nothing, so each clip has the same.
    context = _context(encoder, info, MPEG_RATE, 1 / MPEG_RATE)
    context.thread_count = 1
    context.qmin = context.qmax = quality
    context.options = {"flags": "+qscale", "global_quality": str(QUANTISER_STEP * quality), "bf": "2"}
    return context


def _context(encoder: str, info: VideoInfo, rate: Fraction, tick: Fraction) -> Any:
    context: Any = VideoCodecContext.create(encoder, "w")
    context.width, context.height, context.pix_fmt = info.width, info.height, FORMAT
    context.framerate, context.time_base = rate, tick
    return context


def _encoded(encoder: Any, frames_TCHW: Tensor, colour: Colour) -> Iterator[Any]:
    step = 1 / encoder.framerate / encoder.time_base
    for number, data in enumerate(frames_TCHW):
        picture = from_rgb(data.float() / 255, pixel_format=FORMAT, colour=colour)
        picture.time_base, picture.pts = encoder.time_base, round(number * step)
        yield from encoder.encode(picture)
    yield from encoder.encode(None)


def _decoded(decoder: str, packets: Iterator[Any]) -> Iterator[av.VideoFrame]:
    av.logging.set_level(None)
    context: Any = VideoCodecContext.create(decoder, "r")
    context.thread_type, context.thread_count = ThreadType.NONE, 1
    for packet in packets:
        yield from context.decode(packet)
    yield from context.decode(None)
