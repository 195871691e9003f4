"""FFmpeg's video filters over frames.

    frames --> codes of a pixel format --> filter, filter, ... --> R'G'B' frames

What the filters see is rounded to the pixel format and otherwise exact: conversions are those of `io/pixels.py`.
"""

from __future__ import annotations

import itertools
import math
import re
from collections import deque
from collections.abc import Generator, Iterable, Iterator
from dataclasses import replace
from fractions import Fraction

import av
import av.error
from av.filter import Graph, filters_available
from av.filter.context import FilterContext
from av.video.format import VideoFormat

from vidwright.core import Frame
from vidwright.core.errors import UsageError, did_you_mean
from vidwright.core.fields import two_moments
from vidwright.core.frame import FieldOrder
from vidwright.core.window import windows
from vidwright.io.pixels import colour_of, from_rgb, to_rgb

#: MPEG's clock in ticks a second, in which milliseconds are whole numbers too.
CLOCK = 90000
#: What `setfield` calls the orders of fields.
SETFIELD: dict[FieldOrder, str] = {"progressive": "prog", "top": "tff", "bottom": "bff"}
#: A filter of a chain: what lies between commas that are neither quoted nor escaped.
LINK = re.compile(r"(?:\\.|'[^']*'|[^,\\'])+")


def filtered(frames: Iterable[Frame], chain: str, *, rate: Fraction, pixel_format: str = "yuv444p") -> Generator[Frame]:
    """Frames through a chain of FFmpeg's filters, such as "nlmeans=s=4" or "bwdif=mode=send_field,hflip".

    `rate` is that of the input in frames per second: times that are multiples of its interval or of 1/90000 s stay
    exact. The filters see `pixel_format` and the frames' field order; times and durations out are theirs. They begin
    anew at a cut and where frames change in size, colour or field order, and hold all the memory that is used. One
    thread. Raises `UsageError` for a filter that this FFmpeg lacks, and for options and pictures that it refuses.
    """
    tick = Fraction(1, math.lcm(rate.numerator, CLOCK))
    shot = 0

    def kind(frame: Frame) -> object:
        nonlocal shot
        shot += frame.cut
        return shot, frame.data.shape, frame.colour, frame.field_order

    for _, alike in itertools.groupby(frames, kind):
        yield from _filtered_run(alike, chain, tick, pixel_format)


def bwdif(frames: Iterable[Frame], rate: Fraction) -> Generator[Frame]:
    """Two progressive frames for each interlaced one by FFmpeg's `bwdif` ("Bob Weaver"), with alpha where there is any.

    At the times that a model of `needs.rate` 2 gives. `rate` is that of the input in frames per second; frames said to
    be progressive are taken for top field first. Raises `UsageError` for pictures of fewer than 4 rows or columns.
    """
    frames = iter(frames)
    first = next(frames, None)
    if first is None:
        return
    moments: deque[Frame] = deque()

    def interlaced() -> Iterator[Frame]:
        for window in windows(itertools.chain([first], frames), 1, is_cut=lambda frame: frame.cut):
            moments.extend(two_moments(window))
            yield replace(window[1], field_order="bottom" if window[1].field_order == "bottom" else "top")

    pixel_format = f"yuv{'a' * (first.data.shape[0] == 4)}444p{'' if first.colour.bits == 8 else '16le'}"
    chain = "bwdif=mode=send_field:deint=all"
    for made in filtered(interlaced(), chain, rate=rate, pixel_format=pixel_format):
        yield moments.popleft().with_data(made.data)


def _filtered_run(frames: Iterator[Frame], chain: str, tick: Fraction, pixel_format: str) -> Iterator[Frame]:
    """`filtered` for frames of one kind, of which there is at least one."""
    first = next(frames)
    # A flipped picture's lines run backwards in memory until it is copied.
    links = [f"setfield={SETFIELD[first.field_order]}", *LINK.findall(chain), "copy"]
    raws = (_raw(frame, pixel_format, tick) for frame in itertools.chain([first], frames))
    cut = first.cut
    try:
        graph, source = _graph(links, first.width, first.height, pixel_format, tick)
        for raw in _pulled(graph, source, raws):
            yield _frame(raw, first, cut=cut)
            cut = False
    except av.error.FFmpegError as error:
        cause = f"FFmpeg refuses it for {first.width}x{first.height} {pixel_format}: {error.strerror}"
        raise UsageError(f"filter {chain}", cause, "see FFmpeg's page on this filter for what it takes") from error


def _graph(links: list[str], width: int, height: int, pixel_format: str, tick: Fraction) -> tuple[Graph, FilterContext]:
    """A graph of the links in a row, and where frames go into it."""
    graph = Graph()
    graph.threads = 1
    source = graph.add_buffer(width=width, height=height, format=VideoFormat(pixel_format), time_base=tick)
    nodes = [source]
    for link in links:
        name, _, options = link.strip().partition("=")
        if name not in filters_available:
            raise UsageError(
                f"filter {name}", "FFmpeg has none of this name here", did_you_mean(name, filters_available)
            )
        nodes.append(graph.add(name, options or None))
    graph.link_nodes(*nodes, graph.add("buffersink"))
    graph.configure()
    return graph, source


def _pulled(graph: Graph, source: FilterContext, raws: Iterable[av.VideoFrame]) -> Iterator[av.VideoFrame]:
    for raw in itertools.chain(raws, [None]):
        source.push(raw)
        while True:
            try:
                yield graph.vpull()
            except (av.error.BlockingIOError, av.error.EOFError):
                break


def _raw(frame: Frame, pixel_format: str, tick: Fraction) -> av.VideoFrame:
    raw = from_rgb(frame.data, pixel_format=pixel_format, colour=frame.colour)
    raw.time_base, raw.pts = tick, round(frame.time / tick)
    raw.duration = round((frame.duration or 0) / tick)
    return raw


def _frame(raw: av.VideoFrame, like: Frame, *, cut: bool) -> Frame:
    assert raw.pts is not None and raw.time_base is not None
    duration = raw.duration * raw.time_base if raw.duration else None
    return Frame(to_rgb(raw, colour_of(raw)), raw.pts * raw.time_base, duration, like.colour, cut)
