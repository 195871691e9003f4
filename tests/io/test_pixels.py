"""Pixels: code values from the standards, exact round trips, padding, odd sizes, agreement with swscale."""

from __future__ import annotations

import itertools
from fractions import Fraction

import av
import numpy as np
import pytest
import torch
from av.filter import Graph
from hypothesis import given, settings
from hypothesis import strategies as st

import media
from vidwright.core.colour import BT601, BT709, BT2020, LUMA_WEIGHTS, Colour
from vidwright.io.layout import components, layouts, neighbour
from vidwright.io.pixels import colour_of, from_rgb, to_planes, to_rgb, unknown_matrix

BARS = {
    "red": (1, 0, 0),
    "green": (0, 1, 0),
    "blue": (0, 0, 1),
    "white": (1, 1, 1),
    "black": (0, 0, 0),
    "grey": (128 / 255,) * 3,
}

# Y, Cb, Cr in 8 bits: ITU-R BT.601-7 section 2.5, BT.709-6 section 3 and 4, BT.2020-2 table 4 and 5; full range H.273.
STANDARD = {
    (BT601, False): [(81, 90, 240), (145, 54, 34), (41, 240, 110), (235, 128, 128), (16, 128, 128), (126, 128, 128)],
    (BT709, False): [(63, 102, 240), (173, 42, 26), (32, 240, 118), (235, 128, 128), (16, 128, 128), (126, 128, 128)],
    (BT2020, False): [(74, 97, 240), (164, 47, 25), (29, 240, 119), (235, 128, 128), (16, 128, 128), (126, 128, 128)],
    (BT601, True): [(76, 85, 255), (150, 44, 21), (29, 255, 107), (255, 128, 128), (0, 128, 128), (128, 128, 128)],
    (BT709, True): [(54, 99, 255), (182, 30, 12), (18, 255, 116), (255, 128, 128), (0, 128, 128), (128, 128, 128)],
    (BT2020, True): [(67, 92, 255), (173, 36, 11), (15, 255, 118), (255, 128, 128), (0, 128, 128), (128, 128, 128)],
}


def flat(rgb, height=4, width=6) -> torch.Tensor:
    return torch.tensor(rgb, dtype=torch.float32).view(3, 1, 1).expand(3, height, width)


@pytest.mark.parametrize("pixel_format", ["yuv420p", "yuv422p", "yuv444p", "nv12"])
@pytest.mark.parametrize(("matrix", "full"), STANDARD)
def test_primaries_have_the_code_values_of_the_standards(matrix, full, pixel_format):
    colour = Colour(matrix=matrix, full_range=full)
    for rgb, expected in zip(BARS.values(), STANDARD[matrix, full], strict=True):
        frame = from_rgb(flat(rgb), pixel_format=pixel_format, colour=colour)
        codes = [component for component in components(frame, layouts()[pixel_format])]
        assert tuple(int(plane[0, 0]) for plane in codes) == expected
        assert all((plane == plane[0, 0]).all() for plane in codes)
        back = to_rgb(frame, colour_of(frame)).clamp(0, 1)
        assert ((back * 255).round() - (flat(rgb) * 255).round()).abs().max() <= 1


@pytest.mark.parametrize(("matrix", "full"), STANDARD)
def test_8_bit_444_round_trip_loses_rounding_only(matrix, full):
    """Half a code of luma and half a code of colour difference, each as large as the range makes it: 1.07 + 0.58."""
    colour = Colour(matrix=matrix, full_range=full)
    steps = torch.linspace(0, 1, 18)
    cube = torch.stack(torch.meshgrid(steps, steps, steps, indexing="ij")).view(3, 54, 108)
    codes = (cube * 255).round()
    error = to_rgb(from_rgb(codes / 255, pixel_format="yuv444p", colour=colour), colour) * 255 - codes
    luma, chroma = (1, 1) if full else (255 / 219, 255 / 224)
    for channel, weight in ((0, LUMA_WEIGHTS[matrix][0]), (2, LUMA_WEIGHTS[matrix][1])):
        assert error[channel].abs().max() <= 0.5 * luma + 0.5 * chroma * (2 - 2 * weight) + 1e-3
    assert error.abs().mean() <= 0.5
    corners = ((codes == 0) | (codes == 255)).all(dim=0)
    assert corners.sum() == 8
    assert (codes + error).clamp(0, 255).round().sub(codes)[:, corners].abs().max() <= 1


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**31), st.sampled_from(sorted(STANDARD)))
def test_10_bit_codes_survive_decode_and_encode_exactly(seed, tags):
    matrix, full = tags
    colour = Colour(matrix=matrix, full_range=full, bits=10)
    low, high = (0, 1023) if full else (64, 940)
    frame = av.VideoFrame(32, 8, "yuv444p10le")
    for plane in components(frame, layouts()["yuv444p10le"]):
        plane[:] = np.random.default_rng(seed).integers(low, high, plane.shape)
    again = from_rgb(to_rgb(frame, colour), pixel_format="yuv444p10le", colour=colour)
    for before, after in zip(to_planes(frame, colour), to_planes(again, colour), strict=True):
        assert torch.equal(before.int(), after.int())


@pytest.mark.parametrize("name", sorted(layouts()))
@pytest.mark.parametrize(("width", "height"), [(1, 1), (3, 5), (2, 2), (33, 70)])
def test_every_format_takes_every_size(name, width, height):
    grey = name.startswith(("gray", "ya8"))
    rgb = flat((0.6, 0.6, 0.6) if grey else (0.7, 0.2, 0.4), height, width)
    frame = from_rgb(rgb, pixel_format=name, colour=Colour(BT709, BT709, BT709, False))
    back = to_rgb(frame, colour_of(frame))
    assert back.shape[1:] == (height, width)
    assert (back[:3] - rgb).abs().max() <= 1.6 / 255
    assert back.shape[0] == 3 or (back[3] == 1).all()


def by_swscale(frame: av.VideoFrame, full: bool) -> np.ndarray:
    """R'G'B' codes by swscale with every switch at accurate, and told where chroma is."""
    graph = Graph()
    source = graph.add_buffer(width=96, height=72, format=frame.format, time_base=Fraction(1, 25))
    span = "full" if full else "limited"
    flags = "flags=bilinear+accurate_rnd+full_chroma_int"
    nodes = [
        source,
        graph.add("scale", f"in_chroma_loc=left:{flags}:in_range={span}:out_range=full:in_color_matrix=bt709"),
        graph.add("format", "gbrp"),
        graph.add("buffersink"),
    ]
    for before, after in itertools.pairwise(nodes):
        before.link_to(after)
    graph.configure()
    frame.pts = 0
    graph.vpush(frame)
    return np.stack(components(graph.vpull(), layouts()["gbrp"]))


@pytest.mark.parametrize("name", ["yuv420p", "yuv422p", "yuv444p", "yuv420p10le", "nv12", "yuvj420p"])
@pytest.mark.parametrize("full", [False, True])
def test_agrees_with_swscale_at_its_most_accurate(name, full):
    rng = np.random.default_rng(0)
    small = torch.from_numpy(rng.random((1, 3, 9, 12), dtype=np.float32)) * 0.8 + 0.1
    smooth = torch.nn.functional.interpolate(small, size=(72, 96), mode="bicubic", align_corners=False)[0].clamp(0, 1)
    full = full or name == "yuvj420p"
    colour = Colour(BT709, BT709, BT709, full)
    frame = from_rgb(smooth, pixel_format=name, colour=colour)
    ours = to_rgb(frame, colour).clamp(0, 1).numpy() * 255
    assert np.abs(ours - by_swscale(frame, full)).max() <= 1.5


def test_chroma_is_sited_left_and_between_the_rows():
    frame = av.VideoFrame(8, 4, "yuv420p")
    y, u, v = components(frame, layouts()["yuv420p"])
    y[:], u[:] = 128, 128
    v[:] = [[128, 168, 128, 128], [128, 168, 128, 128]]
    red = to_rgb(frame, Colour(matrix=BT709, full_range=True))[0] - 128 / 255
    weights = (red[0] / red[0].max()).tolist()
    assert weights == pytest.approx([0, 0.5, 1, 0.5, 0, 0, 0, 0], abs=1e-5)
    v[:] = [[128] * 4, [168] * 4]
    column = to_rgb(frame, Colour(matrix=BT709, full_range=True))[0, :, 0] - 128 / 255
    assert (column / column.max()).tolist() == pytest.approx([0, 0.25, 0.75, 1], abs=1e-5)


def woven(height: int, pixel_format: str = "yuv420p") -> tuple[av.VideoFrame, np.ndarray]:
    """A grey picture marked as interlaced, and its V plane."""
    frame = av.VideoFrame(8, height, pixel_format)
    frame.pts = 0
    frame = media.marked(frame, "tff")
    frame.make_writable()
    y, u, v = components(frame, layouts()[pixel_format])
    y[:], u[:], v[:] = 128, 128, 128
    return frame, v


@pytest.mark.parametrize("pixel_format", ["yuv420p", "nv12", "yuv420p10le"])
@pytest.mark.parametrize("height", [4, 6, 16, 18, 270])
def test_chroma_of_an_interlaced_picture_stays_in_its_field(height, pixel_format):
    """A red bottom field reddens no row of the top field."""
    frame, v = woven(height, pixel_format)
    v[1::2] = 168
    red = to_rgb(frame, Colour(matrix=BT709, full_range=True))[0]
    assert (red[0::2] == red[0, 0]).all() and (red[1::2] == red[1, 0]).all() and red[1, 0] > red[0, 0]
    progressive = to_rgb(media.marked(frame, "prog"), Colour(matrix=BT709, full_range=True))[0]
    assert len(progressive[:, 0].unique()) > 2


def test_chroma_of_fields_is_sited_so_that_a_ramp_stays_one():
    """H.264 figure 6-3: chroma of the top field a quarter of its lines below, of the bottom field a quarter above."""
    frame, v = woven(32)
    v[:] = (100 + 4 * np.arange(16))[:, None]
    column = to_rgb(frame, Colour(matrix=BT709, full_range=True))[0, :, 0]
    steps = column[4:-4].diff()
    torch.testing.assert_close(steps, steps.mean().expand(23), rtol=0, atol=1e-5)


def test_fields_that_have_their_own_chroma_rows_anyway_are_read_as_ever():
    frame, v = woven(16, "yuv422p")
    v[:] = np.arange(16)[:, None]
    marks = (media.marked(frame, mode) for mode in ("tff", "prog"))
    assert torch.equal(*(to_rgb(each, Colour(matrix=BT709)) for each in marks))


@pytest.mark.parametrize("height", [1, 2, 3])
def test_interlaced_pictures_of_a_few_rows_can_be_read(height):
    assert to_rgb(woven(height)[0], Colour(matrix=BT709)).shape == (3, height, 8)


def test_padded_lines_are_not_read_as_pixels():
    frame = av.VideoFrame(33, 5, "yuv420p")
    assert frame.planes[0].line_size > 33
    np.frombuffer(frame.planes[0], np.uint8)[:] = 255
    for plane, code in zip(components(frame, layouts()["yuv420p"]), (16, 128, 128), strict=True):
        plane[:] = code
    assert to_rgb(frame, Colour(matrix=BT709, full_range=False)).abs().max() <= 1e-6


def test_values_below_black_are_kept_on_reading_and_clipped_on_writing():
    frame = av.VideoFrame(4, 4, "yuv444p")
    for plane, code in zip(components(frame, layouts()["yuv444p"]), (6, 128, 128), strict=True):
        plane[:] = code
    colour = Colour(matrix=BT709, full_range=False)
    assert to_rgb(frame, colour).max() == pytest.approx(-10 / 219)
    written = from_rgb(flat((9, 9, 9)), pixel_format="yuv444p", colour=colour)
    assert int(components(written, layouts()["yuv444p"])[0][0, 0]) == 255


@pytest.mark.parametrize("name", ["rgba", "yuva420p", "yuva444p10le", "gbrap"])
def test_alpha_goes_both_ways(name):
    alpha = torch.linspace(0, 1, 8).expand(1, 6, 8)
    frame = from_rgb(torch.cat([flat((0.2, 0.4, 0.6), 6, 8), alpha]), pixel_format=name, colour=Colour())
    assert (to_rgb(frame, colour_of(frame))[3] - alpha).abs().max() <= 0.5 / 255


@pytest.mark.parametrize(
    ("odd", "named"),
    [("pal8", "rgba"), ("nv21", "yuv420p"), ("uyvy422", "yuv422p"), ("yuv411p", "yuv422p"), ("gray10be", "gray16le")],
)
def test_other_formats_go_to_a_neighbour_that_holds_as_much(odd, named):
    assert neighbour(odd) == named


@pytest.mark.parametrize("odd", ["nv21", "uyvy422", "yuv420p10be", "rgb565le", "rgb8"])
def test_other_formats_are_read_without_a_shift_of_colour(odd):
    colour = Colour(BT709, BT709, BT709, False)
    start = from_rgb(flat((0.7, 0.2, 0.4), 8, 8), pixel_format="yuv444p", colour=colour)
    frame = start.reformat(format=odd, src_colorspace=1, dst_colorspace=1, src_color_range=1, dst_color_range=1)
    mean = to_rgb(frame, colour)[:3].mean(dim=(1, 2)) * 255  # swscale dithers to few levels
    assert (mean - torch.tensor([0.7, 0.2, 0.4]) * 255).abs().max() <= {"rgb565le": 8, "rgb8": 20}.get(odd, 2)


def test_tags_are_written_and_read_back():
    colour = Colour(primaries=9, transfer=16, matrix=9, full_range=False, bits=10)
    assert colour_of(from_rgb(flat((1, 0, 0)), pixel_format="yuv420p10le", colour=colour)) == colour


@pytest.mark.parametrize(("matrix", "word"), [(8, "YCgCo"), (10, "constant"), (14, "ICtCp"), (0, "RGB")])
def test_a_matrix_that_is_not_linear_is_named(matrix, word):
    assert word in (unknown_matrix(Colour(matrix=matrix), "yuv") or "")
    frame = av.VideoFrame(4, 4, "yuv444p")
    if matrix:
        with pytest.raises(ValueError, match=word):
            to_rgb(frame, Colour(matrix=matrix))


def test_r_g_b_sources_have_planes_too():
    frame = from_rgb(flat((1, 0, 0)), pixel_format="rgb24", colour=Colour())
    y, u, v = to_planes(frame, colour_of(frame))
    assert u is not None and v is not None
    assert (int(y[0, 0]), int(u[0, 0]), int(v[0, 0])) == (81, 90, 240)  # small pictures are BT.601
