"""Following what moves by itself through a shot, without weights: by how it differs from what lies behind it.

    picture --minus the median of its neighbours, aligned by the camera's motion--> residual
    mask before --moved along the flow--> about here --and--> what of the residual it touches --> mask

Whatever stands still for long becomes a part of its background and has no residual: then the mask goes on as the flow
moves it, until there is one again.

Shapes: C = 3 channels, H rows, W columns of a small picture; N candidates; masks are bool (H, W).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import cv2
import torch
from torch import Tensor
from torch.nn import functional as F

from vidwright.vision import masks
from vidwright.vision.camera import chained, places
from vidwright.vision.flow import flow_between

#: Rows of the pictures that are looked at.
LINES = 180
#: How far away the frames are that the background is taken from, on either side.
OFFSETS = (3, 6, 10, 14, 19, 24)
#: A residual, in code values of 255, that means something: at least, and in medians of the whole picture's.
LEAST, TIMES = 10.0, 4.0
#: Pixels that the mask may move or grow beside what the flow says.
SLACK = 4
#: With less of its area in the residual, a thing is thought to stand still.
STANDS = 0.25
#: What the residual says counts so much beside how far inside of the mask a pixel lies.
TRUST = 0.5
#: Pixels by which flow may miss what a thing does as a whole, and how many have to be known of it.
OFF, FEWEST = 1.0, 16
#: Pixels by which a mask is moved to fit the residual better, and how much better for each pixel, in parts of its area.
SHIFT, FAR = 3, 0.02
#: Code values by which a shadow may darken one colour more than another.
ALIKE = 40.0
#: Gaps in the residual of a thing are closed that are as wide as its side over this.
GAPS = 6


def residual(pictures: Sequence[Tensor], cameras: Sequence[Tensor], at: int) -> Tensor:
    """Picture `at` less its background, (3, H, W) in code values, of pictures of code values; 0 where there is none.

    `cameras` (3, 3) lead from each picture to the next.
    """
    size = (pictures[at].shape[-2], pictures[at].shape[-1])
    ways = chained(cameras, at)
    seen = [_aligned(pictures[at + far], way_33, size) for far, way_33 in ways.items() if abs(far) in OFFSETS]
    if not seen:
        return torch.zeros(3, *size)
    background_CHW = torch.stack(seen).nanmedian(0).values
    return (pictures[at] - background_CHW).nan_to_num(0)


def _aligned(picture_CHW: Tensor, way_33: Tensor, size: tuple[int, int]) -> Tensor:
    """A picture as the camera saw it elsewhere; not a number where it did not."""
    x_HW, y_HW = places(way_33, size).numpy()
    codes: Any = picture_CHW.permute(1, 2, 0).contiguous().numpy()
    moved = cv2.remap(codes, x_HW, y_HW, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT, borderValue=(torch.nan,) * 3)
    return torch.from_numpy(moved).permute(2, 0, 1)


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
    return mask_HW | masks.touching(near_HW, masks.grown(mask_HW, SLACK))


def begun(key_HW: Tensor, moving_HW: Tensor) -> Tensor:
    """What to follow: of a rectangle that was drawn around it what moves in there, any other mask as it is."""
    if not torch.equal(masks.bounds(key_HW), key_HW):
        return key_HW
    side = int(min(key_HW.any(0).sum(), key_HW.any(1).sum()))
    inside_HW = masks.solid(key_HW & moving_HW, max(side // GAPS, 2)) & key_HW
    return inside_HW if inside_HW.sum() >= STANDS * key_HW.sum() else masks.grown(key_HW, -side / GAPS)


def followed(mask_HW: Tensor, before_HW: Tensor, here_HW: Tensor, moving_HW: Tensor) -> Tensor:
    """The mask of the frame `here`, of that of the frame `before`; these are grey, uint8.

    It goes on as a whole, turned and scaled as the flow inside of it says. Then its rim is where the residual has it,
    if that is near; deep inside and far outside the residual does not count, as things may look like what is behind.
    """
    carried_HW = _settled(_carried(mask_HW, flow_between(before_HW, here_HW, preset="light")), moving_HW)
    area, around_HW = int(carried_HW.sum()), masks.grown(carried_HW, SLACK)
    if not area:
        return carried_HW
    seen = int((moving_HW & carried_HW).sum()) / area
    beside = int((moving_HW & around_HW & ~carried_HW).sum()) / max(int((around_HW & ~carried_HW).sum()), 1)
    if seen < STANDS or beside > seen:
        return carried_HW
    rim_HW = (masks.distance(~carried_HW) - masks.distance(carried_HW)) / SLACK
    evidence_HW = torch.where(moving_HW, 1.0, -1.0)
    return masks.solid(rim_HW.clamp(-1, 1) + TRUST * evidence_HW > 0, 2)


def _settled(mask_HW: Tensor, moving_HW: Tensor) -> Tensor:
    """The mask moved by a few whole pixels to where it has most of what moves inside and least around it.

    What stands still is left there: nearby things that move would take its mask along.
    """
    if int((moving_HW & mask_HW).sum()) <= STANDS * int(mask_HW.sum()):
        return mask_HW
    form_HW = mask_HW.float() - (masks.grown(mask_HW, SLACK) & ~mask_HW).float()
    wide_11HW = F.pad(moving_HW.float(), (SHIFT,) * 4)[None, None]
    score_SS = F.conv2d(wide_11HW, form_HW[None, None])[0, 0]
    off_S = torch.arange(-SHIFT, SHIFT + 1).float()
    score_SS -= FAR * mask_HW.sum() * torch.hypot(off_S[:, None], off_S[None])
    down, right = divmod(int(score_SS.argmax()), 2 * SHIFT + 1)
    moved_HW = F.pad(mask_HW, (SHIFT,) * 4)
    height, width = mask_HW.shape
    top, left = 2 * SHIFT - down, 2 * SHIFT - right
    return moved_HW[top : top + height, left : left + width]


def _carried(mask_HW: Tensor, flow_2HW: Tensor) -> Tensor:
    """The mask moved by the similarity that fits the flow in it best; as it is where there is too little of it."""
    rows, columns = mask_HW.nonzero(as_tuple=True)
    if len(rows) < FEWEST:
        return mask_HW
    start_N2 = torch.stack([columns, rows], -1).float()
    end_N2 = start_N2 + flow_2HW[:, rows, columns].mT
    found, _ = cv2.estimateAffinePartial2D(start_N2.numpy(), end_N2.numpy(), ransacReprojThreshold=OFF)
    if found is None:
        return mask_HW
    moved = cv2.warpAffine(mask_HW.float().numpy(), found, (mask_HW.shape[1], mask_HW.shape[0]))
    return torch.from_numpy(moved) >= 0.5
