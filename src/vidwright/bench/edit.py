"""Ways of filling holes, side by side on natural clips: how near to the truth they come, and how steady they are.

In each clip holes of every kind are cut and painted grey, and all ways fill them in turn, in this process and on one
thread: so their times are met by the same machine in the same mood. Figures are of hidden pixels alone.

Shapes: T frames, C = 3 channels, H height, W width, 2 is (dx, dy) in pixels; N pixels.
"""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from vidwright import models
from vidwright.bench.enhance import one_thread
from vidwright.bench.fillers import FILLERS, Way, network_alone
from vidwright.bench.holes import KINDS, revealed
from vidwright.bench.natural import Clip
from vidwright.core import Frame
from vidwright.jobs.fill import Filler
from vidwright.jobs.puts import COMPLETION
from vidwright.metrics.psnr import psnr
from vidwright.metrics.ssim import WINDOW, similarity
from vidwright.metrics.warping_error import unoccluded, warping_error
from vidwright.nn.model import CompletionModel
from vidwright.train.excerpts import RATE, as_bytes, as_frames
from vidwright.vision.flow import optical_flow

#: The rows that are ours: with the network that invents, with Telea in its place, and that network by itself.
OURS, PLAIN, ALONE = "ours", "ours, no network", "network alone"
#: What is there of a hole before it is filled.
GREY = 127
#: Of all holes.
SEED = 0
#: The least part of a clip's hidden pixels that has a figure of its own: that of a few pixels is mere chance.
LEAST = 0.01


@dataclass(frozen=True, slots=True)
class Score:
    """How one way filled one kind of hole in one clip.

    `psnr` in dB is of the squared error over all hidden pixels of all frames, `revealed` and `never` over those that
    the clip shows at another time and the others, None where there are next to none; `ssim` is the mean of SSIM's map
    there, None without a whole window. `warping` is the warping error there along the truth's motion, for values in
    [0, 1], and `truth` the truth's own; None where nothing hidden is seen twice. `seconds` of processor time and `wall`
    are per frame; `touched` counts pixels outside of the holes that are not as they were.
    """

    clip: str
    motion: str
    kind: str
    method: str
    psnr: float
    revealed: float | None
    never: float | None
    ssim: float | None
    warping: float | None
    truth: float | None
    seconds: float
    wall: float
    touched: int


@dataclass(frozen=True, slots=True, eq=False)
class Cell:
    """One kind of hole in one clip: what went in and what came out of each way, uint8 (T, 3, H, W)."""

    clip: Clip
    kind: str
    masks: Tensor
    source: Tensor
    outputs: Mapping[str, Tensor]
    scores: tuple[Score, ...]


#: Flow (2, H, W) of each step of a clip, and where it is to be believed, (H, W).
Flows = Sequence[tuple[Tensor, Tensor]]


def completion() -> CompletionModel:
    """The network that invents, with the weights that are in the package."""
    return models.load(COMPLETION, kind=CompletionModel, device="cpu")


def fillers(network: CompletionModel) -> dict[str, Way]:
    """All ways of filling by name, baselines first."""
    return {**FILLERS, ALONE: network_alone(network), PLAIN: ours(None), OURS: ours(network)}


def ours(network: CompletionModel | None) -> Way:
    """What `edit` does, told of the holes frame by frame."""

    def filled(frames_TCHW: Tensor, masks_THW: Tensor) -> Tensor:
        def opacity(frame: Frame) -> Tensor:
            return masks_THW[int(frame.time * RATE)].float()

        return as_bytes(Filler(network).stream(as_frames(frames_TCHW), opacity))

    return filled


def cells(clips: Sequence[Clip], ways: Mapping[str, Way], kinds: Iterable[str] = KINDS) -> Generator[Cell]:
    """Every kind of hole in every clip, as they are done; on one thread. The object comes from the next clip."""
    with one_thread():
        for number, clip in enumerate(clips):
            flows = motion(clip.frames)
            for kind in kinds:
                masks_THW = KINDS[kind](clip, clips[(number + 1) % len(clips)], SEED + number)
                yield _cell(clip, kind, masks_THW, ways, flows)


def _cell(clip: Clip, kind: str, masks_THW: Tensor, ways: Mapping[str, Way], flows: Flows) -> Cell:
    source = torch.where(masks_THW[:, None], GREY, clip.frames)
    seen_THW = revealed(masks_THW, clip.cameras)
    truth = warping(clip.frames, masks_THW, flows)
    seen_THW, never_THW = (
        part_THW & (part_THW.sum() >= LEAST * masks_THW.sum()) for part_THW in (seen_THW, masks_THW & ~seen_THW)
    )
    outputs: dict[str, Tensor] = {}
    scores: list[Score] = []
    for name, fills in ways.items():
        began, wall = time.process_time(), time.monotonic()
        output = fills(source, masks_THW)
        spent = time.process_time() - began, time.monotonic() - wall
        scores.append(
            Score(
                clip=clip.name,
                motion=clip.motion,
                kind=kind,
                method=name,
                psnr=decibels(output, clip.frames, masks_THW) or math.inf,
                revealed=decibels(output, clip.frames, seen_THW),
                never=decibels(output, clip.frames, never_THW),
                ssim=similarity_inside(output, clip.frames, masks_THW),
                warping=warping(output, masks_THW, flows),
                truth=truth,
                seconds=spent[0] / len(output),
                wall=spent[1] / len(output),
                touched=int(((output != clip.frames).any(1) & ~masks_THW).sum()),
            )
        )
        outputs[name] = output
    return Cell(clip, kind, masks_THW, source, outputs, tuple(scores))


def decibels(output_TCHW: Tensor, target_TCHW: Tensor, masks_THW: Tensor) -> float | None:
    """PSNR of the pixels of all masks together, in dB, uint8; infinite where they are equal, None without any."""
    output_N3, target_N3 = (x_TCHW.movedim(1, -1)[masks_THW] for x_TCHW in (output_TCHW, target_TCHW))
    return psnr(output_N3, target_N3, peak=255.0) if len(output_N3) else None


def similarity_inside(output_TCHW: Tensor, target_TCHW: Tensor, masks_THW: Tensor) -> float | None:
    """Mean of SSIM's map, over channels, at the pixels of all masks whose windows lie in the picture; None for lack."""
    margin, total, pixels = WINDOW // 2, 0.0, 0
    height, width = masks_THW.shape[1:]
    for output_CHW, target_CHW, mask_HW in zip(output_TCHW, target_TCHW, masks_THW, strict=True):
        inner_HW = mask_HW[margin : height - margin, margin : width - margin]
        rows, columns = (inner_HW.any(axis).nonzero().flatten() for axis in (1, 0))
        if not len(rows):
            continue
        top, left = int(rows[0]), int(columns[0])  # of the windows that are looked at, and so of the part's corner
        bottom, right = int(rows[-1]) + 1, int(columns[-1]) + 1
        part = (slice(None), slice(top, bottom + 2 * margin), slice(left, right + 2 * margin))
        luminance, structure = similarity(output_CHW[part], target_CHW[part], peak=255.0)
        inside_HW = inner_HW[top:bottom, left:right]
        total += float((luminance * structure).mean(0)[inside_HW].sum(dtype=torch.float64))
        pixels += int(inside_HW.sum())
    return total / pixels if pixels else None


def motion(frames_TCHW: Tensor) -> Flows:
    """The flow of each step of a clip, and where its pixels are seen in the next frame too."""
    found: list[tuple[Tensor, Tensor]] = []
    for first_CHW, second_CHW in itertools.pairwise(frames_TCHW.float() / 255):
        forward_2HW = optical_flow(first_CHW, second_CHW)
        found.append((forward_2HW, unoccluded(forward_2HW, optical_flow(second_CHW, first_CHW))))
    return found


def warping(frames_TCHW: Tensor, masks_THW: Tensor, flows: Flows) -> float | None:
    """Mean over steps of the warping error inside of the holes; None when nothing there is seen twice."""
    pairs = itertools.pairwise(frames_TCHW.float() / 255)
    errors = [
        warping_error(*pair, flow_2HW, visible_HW & mask_HW)
        for pair, mask_HW, (flow_2HW, visible_HW) in zip(pairs, masks_THW, flows, strict=False)
    ]
    found = [error for error in errors if error is not None]
    return math.fsum(found) / len(found) if found else None
