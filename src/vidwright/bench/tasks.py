"""The tasks of `bench enhance`: what each degrades, how it scores, and which rows need no weights.

The protocols are those by which models are validated while they learn: `train/upscaling.py` and its neighbours.

Shapes: T frames, C channels, H height, W width.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from torch import Tensor, nn

from vidwright.bench.baselines import (
    DENOISERS,
    MINTERPOLATE,
    RATE,
    Restore,
    between,
    bicubic_enlarged,
    bob,
    by_fields,
    by_filter,
    by_minterpolate,
    lanczos_enlarged,
    unchanged,
)
from vidwright.data.fields import weave
from vidwright.io.filters import bwdif
from vidwright.nn.model import FrameModel, InterpolationModel
from vidwright.train.cleaning import CODED, DAMAGES, cleaned, quality
from vidwright.train.excerpts import FRAMES
from vidwright.train.interpolation import FRAMES as LONG
from vidwright.train.interpolation import blend, dis_warp, hold, mean_psnr_rgb
from vidwright.train.upscaling import SHRINKS, enlarge, mean_psnr_y

#: The row that does nothing.
INPUT = "input"

#: Noise of `train/cleaning.py` in code values, which FFmpeg's filters are told and models are not.
SIGMAS = {"sigma25": 25, "sigma10": 10}


@dataclass(frozen=True, slots=True)
class Task:
    """One task: uint8 frames (T, 3, H, W) of a clip are degraded, restored, and compared with `target` of them.

    `columns` are the ways of degrading, of which the first is that of papers; the mean over `grid` is a figure of its
    own. `score` gives the `metric` in dB of output and target. `restore` turns a network into a way of doing the task,
    or gives None where the network is for another; `job` are the fields of `Enhance` by which a model of that name does
    it. An excerpt has `frames` frames, `fewest` for a quick look.

    Among the `baselines`, gains and speeds are told over `baseline`, flicker over `steady`, and no clip may fall below
    `floor`. `moving` leaves out recordings of screens.
    """

    name: str
    metric: str
    columns: Mapping[str, Callable[[Tensor], Tensor]]
    baselines: Mapping[str, Restore]
    restore: Callable[[nn.Module], Restore | None]
    job: Callable[[str], Mapping[str, Any]]
    score: Callable[[Tensor, Tensor], float]
    baseline: str
    floor: str
    steady: str
    grid: tuple[str, ...] = ()
    target: Callable[[Tensor], Tensor] = unchanged
    frames: int = FRAMES
    fewest: int = 2
    moving: bool = False


def _same_size(model: str) -> Mapping[str, Any]:
    return {"model": model, "scale": 1}


def _upscaling(scale: int) -> Task:
    def restore(net: nn.Module) -> Restore | None:
        fits = isinstance(net, FrameModel) and net.needs.scale == scale and net.needs.rate == 1
        return partial(enlarge, net) if fits else None

    def shrinking(name: str) -> Restore:
        return lambda x_TCHW: SHRINKS[name](x_TCHW, scale)

    return Task(
        name=f"x{scale}",
        metric="PSNR of luma without a 4-pixel border",
        columns={name: shrinking(name) for name in SHRINKS},
        baselines={
            "bicubic": partial(bicubic_enlarged, scale=scale),
            "lanczos": partial(lanczos_enlarged, scale=scale),
        },
        restore=restore,
        job=lambda model: {"model": model, "scale": scale},
        score=mean_psnr_y,
        baseline="lanczos",
        floor="bicubic",
        steady="lanczos",
        grid=tuple(name for name in SHRINKS if "crf" not in name),
    )


def _cleaning(damage: str, name: str) -> Task:
    """Whatever `train/cleaning.py` did to the clip, by a model that is not told what it was."""

    def restore(net: nn.Module) -> Restore | None:
        fits = isinstance(net, FrameModel) and net.needs.scale == net.needs.rate == 1
        return partial(cleaned, net) if fits else None

    sigma = SIGMAS.get(damage)
    filters = {filter: partial(by_filter, graph=graphs[sigma]) for filter, graphs in DENOISERS.items() if sigma}
    return Task(
        name=name,
        metric="PSNR of luma" if damage in CODED else "PSNR of R'G'B'",
        columns={damage: DAMAGES[damage]},
        baselines={INPUT: unchanged, **filters},
        restore=restore,
        job=_same_size,
        score=partial(quality, damage),
        baseline="nlmeans" if sigma else INPUT,
        floor=INPUT,
        steady=INPUT,
    )


def _interpolation() -> Task:
    def restore(net: nn.Module) -> Restore | None:
        return partial(between, net.between) if isinstance(net, InterpolationModel) else None

    return Task(
        name="interpolation",
        metric="PSNR of R'G'B'",
        columns={"every second": lambda x_TCHW: x_TCHW[::2]},
        target=lambda x_TCHW: x_TCHW[1::2],
        baselines={
            "hold": partial(between, hold),
            "blend": partial(between, blend),
            "DIS warp": partial(between, dis_warp),
            **{name: partial(by_minterpolate, settings=settings) for name, settings in MINTERPOLATE.items()},
        },
        restore=restore,
        job=lambda model: {"scale": 1, "fps": str(2 * RATE)},
        score=mean_psnr_rgb,
        baseline="DIS warp",
        floor="blend",
        steady="DIS warp",
        frames=LONG,
        fewest=5,
        moving=True,
    )


def _deinterlacing() -> Task:
    def restore(net: nn.Module) -> Restore | None:
        return partial(by_fields, net.stream) if isinstance(net, FrameModel) and net.needs.rate == 2 else None

    return Task(
        name="deinterlacing",
        metric="PSNR of luma without a 4-pixel border",
        columns={"fields": weave},
        baselines={"bob": bob, "bwdif": partial(by_fields, partial(bwdif, rate=RATE))},
        restore=restore,
        job=_same_size,
        score=mean_psnr_y,
        baseline="bwdif",
        floor="bob",
        steady="bwdif",
        fewest=4,
    )


def tasks() -> dict[str, Task]:
    """All tasks by name."""
    every = [
        _upscaling(2),
        _upscaling(4),
        _cleaning("sigma25", "denoise-s25"),
        _cleaning("sigma10", "denoise-s10"),
        _cleaning("crf37", "deblock"),
        _cleaning("crf15", "clean"),
        _interpolation(),
        _deinterlacing(),
    ]
    return {task.name: task for task in every}
