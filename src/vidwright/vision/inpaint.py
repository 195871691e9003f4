"""Holes in single pictures closed from their rims: "An image inpainting technique based on the fast marching method",
Telea 2004, as OpenCV has it.

Shapes: C = 3 channels, H rows, W columns.
"""

from __future__ import annotations

import cv2
import numpy as np
import torch
from torch import Tensor

#: How far from a pixel in a hole the pixels lie that it is made of.
RADIUS = 5


def inpainted(picture_CHW: Tensor, hole_HW: Tensor) -> Tensor:
    """The picture with what lies in the hole made from around it; fp32 in [0, 1], to 8 bits inside of the hole.

    A picture without a hole, or that is nothing else, is given back as it is.
    """
    if not hole_HW.any() or hole_HW.all():
        return picture_CHW
    codes = picture_CHW.permute(1, 2, 0).clamp(0, 1).mul(255).round().to(torch.uint8).numpy()
    made = cv2.inpaint(codes, hole_HW.numpy().astype(np.uint8), RADIUS, cv2.INPAINT_TELEA)
    return torch.where(hole_HW, torch.from_numpy(made).permute(2, 0, 1) / 255, picture_CHW)
