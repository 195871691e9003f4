"""A comparison as one HTML file that needs nothing else: no network, no other file."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from html import escape
from pathlib import Path

from vidwright.bench.compare import Comparison, FileFacts, FrameScore
from vidwright.bench.excerpt import Media, embed
from vidwright.bench.plot import plot
from vidwright.bench.strips import Strip, strips
from vidwright.core.files import write_atomic
from vidwright.core.page import asset, data_uri, filled, style

_LABELS = {"psnr": "PSNR, luma", "ssim": "SSIM, luma", "psnr_u": "PSNR, Cb", "psnr_v": "PSNR, Cr"}
_FOOTER = (
    "PSNR and SSIM are measured on the code values as stored, over every pair of frames. A mean PSNR leaves out "
    "identical frames, whose PSNR is infinite; the 5th percentile is the frame that 95 % are at least as good as."
)


def write_report(comparison: Comparison, path: Path) -> None:
    """Write the page of `comparison` to `path`: figures, wipe player, plots, worst frames.

    Both files are read again. They are embedded as they are where a browser plays them and each is at most
    24 MB, otherwise as an H.264 excerpt of at most 10 s around the worst frame, which the page says.
    Raises `BadInput` when a file has gone or changed since, `JobFailed` when the page can not be written.
    """
    media = embed(comparison)
    pictures = strips(comparison)
    parts = _parts(comparison, media, pictures)
    write_atomic(path, filled(asset("bench", "report.html"), parts))


def _parts(comparison: Comparison, media: Media, pictures: list[Strip]) -> dict[str, str]:
    a, b, frames = comparison.a, comparison.b, comparison.frames
    width, height = media.stage
    seconds = float(frames[-1].time) + float(1 / a.rate)
    last = max(len(frames) - 1, 1)
    return {
        "title": escape(f"{a.path.name} and {b.path.name}: vidwright compare"),
        "css": style("bench", "report.css"),
        "name_a": escape(a.path.name),
        "name_b": escape(b.path.name),
        "warnings": _warnings(comparison.warnings),
        "headline": _headline(comparison),
        "aspect": f"{width / height:.5f}",
        "media_a": data_uri(media.kind_a, media.a),
        "media_b": data_uri(media.kind_b, media.b),
        "media_note": escape(f" {media.note}" if media.note else ""),
        "excerpt": "" if media.whole else _excerpt(100 * media.first / last, 100 * media.last / last),
        "plots": "\n".join(_plots(frames, comparison.worst)),
        "end": f"{seconds:.2f} s",
        "gain": str(pictures[0].gain),
        "strips": "\n".join(_strip(strip, frames[strip.frame]) for strip in pictures),
        "files": _files(a, b),
        "footer": _FOOTER,
        "data": _data(comparison, media),
        "script": asset("bench", "report.js"),
    }


def _warnings(warnings: tuple[str, ...]) -> str:
    items = "".join(f"<li>{escape(_sentence(warning))}</li>" for warning in warnings)
    return f'<ul class="notes" aria-label="Please note">{items}</ul>' if items else ""


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:] + "."


def _headline(comparison: Comparison) -> str:
    rows: list[str] = []
    for name, label in _LABELS.items():
        figure = comparison.figure(name)
        if figure is None:
            continue
        digits = 4 if name == "ssim" else 2
        unit = f"<small>{figure.unit}</small>" if figure.unit else ""
        rest = f"5th percentile {_number(figure.p5, digits)}<br>worst frame {_number(figure.worst, digits)}"
        equal = f"<br>{figure.equal} of {len(comparison.frames)} frames identical" if figure.equal else ""
        rows.append(
            f'<div><dt>{label}</dt><dd><span class="big">{_number(figure.mean, digits)}{unit}</span>'
            f'<span class="rest figures">{rest}{equal}</span></dd></div>'
        )
    return f'<dl class="headline">{"".join(rows)}</dl>'


def _number(value: float, digits: int) -> str:
    return "∞" if math.isinf(value) else f"{value:.{digits}f}"


def _excerpt(begin: float, end: float) -> str:
    return f'<div id="excerpt" style="left: {begin:.3f}%; width: {end - begin:.3f}%"></div>'


def _plots(frames: tuple[FrameScore, ...], worst: tuple[int, ...]) -> Iterator[str]:
    yield plot([frame.psnr for frame in frames], worst, name="PSNR", step=1, digits=0, unit="dB")
    similar = [frame.ssim for frame in frames if frame.ssim is not None]
    if len(similar) == len(frames):
        yield plot(similar, worst, name="SSIM", step=0.01, digits=2)


def _strip(strip: Strip, score: FrameScore) -> str:
    images = "".join(
        f'<img src="{data_uri("image/jpeg", content)}" alt="{what}" width="{strip.width}" height="{strip.height}">'
        for what, content in (("A", strip.a), ("B", strip.b), ("Difference", strip.difference))
    )
    parts = [f"{float(score.time):.3f} s", f"{_number(score.psnr, 2)} dB"]
    parts += [f"SSIM {score.ssim:.4f}"] if score.ssim is not None else []
    caption = f"<b>Frame {strip.frame}</b>" + "".join(f"<span>{part}</span>" for part in parts)
    return (
        f'<li><button class="strip" data-frame="{strip.frame}"><span class="three">{images}</span>'
        f'<span class="caption figures">{caption}</span></button></li>'
    )


def _files(a: FileFacts, b: FileFacts) -> str:
    rows = [
        ("File", *(escape(f.path.name) for f in (a, b))),
        ("Size", *(_bytes(f.bytes) for f in (a, b))),
        ("Picture", *(f"{f.width} × {f.height}, {escape(f.pixel_format)}" for f in (a, b))),
        ("Codec", *(escape(f.codec) for f in (a, b))),
        ("Frames", *(str(f.frames) for f in (a, b))),
        ("Rate", *(f"{float(f.rate):.6g} fps" for f in (a, b))),
        ("Duration", *(f"{float(f.duration):.3f} s" for f in (a, b))),
        ("Bit rate", *(f"{f.bitrate / 1000:,.0f} kbit/s" for f in (a, b))),
    ]
    body = "".join(f'<tr><th scope="row">{name}</th><td>{left}</td><td>{right}</td></tr>' for name, left, right in rows)
    head = '<tr><td></td><th scope="col">A</th><th scope="col">B</th></tr>'
    return f'<div class="scroll"><table><thead>{head}</thead><tbody>{body}</tbody></table></div>'


def _bytes(count: int) -> str:
    for unit, size in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if count >= size:
            return f"{count / size:.2f} {unit}"
    return f"{count} bytes"


def _data(comparison: Comparison, media: Media) -> str:
    """What the script reads; `<` is written as an escape, so that no name can end the block early."""
    frames = comparison.frames
    plain = {
        "times": [round(float(frame.time), 5) for frame in frames],
        "psnr": [None if math.isinf(frame.psnr) else round(frame.psnr, 3) for frame in frames],
        "ssim": None if frames[0].ssim is None else [round(frame.ssim or 0.0, 5) for frame in frames],
        "worst": list(comparison.worst),
        "interval": float(1 / comparison.a.rate),
        "first": media.first,
        "last": media.last,
    }
    return json.dumps(plain, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c")
