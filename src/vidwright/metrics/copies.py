"""Whether frames that are to be new are those of the clip they were made from.

Shapes: T frames of a result, K frames of the clip, C channels, H height, W width.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor
from torch.nn import functional as F

#: Frames are compared at so many lines: a copy is one at any size, and noise of a codec makes none new.
LINES = 64


def thumbnails(frames_CHW: Iterable[Tensor], size: tuple[int, int] | None = None) -> Tensor:
    """Frames as `copied` compares them, (T, C, h, w): of `size`, or of so many lines in the first one's shape."""
    made: list[Tensor] = []
    for frame_CHW in frames_CHW:
        height, width = frame_CHW.shape[-2:]
        scale = min(LINES / height, 1)
        size = size or (max(round(height * scale), 1), max(round(width * scale), 1))
        made += F.interpolate(frame_CHW[None], size=size, mode="bilinear", antialias=True, align_corners=False)
    return torch.stack(made)


def copied(made_TCHW: Tensor, clip_KCHW: Tensor) -> list[int]:
    """The frames that are nearer to a frame of the clip than half way to its neighbour, by their number.

    Of one size. In a clip where nothing moves only the same picture is a copy.
    """
    if len(clip_KCHW) < 2:
        raise ValueError("it takes two frames to be neighbours")
    near = float((clip_KCHW[1:] - clip_KCHW[:-1]).square().flatten(1).mean(dim=1).median())
    far_TK = torch.stack([(clip_KCHW - made).square().flatten(1).mean(dim=1) for made in made_TCHW])
    return [n for n, far in enumerate(far_TK.min(dim=1).values.tolist()) if far <= max(near / 4, 1e-6)]
