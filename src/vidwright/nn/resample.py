"""Classical resampling of pictures and clips.

Shapes: B batch, T frames, C channels, H height, W width.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F


def lanczos(x_BCHW: Tensor, scale: int) -> Tensor:
    """Enlarge by a whole factor with the three-lobed Lanczos kernel, fp32; rings may leave the input's range."""
    return lanczos_to(x_BCHW, (x_BCHW.shape[-2] * scale, x_BCHW.shape[-1] * scale))


def lanczos_to(x_BCHW: Tensor, size: tuple[int, int]) -> Tensor:
    """Resize to `size` (H, W) with the same kernel, which widens where a picture shrinks so that nothing aliases."""
    return F.interpolate(x_BCHW, size=size, mode="lanczos", antialias=True)


def stretched(picture_CHW: Tensor, size: tuple[int, int]) -> Tensor:
    """A picture in [0, 1] of exactly this size (H, W), whatever its shape was; itself if it has it."""
    return picture_CHW if picture_CHW.shape[1:] == size else lanczos_to(picture_CHW[None], size)[0].clamp(0, 1)


def resized(clip_THWC: Tensor, shape: tuple[int, int, int], *, loop: bool = False) -> Tensor:
    """A clip at another size and length: each side by itself, averaged where it shrinks.

    The frames of a loop are two neighbours' mean, wherever it is cut open.
    """
    if tuple(clip_THWC.shape[:3]) == shape:
        return clip_THWC
    frames, height, width = shape
    x_TCHW = clip_THWC.permute(0, 3, 1, 2)
    if (height, width) != tuple(x_TCHW.shape[-2:]):
        x_TCHW = F.interpolate(x_TCHW, size=(height, width), mode="bilinear", antialias=True, align_corners=False)
    if frames != len(x_TCHW) and loop:
        place_T = (torch.arange(frames) + 0.5) * len(x_TCHW) / frames - 0.5
        before_T = place_T.floor()
        share_T111, before_T = (place_T - before_T)[:, None, None, None], before_T.long()
        x_TCHW = torch.lerp(x_TCHW[before_T % len(x_TCHW)], x_TCHW[(before_T + 1) % len(x_TCHW)], share_T111)
    elif frames != len(x_TCHW):
        rows_1CTP = x_TCHW.permute(1, 0, 2, 3).flatten(2)[None]
        size = (frames, rows_1CTP.shape[-1])
        rows_1CTP = F.interpolate(rows_1CTP, size=size, mode="bilinear", antialias=True, align_corners=False)
        x_TCHW = rows_1CTP[0].unflatten(2, (height, width)).permute(1, 0, 2, 3)
    return x_TCHW.permute(0, 2, 3, 1).contiguous()
