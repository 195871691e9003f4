"""Optical flow: dense inverse search, "Fast optical flow using dense inverse search", ECCV 2016, as OpenCV has it.

Shape suffixes: B batch, C channels, H rows, W columns, 2 is (dx, dy) in pixels.
"""

from __future__ import annotations

from typing import Literal

import cv2
import numpy as np
import torch
from torch import Tensor

from vidwright.core.overlap import spread

#: Flow is found at no more lines than this: at full size it is slower and, on fast motion, worse.
LINES = 240
#: Weights of R'G'B' in the luma of BT.601.
LUMA = (0.299, 0.587, 0.114)
#: The coarsest picture in which the search finds whole patches.
_SMALLEST = 32

#: How thorough the search is: "fast" ends at a quarter of the resolution. "medium" ends at half of it, in four times as
#: long; "light" does so by fewer patches, shorter descents and less smoothing, in about twice as long.
Preset = Literal["fast", "light", "medium"]


def optical_flow(first_CHW: Tensor, second_CHW: Tensor, *, lines: int = LINES, preset: Preset = "medium") -> Tensor:
    """Flow (2, H, W) in fp32 from the first picture to the second: first(p) is about second(p + flow(p)).

    Pictures are (1 or more, H, W) of one size, floating point in [0, 1]; channels past the third are not looked at.
    They are shrunk to at most `lines` rows for the search; the flow has their own size and lies on the CPU. Raises
    `ValueError` when shapes differ or they are of integers.
    """
    if first_CHW.shape != second_CHW.shape or first_CHW.ndim != 3:
        raise ValueError(f"flow needs two (C, H, W) of one size: {tuple(first_CHW.shape)}, {tuple(second_CHW.shape)}")
    if not (first_CHW.is_floating_point() and second_CHW.is_floating_point()):
        raise ValueError(f"flow needs floating-point pictures in [0, 1], got {first_CHW.dtype} and {second_CHW.dtype}")
    height, width = first_CHW.shape[-2:]
    rows, columns = small_size(height, width, lines)
    small = [small_grey(picture_CHW, (rows, columns)) for picture_CHW in (first_CHW, second_CHW)]
    small_HW2 = flow_between(*small, preset=preset).permute(1, 2, 0).numpy()
    flow_HW2 = cv2.resize(small_HW2, (width, height), interpolation=cv2.INTER_LINEAR)
    flow_HW2 = flow_HW2 * np.array([width / columns, height / rows], dtype=np.float32)
    return torch.from_numpy(flow_HW2).permute(2, 0, 1).contiguous()


def flow_between(first_HW: Tensor, second_HW: Tensor, *, preset: Preset = "medium") -> Tensor:
    """Flow (2, H, W) fp32 from one grey picture, uint8, to another as large; the search needs 32 rows and columns."""
    flow_HW2 = _search(preset).calc(first_HW.numpy(), second_HW.numpy(), None)  # pyright: ignore[reportArgumentType, reportCallIssue]
    return torch.from_numpy(flow_HW2).permute(2, 0, 1)


def small_size(height: int, width: int, lines: int = LINES) -> tuple[int, int]:
    """Rows and columns in which motion is looked for: at most `lines` rows, in the picture's shape."""
    scale = min(lines / height, 1.0)
    return max(round(height * scale), _SMALLEST), max(round(width * scale), _SMALLEST)


def optical_flows(first_BCHW: Tensor, second_BCHW: Tensor, *, preset: Preset = "medium") -> Tensor:
    """`optical_flow` of each picture of a batch, (B, 2, H, W) fp32 on the batch's own device.

    By as many threads as torch works with: on an accelerator the search would else be what training waits for.
    """
    pairs = zip(*(batch_BCHW.detach().float().cpu() for batch_BCHW in (first_BCHW, second_BCHW)), strict=True)
    threads = min(torch.get_num_threads(), len(first_BCHW))
    flows = spread(lambda pair: optical_flow(*pair, preset=preset), pairs, threads=threads)
    return torch.stack(list(flows)).to(first_BCHW.device)


def _search(preset: Preset) -> cv2.DISOpticalFlow:
    if preset == "fast":
        return cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_FAST)
    search = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    if preset == "light":
        search.setPatchStride(4)
        search.setGradientDescentIterations(12)
        search.setVariationalRefinementIterations(2)
    return search


def small_grey(picture_CHW: Tensor, size: tuple[int, int]) -> Tensor:
    """8-bit luma of `size` (H, W), as motion is looked for on.

    It is 0.1 dB better for interpolation than the mean of R'G'B', because green is what codecs keep best.
    """
    seen_CHW = picture_CHW[:3].detach().float()
    weights_C = LUMA if len(seen_CHW) == len(LUMA) else [1 / len(seen_CHW)] * len(seen_CHW)
    with torch.autocast(seen_CHW.device.type, enabled=False):  # codes of bf16 would be whole steps apart
        grey_HW = torch.einsum("chw,c->hw", seen_CHW, seen_CHW.new_tensor(weights_C)).clamp(0, 1).mul(255).cpu().numpy()
    shrinking = size[0] * size[1] < grey_HW.size
    way = cv2.INTER_AREA if shrinking else cv2.INTER_LINEAR
    resized_HW = cv2.resize(grey_HW, (size[1], size[0]), interpolation=way)
    return torch.from_numpy(np.rint(resized_HW).astype(np.uint8))
