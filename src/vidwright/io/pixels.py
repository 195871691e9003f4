"""Exact conversion between stored pictures and R'G'B' tensors, both ways, without swscale.

swscale's fast paths are up to two code values off; what a model sees and what is coded should differ by rounding only.

Chroma of 4:2:0 and 4:2:2 is sited as MPEG-2, H.264 and HEVC have it by default: on the even luma columns, and half way
between two luma rows. It is brought to full size by linear interpolation and back by the transposed filters. In 4:2:0
of a picture that is marked as interlaced each field has chroma rows of its own, in turns, and is read by itself.
References: ITU-R BT.601, BT.709, BT.2020 (matrices, quantisation), ITU-T H.273 (code points), H.264 Annex E (siting).
"""

from __future__ import annotations

from dataclasses import replace

import av
import numpy as np
import torch
from torch import Tensor

from vidwright.core.colour import LUMA_WEIGHTS, RGB_MATRIX, UNSPECIFIED, Colour
from vidwright.io.layout import Array, Layout, components, layouts, neighbour

#: Rows that from_rgb works on at a time.
STRIP_ROWS = 64


def colour_of(frame: av.VideoFrame) -> Colour:
    """The colour description that a decoded picture carries; what is not tagged stays so.

    R'G'B' is full range whatever its tags say, and so is untagged grey, as FFmpeg means both.
    """
    layout = layouts()[neighbour(frame.format.name)]
    tagged = {0: None, 1: False, 2: True}.get(int(frame.color_range))
    if layout.full_range or layout.model == "rgb" or (tagged is None and layout.model == "gray"):
        tagged = True
    return Colour(
        primaries=int(frame.color_primaries),
        transfer=int(frame.color_trc),
        matrix=RGB_MATRIX if layout.model == "rgb" else int(frame.colorspace),
        full_range=tagged,
        bits=_significant_bits(frame, layout),
    )


def unknown_matrix(colour: Colour, model: str) -> str | None:
    """What is wrong with the colour's matrix, in words, if this package cannot convert it; None if it can."""
    names = {0: "RGB stored as Y'CbCr", 8: "YCgCo", 10: "BT.2020 constant luminance", 14: "ICtCp"}
    if model != "yuv" or colour.matrix in LUMA_WEIGHTS or colour.matrix == UNSPECIFIED:
        return None
    return f"the colour matrix {names.get(colour.matrix, f'number {colour.matrix}')} is not supported"


def to_rgb(frame: av.VideoFrame, colour: Colour) -> Tensor:
    """R'G'B' of a decoded picture: (3, H, W) float32, or (4, H, W) with straight alpha; nominal [0, 1], not clipped.

    `colour` says how to read the code values; missing tags are filled as players do. Raises ValueError for a matrix
    that is not a plain linear Y'CbCr.
    """
    woven = frame.interlaced_frame
    frame, layout = _readable(frame, colour)
    colour = _filled(colour, layout, frame.width, frame.height)
    views = [_codes(view, layout) for view in components(frame, layout)]
    channels = 3 + layout.alpha
    if layout.model == "yuv":
        out = _chroma_part(views[1], views[2], layout, colour, channels, frame.width, frame.height, woven=woven)
        out[:3] += _unit(views[0], layout, colour)
    else:
        out = torch.empty((channels, frame.height, frame.width))
        for index in range(3):
            out[index] = _unit(views[0 if layout.model == "gray" else index], layout, colour)
    if layout.alpha:
        out[3] = views[-1].float().mul_(1 / (2**layout.bits - 1))
    return out


def to_planes(frame: av.VideoFrame, colour: Colour) -> tuple[Tensor, Tensor | None, Tensor | None]:
    """The code values of luma and chroma as they are stored: uint8, or uint16 above 8 bits; (H, W) each.

    Grey has no chroma (None, None). R'G'B' is turned to 4:4:4 Y'CbCr of the same depth first.
    """
    frame, layout = _readable(frame, colour)
    if layout.model == "rgb":
        deep = {8: "yuv444p", 9: "yuv444p10le", 10: "yuv444p10le", 12: "yuv444p12le"}.get(layout.bits, "yuv444p16le")
        tags = replace(colour, matrix=UNSPECIFIED, full_range=False).resolved(frame.width, frame.height)
        return to_planes(from_rgb(to_rgb(frame, colour)[:3], pixel_format=deep, colour=tags), tags)
    copies = [_codes(view, layout).clone() for view in components(frame, layout)]
    return (copies[0], copies[1], copies[2]) if layout.model == "yuv" else (copies[0], None, None)


def from_rgb(data: Tensor, *, pixel_format: str, colour: Colour) -> av.VideoFrame:
    """A picture of `pixel_format` from (3 or 4, H, W) R'G'B'; rounded to nearest, clipped to the code range.

    The frame carries `colour` as tags, with missing ones filled. Alpha is written where the format has it (opaque
    if `data` has none) and left out where not. Raises ValueError for formats and matrices that are not in the tables.
    """
    if pixel_format not in layouts():
        raise ValueError(f"pixel format {pixel_format} cannot be written; known are {', '.join(sorted(layouts()))}")
    layout = layouts()[pixel_format]
    height, width = data.shape[-2:]
    data = data.detach().float()
    colour = _filled(colour, layout, width, height)
    frame = av.VideoFrame(width, height, pixel_format)
    views = components(frame, layout)
    # A strip's intermediate results stay in the processor's cache; an even number of rows keeps chroma pairs together.
    for top in range(0, height, STRIP_ROWS):
        strip = data[:, top : top + STRIP_ROWS]
        if layout.model == "rgb":
            _write_rgb(strip, views, layout, colour, top)
        else:
            _write_yuv(strip, views, layout, colour, top)
        if layout.alpha:
            alpha = strip[3] if data.shape[0] == 4 else torch.ones_like(strip[0])
            _store(alpha, views[-1], top, layout, 0.0, 2.0**layout.bits - 1)
    tag(frame, colour)
    return frame


def _significant_bits(frame: av.VideoFrame, layout: Layout) -> int:
    own = max((component.bits for component in frame.format.components), default=8)
    return own if 8 <= own <= layout.bits else layout.bits


def _readable(frame: av.VideoFrame, colour: Colour) -> tuple[av.VideoFrame, Layout]:
    """The frame in a format with a known layout; swscale only moves the components there."""
    name = neighbour(frame.format.name)
    if name != frame.format.name:
        tags = colour.resolved(frame.width, frame.height)
        matrix = {10: 9, 6: 5}.get(tags.matrix, tags.matrix) or None
        span = 2 if tags.full_range else 1
        frame = frame.reformat(
            format=name,
            src_colorspace=matrix,
            dst_colorspace=matrix,
            src_color_range=span,
            dst_color_range=span,
            interpolation="ACCURATE_RND",
        )
    return frame, layouts()[name]


def _filled(colour: Colour, layout: Layout, width: int, height: int) -> Colour:
    if layout.model == "rgb":
        return replace(colour, matrix=RGB_MATRIX, full_range=True).resolved(width, height)
    if layout.full_range:
        colour = replace(colour, full_range=True)
    if colour.matrix == RGB_MATRIX:  # R'G'B' from elsewhere, about to become Y'CbCr
        colour = replace(colour, matrix=UNSPECIFIED)
    return colour.resolved(width, height)


def _weights(colour: Colour) -> tuple[float, float, float]:
    if colour.matrix not in LUMA_WEIGHTS:
        raise ValueError(unknown_matrix(colour, "yuv"))
    red, blue = LUMA_WEIGHTS[colour.matrix]
    return red, 1 - red - blue, blue


def _luma_scale(layout: Layout, colour: Colour) -> tuple[float, float]:
    """Code value of black, and codes from black to white."""
    if colour.full_range:
        return 0.0, 2.0**layout.bits - 1
    step = 2.0 ** (layout.bits - 8)
    return 16 * step, 219 * step


def _chroma_scale(layout: Layout, colour: Colour) -> tuple[float, float]:
    """Code value of no colour, and codes from end to end of the chroma axis."""
    return 2.0 ** (layout.bits - 1), 2.0**layout.bits - 1 if colour.full_range else 224 * 2.0 ** (layout.bits - 8)


def _codes(view: Array, layout: Layout) -> Tensor:
    return _shared(view >> layout.shift if layout.shift else view)


def _shared(view: Array) -> Tensor:
    return torch.from_numpy(view)  # pyright: ignore[reportUnknownMemberType]


def _unit(codes: Tensor, layout: Layout, colour: Colour) -> Tensor:
    black, scale = _luma_scale(layout, colour)
    return codes.float().sub_(black).mul_(1 / scale)


def _chroma_part(
    u: Tensor, v: Tensor, layout: Layout, colour: Colour, channels: int, width: int, height: int, *, woven: bool
) -> Tensor:
    """What chroma adds to R', G' and B', in the size of luma; `woven` of two fields or of one moment.

    Interpolation is linear, so it works on these three instead of U and V, and luma is added to them in one pass.
    """
    red, green, blue = _weights(colour)
    offset, scale = _chroma_scale(layout, colour)
    cb, cr = u.float().sub_(offset).mul_(1 / scale), v.float().sub_(offset).mul_(1 / scale)
    part = torch.empty((channels, *u.shape))
    torch.mul(cr, 2 - 2 * red, out=part[0])
    torch.mul(cb, 2 - 2 * blue, out=part[2])
    torch.mul(part[0], -red / green, out=part[1]).add_(part[2], alpha=-blue / green)
    if layout.halved[1]:
        part = (_double_rows_of_fields if woven else _double_rows)(part)[:, :height]
    if layout.halved[0]:
        part = _double_columns(part)[:, :, :width]
    return part.contiguous()


def _double_rows(x_CHW: Tensor) -> Tensor:
    """Twice the rows; each old row lies between its two new ones."""
    channels, height, width = x_CHW.shape
    out = x_CHW.new_empty((channels, height, 2, width))
    near, far = x_CHW * 0.75, x_CHW * 0.25
    torch.add(near[:, 1:], far[:, :-1], out=out[:, 1:, 0])
    torch.add(near[:, :-1], far[:, 1:], out=out[:, :-1, 1])
    out[:, 0, 0], out[:, -1, 1] = x_CHW[:, 0], x_CHW[:, -1]
    return out.view(channels, 2 * height, width)


def _double_rows_of_fields(x_CHW: Tensor) -> Tensor:
    """Twice the rows, where rows belong to the top and to the bottom field in turns.

    In its field an old row of the top field lies an eighth of the rows' distance below its upper new one, and one of
    the bottom field an eighth above its lower new one, so that both together are sited as in a progressive picture.
    """
    if x_CHW.shape[1] % 2:  # the bottom field has a row less
        x_CHW = torch.cat([x_CHW, x_CHW[:, -2:][:, :1]], dim=1)
    channels, height, width = x_CHW.shape
    out = x_CHW.new_empty((channels, height // 2, 2, 2, width))
    for field, (above, below) in enumerate(((0.125, 0.375), (0.375, 0.125))):
        rows = x_CHW[:, field::2]
        out[:, :, 0, field] = torch.lerp(rows, torch.cat([rows[:, :1], rows[:, :-1]], dim=1), above)
        out[:, :, 1, field] = torch.lerp(rows, torch.cat([rows[:, 1:], rows[:, -1:]], dim=1), below)
    return out.view(channels, 2 * height, width)


def _double_columns(x_CHW: Tensor) -> Tensor:
    """Twice the columns; the even ones are the old ones."""
    channels, height, width = x_CHW.shape
    odd = torch.empty_like(x_CHW)
    torch.add(x_CHW[..., :-1], x_CHW[..., 1:], out=odd[..., :-1])
    odd[..., :-1] *= 0.5
    odd[..., -1] = x_CHW[..., -1]
    # A complex number is two neighbouring floats: the one vectorised way that torch has to interleave.
    return torch.view_as_real(torch.complex(x_CHW, odd)).view(channels, height, 2 * width)


def _shrink(x_CHW: Tensor, halved: tuple[bool, bool]) -> Tensor:
    """Chroma size: row pairs averaged, columns filtered by [1 2 1] / 4 at the even ones; edges repeated."""
    if halved[1]:
        if x_CHW.shape[1] % 2:
            x_CHW = torch.cat([x_CHW, x_CHW[:, -1:]], dim=1)
        x_CHW = (x_CHW[:, 0::2] + x_CHW[:, 1::2]).mul_(0.5)
    if halved[0]:
        even, odd = x_CHW[..., 0::2], x_CHW[..., 1::2]
        columns = even.shape[-1]
        out = even * 0.5
        right = odd.shape[-1]
        out[..., :right].add_(odd, alpha=0.25)
        out[..., 1:].add_(odd[..., : columns - 1], alpha=0.25)
        out[..., 0].add_(even[..., 0], alpha=0.25)
        if right < columns:
            out[..., -1].add_(even[..., -1], alpha=0.25)
        return out
    return x_CHW


def _luma(data: Tensor, weights: tuple[float, float, float]) -> Tensor:
    return (data[0] * weights[0]).add_(data[1], alpha=weights[1]).add_(data[2], alpha=weights[2])


def _store(values: Tensor, view: Array, top: int, layout: Layout, offset: float, scale: float) -> None:
    codes = (values * scale).add_(offset + 0.5).clamp_(0, 2**layout.bits - 1)
    target = view[top : top + values.shape[0]]
    if layout.bits == 8:
        _shared(target).copy_(codes)
    else:  # through signed words of the same bits, which torch converts several times faster than unsigned ones
        _shared(target.view(np.int16)).copy_(codes.to(torch.int32).bitwise_left_shift_(layout.shift))


def _write_rgb(strip: Tensor, views: list[Array], layout: Layout, colour: Colour, top: int) -> None:
    for index in range(3):
        _store(strip[index], views[index], top, layout, *_luma_scale(layout, colour))


def _write_yuv(strip: Tensor, views: list[Array], layout: Layout, colour: Colour, top: int) -> None:
    weights = _weights(colour)
    _store(_luma(strip, weights), views[0], top, layout, *_luma_scale(layout, colour))
    if layout.model == "yuv":
        small = _shrink(strip[:3], layout.halved)
        luma = _luma(small, weights)
        offset, scale = _chroma_scale(layout, colour)
        top = top // 2 if layout.halved[1] else top
        _store(small[2] - luma, views[1], top, layout, offset, scale / (2 - 2 * weights[2]))
        _store(small[0] - luma, views[2], top, layout, offset, scale / (2 - 2 * weights[0]))


def tag(frame: av.VideoFrame, colour: Colour) -> None:
    """Say on `frame` how its codes are to be read; `colour` has all tags."""
    frame.colorspace = colour.matrix
    frame.color_primaries = colour.primaries
    frame.color_trc = colour.transfer
    frame.color_range = 2 if colour.full_range else 1
