"""`vidwright probe`, `models` and `doctor`: what there is."""

from __future__ import annotations

import inspect
import json as jsonlib
import os
import platform
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass
from fractions import Fraction
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any

from cyclopts import App, Parameter

from vidwright import __version__
from vidwright.cli.batch import size
from vidwright.core.errors import ModelRefused, VidwrightError
from vidwright.core.files import sha256
from vidwright.io.container import MAX_PIXELS

Json = Annotated[bool, Parameter(name="--json", negative=())]

models = App(name="models", help="List, describe and verify the models.")


def probe(file: Path, /, *, json: Json = False, max_pixels: int = MAX_PIXELS) -> None:
    """Say what a video file holds, from its headers and its first picture.

    Parameters
    ----------
    file
        The video file.
    json
        Print it as JSON.
    max_pixels
        Refuse pictures of more pixels than this.
    """
    from vidwright.io import probe as probe_file

    media = probe_file(file, max_pixels=max_pixels)
    if json:
        print(jsonlib.dumps({"schema": 1, **asdict(media)}, default=_plain))
        return
    info, colour = media.info, media.info.colour
    length = "unknown length" if media.duration is None else f"{float(media.duration):.3f} s"
    print(f"{media.path}: {media.container}, {size(media.bytes)}, {length}")
    count = "" if info.length is None else f", {info.length} frames"
    print(f"  video {info.codec}: {info.width}x{info.height}, {float(info.rate):.6g} fps{count}, {info.pixel_format}")
    ranges = {None: "untagged", True: "full", False: "limited"}
    print(
        f"  colour: primaries {colour.primaries}, transfer {colour.transfer}, matrix {colour.matrix} (ITU-T H.273; "
        f"2 is untagged), range {ranges[colour.full_range]}, {colour.bits} bits{', HDR' * colour.is_hdr}"
    )
    notes = {
        "pixel aspect": f"{info.sample_aspect}" if info.sample_aspect != 1 else "",
        "rotation": f"{info.rotation} degrees, applied when read" if info.rotation else "",
        "fields": f"interlaced, {info.field_order} first" if info.field_order != "progressive" else "",
        "alpha": "yes" if info.alpha else "",
        "chapters": str(media.streams.chapters or ""),
    }
    for name, note in notes.items():
        if note:
            print(f"  {name}: {note}")
    for track in media.streams.tracks:
        words = (track.kind, track.codec, track.language or "", track.title or "")
        print(f"  track {track.index}: {' '.join(word for word in words if word)}")
    for warning in media.warnings:
        print(f"  warning: {warning}")


@models.command(name="list")
def list_models(*, json: Json = False) -> None:
    """List the models and their weights."""
    from vidwright.models import card, names

    rows = [{"model": name, "weights": card(name).weights, "summary": card(name).summary} for name in names()]
    if json:
        print(jsonlib.dumps({"schema": 1, "models": rows}))
        return
    for row in rows:
        print(f"{row['model']:20} {', '.join(row['weights']) or '-':12} {row['summary']}")


@models.command
def info(model: str, /, *, json: Json = False) -> None:
    """Describe a model: its card, and that of each of its weights.

    Parameters
    ----------
    model
        <task>/<name>, as `models list` gives it.
    json
        Print it as JSON.
    """
    from vidwright.models import card, weights_path
    from vidwright.weights.store import read_header

    page = card(model)
    weights: dict[str, dict[str, Any]] = {}
    for name in page.weights:
        path = weights_path(model, name)
        assert path is not None
        weights[name] = {"sha256": sha256(path), "bytes": path.stat().st_size, **read_header(path)}
    facts = {"task": page.task, "summary": page.summary, "paper": page.paper, "licence": page.licence}
    if json:
        print(jsonlib.dumps({"schema": 1, "model": model, **facts, "weights": weights}))
        return
    print(model)
    for name, value in facts.items():
        print(f"  {name}: {value}")
    for name, header in weights.items():
        print(f"  weights {name}:")
        for field, value in header.items():
            print(f"    {field}: {value if isinstance(value, (str, int)) else jsonlib.dumps(value)}")


@models.command
def verify(weights: Annotated[list[Path] | None, Parameter(name="FILE", negative=())] = None, /) -> None:
    """Check weights: format, card or family, names, shapes, finite values. All shipped ones if none is named.

    Parameters
    ----------
    weights
        Safetensors files.
    """
    from torch import nn

    from vidwright.models import card, load, names, weights_path
    from vidwright.weights.foreign import identify

    paths = weights or [weights_path(name, each) for name in names() for each in card(name).weights]
    for path in paths:
        assert path is not None
        model = identify(path).get("model")
        if not isinstance(model, str):
            raise ModelRefused(path, "its card names no model", "use a weights file written by vidwright")
        load(model, path, kind=nn.Module, device="cpu")
        print(f"{path}: ok, {model}, sha256 {sha256(path)}")


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of `doctor`: a check, what it found, and what to do if that is bad."""

    name: str
    found: str
    fix: str = ""


def doctor(*, json: Json = False) -> int:
    """Check this machine and this installation; one fix for each problem. Exit code 1 if there is any.

    Parameters
    ----------
    json
        Print it as JSON.
    """
    findings = [_checked(name, check) for name, check in _CHECKS.items()]
    if json:
        print(jsonlib.dumps({"schema": 1, "findings": [asdict(finding) for finding in findings]}))
    else:
        for finding in findings:
            print(f"{'FIX ' if finding.fix else 'ok  '} {finding.name:12} {finding.found}")
            if finding.fix:
                print(f"     {'':12} -> {finding.fix}")
    return int(any(finding.fix for finding in findings))


def _checked(name: str, check: Callable[[], tuple[str, str]]) -> Finding:
    try:
        return Finding(name, *check())
    except (VidwrightError, OSError, RuntimeError, ImportError) as error:
        return Finding(name, " ".join(str(error).split()), "reinstall: python3 tools/bootstrap.py venv")


def _versions() -> tuple[str, str]:
    import torch

    parts = {
        "vidwright": __version__,
        "Python": platform.python_version(),
        "torch": torch.__version__,
        "PyAV": version("av"),
    }
    return ", ".join(f"{name} {version}" for name, version in parts.items()), ""


def _processor() -> tuple[str, str]:
    from vidwright.models import resolve_device, resolve_dtype

    device = resolve_device("auto")
    arithmetic = str(resolve_dtype("auto", device)).removeprefix("torch.")
    return f"{os.cpu_count()} cores, device {device}, arithmetic {arithmetic}", ""


def _encoders() -> tuple[str, str]:
    from vidwright.io.codecs import CODECS, missing_encoders

    missing = missing_encoders()
    found = ", ".join(codec.encoder for codec in CODECS.values() if codec.encoder not in missing)
    return found, f"this PyAV lacks {', '.join(missing)}: install the wheel of PyAV" if missing else ""


def _disk() -> tuple[str, str]:
    with tempfile.TemporaryFile() as probe_file:
        probe_file.write(b"\0")
    free = shutil.disk_usage(tempfile.gettempdir()).free
    return f"{size(free)} free in {tempfile.gettempdir()}", "free some space" if free < 10**9 else ""


def _self_test() -> tuple[str, str]:
    """A tiny picture or two through every model that can run without weights from elsewhere, and a file written."""
    import torch
    from torch import nn

    from vidwright.core import Frame, Video, VideoInfo
    from vidwright.io import open_video, save_video
    from vidwright.models import card, load, names
    from vidwright.models.compress import postfilter
    from vidwright.nn.model import CompletionModel, FrameModel, InterpolationModel

    random = torch.Generator().manual_seed(0)
    clip = [Frame(torch.rand(3, 24, 24, generator=random), Fraction(time)) for time in range(4)]
    first, second = clip[:2]

    def made(net: Any) -> list[Frame]:
        if isinstance(net, FrameModel):
            return list(net.stream([first]))[:: net.needs.rate]
        if isinstance(net, InterpolationModel):
            return net.between(first, second, [Fraction(1, 2)])
        if isinstance(net, CompletionModel):
            unknown_1T1HW = torch.ones(1, 3, 1, 24, 24, dtype=torch.bool)
            return [first.with_data(net(first.data.expand(1, 3, -1, -1, -1), unknown_1T1HW)[0])]
        if isinstance(net, postfilter.Net):
            return [first.with_data(_filtered(net, 255 * first.data[0]).expand(3, -1, -1))]
        asked = inspect.signature(net.sample).parameters.values()  # some generators make nothing of nothing
        given = {each.name: clip for each in asked if each.default is each.empty and each.name in ("clip", "like")}
        return list(net.sample(length=1, size=(24, 24), seed=0, **given))

    pages = {name: card(name) for name in names()}
    ready = [name for name, page in pages.items() if page.weights or not list(page.build(page.config()).parameters())]
    for name in ready:
        frames = made(load(name, kind=nn.Module, device="cpu"))
        if len(frames) != 1 or not bool(torch.isfinite(frames[0].data).all()):
            return f"{name} gives wrong frames", "reinstall the package"
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "test.mp4"
        save_video(Video(VideoInfo(24, 24, Fraction(25), Fraction(1, 25)), lambda: iter([first])), path)
        count = sum(1 for _ in open_video(path))
    return f"{len(ready)} models run, a file was written and read", "" if count == 1 else "reinstall PyAV"


def _filtered(net: Any, y_HW: Any) -> Any:
    """What a post-filter adds to a still of luma."""
    from vidwright.data.neighbours import Place, Seen

    still = Seen((y_HW, y_HW[::2, ::2], y_HW[::2, ::2]), None)
    return net(Place([still] * 3, [1.0] * 3), 0, net.config.codecs[0])


_CHECKS: dict[str, Callable[[], tuple[str, str]]] = {
    "versions": _versions,
    "processor": _processor,
    "encoders": _encoders,
    "disk": _disk,
    "self-test": _self_test,
}


def _plain(value: object) -> str:
    return str(value)
