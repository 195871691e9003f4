"""Colour put back into grey clips from a single key frame.

Shapes: T frames, C channels, 2 of them chroma, H height, W width.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

import torch
from torch import Tensor

from vidwright.bench.enhance import one_thread
from vidwright.bench.natural import Clip
from vidwright.data.degrade import to_bytes
from vidwright.jobs.propagate import propagated
from vidwright.metrics.psnr import psnr
from vidwright.train.excerpts import as_bytes, as_frames
from vidwright.vision.flow import LUMA

#: Frames on either side of the key frame.
REACH = 16


@dataclass(frozen=True, slots=True)
class Coloured:
    """PSNR in dB of chroma in the frames around a key frame: `grey` as they went in, `ours` as they came out.

    `seconds` of processor time per frame, on one thread.
    """

    clip: str
    motion: str
    grey: float
    ours: float
    seconds: float


def coloured(clip: Clip) -> Coloured:
    """Tell `edit` the colours of the middle frame and have it find those of 16 before and after."""
    middle = len(clip.frames) // 2
    first = max(middle - REACH, 0)
    truth, key = clip.frames[first : middle + REACH + 1], middle - first
    began = time.process_time()
    with one_thread():
        keys = {key: truth[key].float() / 255}
        made = as_bytes(propagated(lambda: as_frames(greyed(truth)), keys, colour=True))
    seconds = (time.process_time() - began) / len(truth)
    asked = torch.arange(len(truth)) != key
    grey, ours = (chroma_psnr(x_TCHW[asked], truth[asked]) for x_TCHW in (greyed(truth), made))
    return Coloured(clip.name, clip.motion, grey, ours, seconds)


def greyed(frames_TCHW: Tensor) -> Tensor:
    """uint8 frames without their colour."""
    return to_bytes(_luma(frames_TCHW.float())).expand_as(frames_TCHW).contiguous()


def chroma_psnr(output_TCHW: Tensor, target_TCHW: Tensor) -> float:
    """PSNR in dB of Cb and Cr together, of BT.601 in full range, for uint8 R'G'B'; infinite for equal ones."""
    return psnr(_chroma(output_TCHW), _chroma(target_TCHW), peak=255.0)


def _chroma(frames_TCHW: Tensor) -> Tensor:
    values_TCHW = frames_TCHW.float()
    differences_T2HW = values_TCHW[:, [2, 0]] - _luma(values_TCHW)
    largest_2 = 2 * (
        1 - torch.tensor([LUMA[2], LUMA[0]])
    )  # of a difference, over the peak: Cb and Cr reach from -0.5 to 0.5
    return differences_T2HW / largest_2[:, None, None]


def _luma(values_TCHW: Tensor) -> Tensor:
    """(T, 1, H, W)."""
    return torch.einsum("tchw,c->thw", values_TCHW, torch.tensor(LUMA))[:, None]
