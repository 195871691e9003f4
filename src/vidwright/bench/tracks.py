"""How well a region is followed: an object pasted on clips, whose mask is known in every frame.

Shapes: T frames, C = 3 channels, H height, W width.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from vidwright.bench.enhance import one_thread
from vidwright.bench.natural import Clip
from vidwright.data.degrade import to_bytes
from vidwright.data.seeding import generator
from vidwright.jobs.tracking import track
from vidwright.train.excerpts import as_frames
from vidwright.vision.masks import bounds

#: The object's mean radius as a part of the picture's height, how much its outline swings, and in how many waves.
RADIUS, SWING, WAVES = 1 / 6, 0.12, (2, 3, 5)


@dataclass(frozen=True, slots=True)
class Tracked:
    """Mean IoU of a tracked mask with the truth: from a `box` around it in the first frame, and with one frame more.

    That one, `corrected`, is where the first try was worst; its mask is then given, and it is left out of the mean.
    """

    clip: str
    motion: str
    box: float
    corrected: float


def tracked(clip: Clip, other: Clip, seed: int) -> Tracked:
    """Follow an object cut out of `other` over `clip`."""
    frames_TCHW, truth_THW = pasted(clip, other, seed)
    keys = {0: bounds(truth_THW[0])}
    with one_thread():
        first_T = overlap(_masks(frames_TCHW, keys), truth_THW)
        worst = int(first_T.argmin())
        keys[worst] = truth_THW[worst]
        second_T = overlap(_masks(frames_TCHW, keys), truth_THW)
    second_T = torch.cat([second_T[:worst], second_T[worst + 1 :]])
    return Tracked(clip.name, clip.motion, float(first_T.mean()), float(second_T.mean()))


def pasted(clip: Clip, other: Clip, seed: int) -> tuple[Tensor, Tensor]:
    """A clip with an object in it, uint8 (T, 3, H, W), and where that is, bool (T, H, W); it never leaves the picture.

    It is a piece of a frame of `other`, its outline a circle in slow waves, and it crosses the picture in a bow.
    """
    count, _, height, width = clip.frames.shape
    random = generator(seed, 2)
    x_T, y_T = _path(count, (height, width), random)
    masks_THW = _outlines(x_T, y_T, (height, width), random)
    texture_CHW = F.interpolate(other.frames[:1].float(), (height, width), mode="bilinear", antialias=True)[0]
    down_T, across_T = (y_T - height / 2).round().long(), (x_T - width / 2).round().long()
    made: list[Tensor] = []
    for frame_CHW, mask_HW, down, across in zip(clip.frames, masks_THW, down_T, across_T, strict=True):
        share_HW = F.avg_pool2d(mask_HW[None].float(), 3, stride=1, padding=1)[0]  # edges as soft as those of lenses
        object_CHW = texture_CHW.roll((int(down), int(across)), dims=(1, 2))
        made.append(to_bytes(torch.lerp(frame_CHW.float(), object_CHW, share_HW)))
    return torch.stack(made), masks_THW


def overlap(found_THW: Tensor, truth_THW: Tensor) -> Tensor:
    """Intersection over union of two masks, bool, frame by frame: (T,); 1 where both are empty."""
    both_T, either_T = (x_THW.flatten(1).sum(1) for x_THW in (found_THW & truth_THW, found_THW | truth_THW))
    return torch.where(either_T > 0, both_T / either_T.clamp(min=1), 1.0)


def _masks(frames_TCHW: Tensor, keys: Mapping[int, Tensor]) -> Tensor:
    return torch.stack(list(track(as_frames(frames_TCHW), keys)))


def _path(count: int, size: tuple[int, int], random: torch.Generator) -> tuple[Tensor, Tensor]:
    """Where the object's middle is in each frame: from one side to the other half of the way there is, in a bow."""
    height, width = size
    margin = height * RADIUS * (1 + SWING * len(WAVES)) + 1
    start, bow, turned = torch.rand(3, generator=random, dtype=torch.float64).tolist()
    along_T = torch.linspace(start / 2, start / 2 + 0.5, count, dtype=torch.float64)
    x_T = margin + (1 - along_T if turned < 0.5 else along_T) * (width - 1 - 2 * margin)
    y_T = height / 2 + (0.5 - bow) * (height - 1 - 2 * margin) * torch.cos(math.pi * along_T)
    return x_T, y_T


def _outlines(x_T: Tensor, y_T: Tensor, size: tuple[int, int], random: torch.Generator) -> Tensor:
    """Masks of a circle whose radius swings along its rim and in time."""
    x_THW = torch.arange(size[1]) - x_T[:, None, None]
    y_THW = torch.arange(size[0])[:, None] - y_T[:, None, None]
    angle_THW, radius_THW = torch.atan2(y_THW, x_THW), torch.ones(len(x_T), *size, dtype=torch.float64)
    turn_T = torch.linspace(0, math.pi / 2, len(x_T), dtype=torch.float64)[:, None, None]
    for waves in WAVES:
        phase = 2 * math.pi * torch.rand((), generator=random, dtype=torch.float64)
        radius_THW += SWING * torch.cos(waves * angle_THW + phase + turn_T)
    return torch.hypot(x_THW, y_THW) <= size[0] * RADIUS * radius_THW
