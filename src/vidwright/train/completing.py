"""How well a completion network makes what a hole hides, where no frame shows it.

Of each excerpt of `train/excerpts.py` three frames, `SPACING` apart, lose the same place to a hole of each kind. The
middle one is completed and rounded to 8 bits; what counts is PSNR of R'G'B' inside of the hole, less that of Telea's
inpainting. Holes are the same for a size of picture, whatever the clip.

Shapes: B batch, T = 3 frames, C channels, H height, W width.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vidwright.data.degrade import to_bytes
from vidwright.data.holed import hidden
from vidwright.data.holes import KINDS, hole
from vidwright.data.seeding import generator
from vidwright.metrics.psnr import mse
from vidwright.vision.align import aligned, cameras

#: The middle frame of an excerpt that is completed, and how many frames away its neighbours are.
MIDDLE, SPACING = 4, 3

#: How much of the picture a hole covers: about 40 to 90 pixels across in 480x270.
AREAS = (0.02, 0.05)

#: The least mean squared error that is told from none, in code values: 48 dB.
LEAST_ERROR = 1.0

#: Holes better than this mean squared error (35 dB) count less and less in the loss.
MSE_FLOOR = 10**-3.5

#: Pixels a side of the squares that are compared with their neighbours.
SCALES = (1, 2, 4)

#: Seed of the holes.
HOLE_SEED = 7


@dataclass(frozen=True, slots=True)
class Puzzle:
    """Three `seen` frames, uint8 (T, 3, H, W), pre-filled where `unknown`, bool (T, 1, H, W), and the middle's `truth`.

    `kind` is that of the hole.
    """

    kind: str
    seen: Tensor
    unknown: Tensor
    truth: Tensor


def puzzles(excerpt_TCHW: Tensor) -> Iterator[Puzzle]:
    """One puzzle for each kind of hole and each of `AREAS`, of an excerpt, uint8 (8, 3, H, W)."""
    near = slice(MIDDLE - SPACING, MIDDLE + SPACING + 1, SPACING)
    size = (excerpt_TCHW.shape[-2], excerpt_TCHW.shape[-1])
    frames_TCHW = excerpt_TCHW[near]
    clear_TCHW, inside_T1HW = aligned(frames_TCHW, cameras(frames_TCHW), size)
    for number, kind in enumerate(KINDS):
        for part, area in enumerate(AREAS):
            hole_11HW = hole(kind, size, area, generator(HOLE_SEED, number, part))
            unknown_T1HW = hole_11HW | ~inside_T1HW
            yield Puzzle(kind, hidden(clear_TCHW, unknown_T1HW), unknown_T1HW, clear_TCHW[1])


@torch.inference_mode()
def completed(net: nn.Module, puzzle: Puzzle) -> Tensor:
    """The middle frame of a puzzle as the network makes it, uint8 (3, H, W)."""
    device = next(net.parameters()).device
    made_BCHW = net(puzzle.seen[None].to(device).float() / 255, puzzle.unknown[None].to(device))
    return to_bytes(made_BCHW[0].cpu() * 255)


def gained(output_CHW: Tensor, puzzle: Puzzle) -> float:
    """PSNR in dB inside of the hole, of a completed middle frame less that of what it was pre-filled with."""
    before, after = (psnr_inside(x_CHW, puzzle.truth, puzzle.unknown[1]) for x_CHW in (puzzle.seen[1], output_CHW))
    return after - before


def psnr_inside(output_CHW: Tensor, truth_CHW: Tensor, where_1HW: Tensor) -> float:
    """PSNR in dB of uint8 pictures at some of their pixels; what is as good as exact has 48 dB."""
    error = mse(output_CHW[:, where_1HW[0]], truth_CHW[:, where_1HW[0]])
    return 10 * math.log10(255**2 / max(error, LEAST_ERROR))


def losses(made_BCHW: Tensor, truth_BCHW: Tensor, counted_B1HW: Tensor) -> dict[str, Tensor]:
    """What a network that completes is to make small, of pixels that count: "hole" and "edges".

    "hole" is the mean over samples of ln(MSE + floor), so that easy and hard ones count alike; "edges" is the mean
    absolute error of differences between neighbours, at several scales.
    """
    error_BCHW = (made_BCHW - truth_BCHW) * counted_B1HW
    count_B = 3 * counted_B1HW.flatten(1).sum(dim=1).clamp(min=1)
    hole_B = error_BCHW.square().flatten(1).sum(dim=1) / count_B
    sums = [F.avg_pool2d(error_BCHW, scale) * scale**2 for scale in SCALES]
    changes = [sum_BCHW.diff(dim=dim).abs() for sum_BCHW in sums for dim in (-1, -2)]
    edges_B = torch.stack([change_BCHW.flatten(1).sum(dim=1) / count_B for change_BCHW in changes]).sum(dim=0)
    return {"hole": (hole_B + MSE_FLOOR).log().mean(), "edges": edges_B.mean()}
