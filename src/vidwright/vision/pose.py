"""Where a thing went as a whole from one picture to another: turned, scaled and shifted, a similarity.

    corners inside of it --Lucas-Kanade, there and back--> where they are --RANSAC--> 2x3

It maps pixels (x, y, 1) of the first picture to those of the second, centres at whole numbers.

Shapes: C channels, H rows, W columns; 23 is a similarity, float64; masks are bool (H, W).
"""

from __future__ import annotations

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from vidwright.vision.corners import Search, matched

#: The corners that are followed: fainter and nearer to each other than the camera's, as a thing is smaller.
CORNERS = Search(most=150, weakest=0.005, apart=3, window=11)
#: Corners that must agree, as a number and as a part of those that were found again, and the pixels they may miss by.
FEWEST, PART, OFF = 8, 0.3, 1.5
#: Iterations of RANSAC, and how many times as large a thing may become.
TRIES, LARGEST = 200, 1.25


def still() -> Tensor:
    """The pose of what did not move."""
    return torch.eye(2, 3, dtype=torch.float64)


def moved(first_HW: Tensor, second_HW: Tensor, inside_HW: Tensor) -> Tensor | None:
    """The similarity (2, 3) by which most corners of a mask go from one grey picture to another, uint8.

    None where there are too few of them, or they do not agree.
    """
    there, here = matched(first_HW, second_HW, CORNERS, inside_HW)
    if len(there) < FEWEST:
        return None
    found, agree = cv2.estimateAffinePartial2D(there, here, ransacReprojThreshold=OFF, maxIters=TRIES)
    if found is None or agree.sum() < max(FEWEST, PART * len(there)):
        return None
    return torch.from_numpy(found) if 1 / LARGEST < np.hypot(*found[:, 0]) < LARGEST else None


def after(second_23: Tensor, first_23: Tensor) -> Tensor:
    """The pose by one similarity and then another."""
    both_23 = second_23[:, :2] @ first_23
    both_23[:, 2] += second_23[:, 2]
    return both_23


def shifted(pose_23: Tensor, by_2: Tensor) -> Tensor:
    """A pose and then a shift by pixels (x, y)."""
    return torch.cat([pose_23[:, :2], pose_23[:, 2:] + by_2[:, None]], 1)


def inverse(pose_23: Tensor) -> Tensor:
    """The way back."""
    return torch.from_numpy(cv2.invertAffineTransform(pose_23.numpy()))


def carried(picture_CHW: Tensor, pose_23: Tensor) -> Tensor:
    """A picture as large, fp32, moved by a pose, its border going on."""
    return _warped(picture_CHW.float(), pose_23, cv2.BORDER_REPLICATE)


def carried_mask(mask_HW: Tensor, pose_23: Tensor) -> Tensor:
    """A mask moved by a pose; outside of its picture nothing is in it."""
    return _warped(mask_HW[None].float(), pose_23, cv2.BORDER_CONSTANT)[0] >= 0.5


def _warped(picture_CHW: Tensor, pose_23: Tensor, border: int) -> Tensor:
    size = (picture_CHW.shape[2], picture_CHW.shape[1])
    planes = [cv2.warpAffine(plane, pose_23.numpy(), size, borderMode=border) for plane in picture_CHW.numpy()]
    return torch.from_numpy(np.stack(planes))


def settling(score_HW: Tensor, form_HW: Tensor, most: int, price: float) -> tuple[int, int]:
    """By how many pixels, right and down, a form has to be moved so that it covers the highest scores.

    That is where the sum of score times form is largest, `most` pixels away or less, each of which costs `price`.
    """
    wide_11HW = F.pad(score_HW, (most,) * 4)[None, None]
    total_SS = F.conv2d(wide_11HW, form_HW[None, None])[0, 0]
    off_S = torch.arange(-most, most + 1).float()
    total_SS -= price * torch.hypot(off_S[:, None], off_S[None])
    down, right = divmod(int(total_SS.argmax()), 2 * most + 1)
    return right - most, down - most
