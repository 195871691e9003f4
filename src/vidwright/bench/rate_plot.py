"""Quality over rate of all encoders as an SVG file of its own: a curve for each, in the mean over clips."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from types import MappingProxyType

from vidwright.bench.rates import ENCODERS, FILTERED, ROWS, Coded
from vidwright.core.curve import decades, path, round_step
from vidwright.core.files import write_atomic

#: The drawing's size, and the edges of the field of curves in it; samples of their lines and names stand beside it.
_WIDTH, _HEIGHT = 930, 540
_LEFT, _TOP, _RIGHT, _BOTTOM = 64, 64, 640, 484
_SAMPLES, _NAMES, _APART = 668, 700, 19
_SOFT = "#63666a"
#: Families of encoders have a hue each, their presets shades of it; a filter's curve is dashed, or dotted.
_DASH = {"auto": "6 4", "perceptual": "2 4"}
_COLOURS = dict(
    zip(ENCODERS, ("#e0a100", "#96690a", "#2f6fc4", "#b9a3cf", "#8f6bb5", "#5d3a8a", "#0a7a66"), strict=True)
)
_PLAIN = {row: plain for plain, rows in FILTERED.items() for row in rows.values()}
_DASHES = {row: _DASH[restore] for rows in FILTERED.values() for restore, row in rows.items()}


@dataclass(frozen=True, slots=True)
class Curve:
    """An encoder's (bits per pixel, quality) by rising rate, in the mean over clips."""

    encoder: str
    points: Sequence[tuple[float, float]]


@dataclass(frozen=True, slots=True)
class Plot:
    """How a figure is drawn: its name, and what of it rises evenly; `ticks` are between two values of it."""

    name: str
    even: Callable[[float], float]
    ticks: Callable[[float, float], Sequence[float]]


def _even_ticks(low: float, high: float) -> Sequence[float]:
    step = round_step(((high - low) or 1.0) / 2)
    return [n * step for n in range(math.ceil(low / step), math.floor(high / step) + 1)]


#: MS-SSIM crowds below 1, and what is missing of it halves evenly.
PLOTS: Mapping[str, Plot] = MappingProxyType(
    {
        "psnr_y": Plot("PSNR of luma, dB", lambda score: score, _even_ticks),
        "ms_ssim": Plot(
            "MS-SSIM",
            lambda score: -math.log(max(1 - score, 1e-6)),
            lambda low, high: [1 - rest for rest in decades(max(1 - high, 1e-6), max(1 - low, 1e-6))],
        ),
        "vmaf": Plot("VMAF", lambda score: score, _even_ticks),
        "lpips": Plot("LPIPS, lower is better", lambda score: -score, _even_ticks),
    }
)


def write_plots(found: Iterable[Coded], folder: Path, *, without: Collection[str] = ()) -> None:
    """Draw every figure of `PLOTS` that is known to a file in `folder`, such as `psnr_y.svg`, without some clips.

    Raises `JobFailed` where the folder is not there or cannot be written to.
    """
    kept = [coded for coded in found if coded.clip not in without]
    for figure in PLOTS:
        known = [coded for coded in kept if math.isfinite(coded.figures.get(figure, math.nan))]
        if known:
            drawing = drawn(figure, curves(known, figure), clips=len({coded.clip for coded in known}))
            write_atomic(folder / f"{figure}.svg", drawing)


def curves(found: Iterable[Coded], figure: str) -> list[Curve]:
    """A curve for each encoder: at each CRF the geometric mean of the rate and the mean of the figure over clips."""
    groups: dict[str, dict[float, list[Coded]]] = {}
    for coded in found:
        groups.setdefault(coded.encoder, {}).setdefault(coded.crf, []).append(coded)
    ordered = ((row, groups[row]) for row in ROWS if row in groups)
    return [Curve(row, sorted(_mean(each, figure) for each in group.values())) for row, group in ordered]


def _mean(clips: Sequence[Coded], figure: str) -> tuple[float, float]:
    rate = math.fsum(math.log(8 * each.bytes / each.pixels) for each in clips) / len(clips)
    return math.exp(rate), math.fsum(each.figures[figure] for each in clips) / len(clips)


def drawn(figure: str, shown: Sequence[Curve], *, clips: int) -> str:
    """SVG of at least one curve of a figure of `PLOTS` over bits per pixel on a logarithmic axis, named at its end.

    `clips` is how many the curves are the mean of.
    """
    plot = PLOTS[figure]
    rates, scores = ([point[n] for curve in shown for point in curve.points] for n in (0, 1))
    across = _Axis.of(rates, math.log, decades(min(rates), max(rates)), (_LEFT + 12, _RIGHT - 12))
    up = _Axis.of(scores, plot.even, plot.ticks(min(scores), max(scores)), (_BOTTOM - 8, _TOP + 8))
    mean = f"mean of {clips} clips at each CRF" if clips > 1 else "one clip"
    rows = (_grid(f"M{_LEFT} {up(tick):.1f}H{_RIGHT}", _LEFT - 8, up(tick) + 5, "end", tick) for tick in up.ticks)
    columns = ((across(tick), tick) for tick in across.ticks)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" width="{_WIDTH}" '
        f'height="{_HEIGHT}" role="img" font-family="system-ui, sans-serif" font-size="14" fill="#1b1c1d">',
        f"<title>{escape(plot.name)} over bits per pixel</title>",
        f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="#fcfcfa"/>',
        f'<text x="{_LEFT}" y="26" font-size="17" font-weight="600">{escape(plot.name)}</text>',
        f'<text x="{_LEFT}" y="46" fill="{_SOFT}">{mean}; whole files</text>',
        *rows,
        *(_grid(f"M{x:.1f} {_BOTTOM}V{_TOP}", x, _BOTTOM + 20, "middle", tick) for x, tick in columns),
        f'<text x="{_RIGHT}" y="{_BOTTOM + 42}" text-anchor="end" fill="{_SOFT}">bits per pixel</text>',
        *(_line(curve, across, up) for curve in shown),
        *_names(shown, across, up),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


@dataclass(frozen=True, slots=True)
class _Axis:
    even: Callable[[float], float]
    ticks: Sequence[float]
    values: tuple[float, float]
    places: tuple[float, float]

    @staticmethod
    def of(
        values: Sequence[float],
        even: Callable[[float], float],
        ticks: Sequence[float],
        places: tuple[float, float],
    ) -> _Axis:
        """From the lowest to the highest of values and ticks, between two places."""
        ends = [even(value) for value in (*values, *ticks)]
        return _Axis(even, ticks, (min(ends), max(ends)), places)

    def __call__(self, value: float) -> float:
        low, high = self.values
        share = (self.even(value) - low) / ((high - low) or 1.0)
        return self.places[0] + share * (self.places[1] - self.places[0])


def _grid(line: str, x: float, y: float, anchor: str, tick: float) -> str:
    return (
        f'<path d="{line}" stroke="#dddcd6"/>'
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{_SOFT}">{tick:.4g}</text>'
    )


def _look(encoder: str) -> tuple[str, str]:
    """The colour, and the dashes of a filter."""
    dashes = f' stroke-dasharray="{_DASHES[encoder]}"' if encoder in _DASHES else ""
    return _COLOURS[_PLAIN.get(encoder, encoder)], dashes


def _line(curve: Curve, across: _Axis, up: _Axis) -> str:
    colour, dashes = _look(curve.encoder)
    places = [(across(rate), up(score)) for rate, score in curve.points]
    dots = "".join(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>' for x, y in places)
    return f'<path d="{path(places)}" fill="none" stroke="{colour}" stroke-width="2"{dashes}/>{dots}'


def _names(shown: Sequence[Curve], across: _Axis, up: _Axis) -> list[str]:
    """Names beside the field in the order of the curves' ends, as near to these as they do not touch each other."""
    ends = sorted((up(curve.points[-1][1]), across(curve.points[-1][0]), curve.encoder) for curve in shown)
    lowest = _BOTTOM - _APART * (len(ends) - 1)
    parts: list[str] = []
    y = -math.inf
    for n, (end, x, encoder) in enumerate(ends):
        y = min(max(end, y + _APART), lowest + _APART * n)
        colour, dashes = _look(encoder)
        parts.append(
            f'<path d="M{x + 5:.1f} {end:.1f}H{_RIGHT}L{_SAMPLES} {y:.1f}" fill="none" stroke="{colour}" '
            f'stroke-opacity="0.45"/><path d="M{_SAMPLES} {y:.1f}H{_NAMES - 6}" stroke="{colour}" stroke-width="2"'
            f'{dashes}/><text x="{_NAMES}" y="{y + 4.5:.1f}" font-size="13">{escape(encoder)}</text>'
        )
    return parts
