"""How a frame differs from what lies behind it, which is found from other frames by following the camera.

    picture --minus the median of its neighbours, aligned by the camera's motion--> residual

Whatever stands still for long becomes a part of its background and has no residual.

Shapes: C = 3 channels, H rows, W columns of a small picture; masks are bool (H, W).
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import torch
from torch import Tensor

from vidwright.vision import masks
from vidwright.vision.camera import chained, places

#: Rows of the pictures that are looked at.
LINES = 180
#: How far away the frames are that the background is taken from, on either side.
OFFSETS = (3, 6, 10, 14, 19, 24)
#: A residual, in code values of 255, that means something: at least, and in medians of the whole picture's.
LEAST, TIMES = 10.0, 4.0
#: Parts of a code value that pictures are aligned in, and what stands there for what is not seen.
FINE, UNSEEN = 16, 32767
#: The least median, in code values, that a residual is measured by.
QUIET = 2.0
#: Pixels by which a shadow may miss the thing that it belongs to.
APART = 4
#: Code values by which a shadow may darken one colour more than another.
ALIKE = 40.0


def residual(pictures: Sequence[Tensor], cameras: Sequence[Tensor], at: int) -> Tensor:
    """Picture `at` less its background, (3, H, W) in code values, of pictures of code values; 0 where there is none.

    `cameras` (3, 3) lead from each picture to the next.
    """
    size = (pictures[at].shape[-2], pictures[at].shape[-1])
    ways = chained(cameras, at)
    seen = [_aligned(pictures[at + far], way_33, size) for far, way_33 in ways.items() if abs(far) in OFFSETS]
    return (pictures[at] - _median(seen)).nan_to_num(0) if seen else torch.zeros(3, *size)


def _aligned(picture_CHW: Tensor, way_33: Tensor, size: tuple[int, int]) -> Tensor:
    """A picture as the camera saw it elsewhere, in parts of `FINE`, int16; more than there can be where it did not."""
    x_HW, y_HW = places(way_33, size).numpy()
    codes = (picture_CHW * FINE).round().short().permute(1, 2, 0).contiguous().numpy()
    moved = cv2.remap(codes, x_HW, y_HW, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT, borderValue=(UNSEEN,) * 3)
    return torch.from_numpy(moved).permute(2, 0, 1)


def _median(seen: Sequence[Tensor]) -> Tensor:
    """The median of what was seen, (3, H, W) in code values; the lower of two, and not a number where there is none.

    Sorted by odd-even transposition, whole pictures at a time: a tenth of the time of sorting pixel by pixel.
    """
    sorted_NCHW = torch.stack([*seen])
    for turn in range(len(seen)):
        first, second = sorted_NCHW[turn % 2 : -1 : 2], sorted_NCHW[turn % 2 + 1 :: 2]
        lower, upper = torch.minimum(first, second), torch.maximum(first, second)
        first.copy_(lower)
        second.copy_(upper)
    count_1CHW = (sorted_NCHW <= 255 * FINE).sum(0, keepdim=True)
    middle_CHW = sorted_NCHW.gather(0, (count_1CHW - 1).clamp(min=0) // 2)[0] / FINE
    return torch.where(count_1CHW[0] > 0, middle_CHW, torch.nan)


def unlike(residual_CHW: Tensor) -> Tensor:
    """How much each pixel differs from its background, (H, W), as the logarithm of times of the picture's median."""
    off_HW = torch.from_numpy(cv2.blur(residual_CHW.abs().amax(0).numpy(), (3, 3)))
    return (off_HW / max(float(off_HW.median()), QUIET)).log1p()


def moving(residual_CHW: Tensor) -> Tensor:
    """Where a residual is more than noise."""
    off_HW = residual_CHW.abs().amax(0)
    return masks.cleaned(off_HW > max(LEAST, TIMES * float(off_HW.median())), 2)


def shadowed(residual_CHW: Tensor, moving_HW: Tensor) -> Tensor:
    """Where what moves only makes its background darker, all colours of it alike."""
    return moving_HW & (residual_CHW.amax(0) < 0) & (residual_CHW.amax(0) - residual_CHW.amin(0) < ALIKE)


def with_shadow(mask_HW: Tensor, shadowed_HW: Tensor) -> Tensor:
    """A mask and the shadow that touches it, up to as far away as the thing is large."""
    reach = float(mask_HW.sum()) ** 0.5
    near_HW = masks.grown(mask_HW, reach) & shadowed_HW
    return mask_HW | masks.touching(near_HW, masks.grown(mask_HW, APART))
