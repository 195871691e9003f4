"""Whether a video is made of the matter of a clip, and of all of it: bidirectional similarity, Simakov et al. 2008.

Shapes: T and K frames, C channels, H height, W width; N patches of P values.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

#: Frames, rows and columns of a patch; videos are compared at so many lines.
PATCH, LINES = (3, 7, 7), 36
#: Patches that look for their nearest, spread over the video.
ASKED = 2000


def coherence(made_TCHW: Tensor, clip_KCHW: Tensor) -> float:
    """Mean squared error per value of patches of `made` from the nearest of the clip; 0 if all is from there.

    Raises `ValueError` for less than a patch.
    """
    return _apart(_patches(made_TCHW), _patches(clip_KCHW))


def completeness(made_TCHW: Tensor, clip_KCHW: Tensor) -> float:
    """Mean squared error per value of the clip's patches from the nearest of `made`; 0 if nothing is left out."""
    return coherence(clip_KCHW, made_TCHW)


def _patches(video_TCHW: Tensor) -> Tensor:
    height, width = video_TCHW.shape[-2:]
    scale = min(LINES / height, 1)
    size = (round(height * scale), round(width * scale))
    small_TCHW = F.interpolate(video_TCHW.float(), size=size, mode="bilinear", antialias=True, align_corners=False)
    if any(side < least for side, least in zip((len(small_TCHW), *size), PATCH, strict=True)):
        raise ValueError(f"{len(small_TCHW)} frames of {size[1]}x{size[0]} have no patch of {PATCH}")
    patches = small_TCHW.permute(0, 2, 3, 1)
    for axis, side in enumerate(PATCH):
        patches = patches.unfold(axis, side, 1)
    return patches.flatten(0, 2).flatten(1)


def _apart(asked_NP: Tensor, known_MP: Tensor) -> float:
    asked_NP = asked_NP[:: max(len(asked_NP) // ASKED, 1)]
    known_M = known_MP.square().sum(dim=1)
    least: list[Tensor] = []
    for part_NP in asked_NP.split(256):
        nearest_N = torch.addmm(known_M, part_NP, known_MP.T, alpha=-2).argmin(dim=1)
        # Anew from the differences, because products round what is nearly nothing.
        least.append((known_MP[nearest_N] - part_NP).square().mean(dim=1))
    return float(torch.cat(least).double().mean())
