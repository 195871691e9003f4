"""Decoded pictures in other pixel formats: every code value where it belongs."""

from __future__ import annotations

import av
import numpy as np
import pytest
import torch

from vidwright.core import Colour
from vidwright.io.layout import components, layouts
from vidwright.io.native import converted
from vidwright.io.pixels import from_rgb, to_rgb

STUDIO = Colour(1, 1, 1, False, 8)
FULL = Colour(1, 1, 1, True, 8)


def picture(pixel_format: str, *, full: bool = False, size: tuple[int, int] = (6, 4), seed: int = 0) -> av.VideoFrame:
    """Codes drawn from all that the format holds."""
    frame = av.VideoFrame(*size, pixel_format)
    layout = layouts()[pixel_format]
    random = np.random.default_rng(seed)
    for view in components(frame, layout):
        view[:] = random.integers(0, 2**layout.bits, view.shape).astype(view.dtype) << layout.shift
    frame.color_range = 2 if full else 1
    frame.colorspace = 1
    return frame


def codes(frame: av.VideoFrame) -> list[np.ndarray]:
    layout = layouts()[frame.format.name]
    return [view.astype(int) >> layout.shift for view in components(frame, layout)]


def change(frame: av.VideoFrame, to: str, *, rotation: int = 0, colour: Colour = STUDIO) -> av.VideoFrame:
    made = converted(frame, rotation=rotation, pixel_format=to, colour=colour)
    assert made.format.name == to and made.pict_type == 0 and (made.color_range == 2) == bool(colour.full_range)
    return made


@pytest.mark.parametrize("name", ["yuv420p", "yuv422p", "yuv444p", "nv12"])
def test_studio_swing_gains_bits_by_a_shift(name):
    to = {"nv12": "yuv420p10le"}.get(name, f"{name}10le")
    frame = picture(name)
    for before, after in zip(codes(frame), codes(change(frame, to)), strict=True):
        assert (after == 4 * before).all()


def test_and_loses_them_to_the_nearest():
    frame = picture("yuv420p10le")
    for before, after in zip(codes(frame), codes(change(frame, "yuv420p")), strict=True):
        assert (after == np.minimum((before + 2) // 4, 255)).all()


def test_full_range_is_stretched():
    frame = picture("yuv420p", full=True)
    for before, after in zip(codes(frame), codes(change(frame, "yuv420p10le", colour=FULL)), strict=True):
        assert (after == np.rint(before * 1023 / 255)).all()


@pytest.mark.parametrize("name", ["yuv420p", "yuv444p10le", "p010le"])
def test_the_same_format_is_a_copy(name):
    frame = picture(name)
    to = {"p010le": "yuv420p10le"}.get(name, name)
    made = change(frame, to)
    assert all((a == b).all() for a, b in zip(codes(frame), codes(made), strict=True))
    components(made, layouts()[to])[0][:] = 0
    assert codes(frame)[0].any()


@pytest.mark.parametrize("rotation", [90, 180, 270])
def test_turning_turns_every_plane(rotation):
    frame = picture("yuv420p")
    made = change(frame, "yuv420p", rotation=rotation)
    assert (made.width, made.height) == ((6, 4) if rotation == 180 else (4, 6))
    for before, after in zip(codes(frame), codes(made), strict=True):
        assert (after == np.rot90(before, -rotation // 90)).all()


def test_grey_gets_chroma_without_colour():
    frame = picture("gray", full=True)
    luma, u, v = codes(change(frame, "yuv420p", colour=FULL))
    assert (luma == codes(frame)[0]).all() and (u == 128).all() and (v == 128).all()


@pytest.mark.parametrize("name", ["rgb24", "yuv422p", "gbrp"])
def test_what_needs_more_than_a_copy_goes_through_rgb(name):
    frame = picture(name, full=name != "yuv422p")
    tags = Colour(1, 1, 0 if name != "yuv422p" else 1, name != "yuv422p", 8)
    wanted = from_rgb(to_rgb(frame, tags), pixel_format="yuv420p", colour=STUDIO)
    assert all((a == b).all() for a, b in zip(codes(change(frame, "yuv420p")), codes(wanted), strict=True))


def test_full_range_becomes_studio_swing_where_it_must():
    frame = picture("yuv444p", full=True)
    for view in components(frame, layouts()["yuv444p"])[1:]:
        view[:] = 128
    luma = codes(change(frame, "yuv444p"))[0]
    assert np.abs(luma - (16 + codes(frame)[0] * 219 / 255)).max() <= 0.51
    assert torch.tensor(luma).max() <= 235
