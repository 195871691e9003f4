"""Where each pixel of a frame was in a key frame, through all frames between them.

    key -> .. -> t-1 -> t      place(t) = place(t-1) at where the pixel was in t-1: carried, never looked for again

Places are carried and not colours, so nothing is blurred by being sampled again and again ("Flow-edge guided video
completion", Gao et al. 2020). How far the way there and back missed its beginning adds up along it.

Shapes: H rows, W columns; 3 is (dx, dy, missed) in pixels of the pictures, 2 is (dx, dy); C channels of a picture.
"""

from __future__ import annotations

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from vidwright.vision.camera import aligned_flow, camera_motion, places


def still(size: tuple[int, int]) -> Tensor:
    """The way (3, H, W) from a key frame to itself."""
    return torch.zeros(3, *size)


def carried(way_3HW: Tensor, before_HW: Tensor, here_HW: Tensor) -> Tensor:
    """The way from a frame `here` to the key, of that from the frame `before`, which lies next to it; greys, uint8."""
    step_3HW = step(here_HW, before_HW)
    return step_3HW + sampled(way_3HW, _reached(step_3HW))


def further(way_3HW: Tensor, last_HW: Tensor, next_HW: Tensor) -> Tensor:
    """The way from a frame to the `next` one, of that to the `last` one, which lies next to it; greys, uint8."""
    return way_3HW + sampled(step(last_HW, next_HW), _reached(way_3HW))


def step(here_HW: Tensor, there_HW: Tensor) -> Tensor:
    """The way (3, H, W) from a frame to its neighbour."""
    camera_33 = camera_motion(here_HW, there_HW)
    flow_2HW = aligned_flow(here_HW, there_HW, camera_33, preset="medium")
    back_2HW = aligned_flow(there_HW, here_HW, torch.linalg.inv(camera_33), preset="light")
    missed_HW = (flow_2HW + sampled(back_2HW, _reached(flow_2HW))).square().sum(0).sqrt()
    return torch.cat([flow_2HW, missed_HW[None]])


def missed(way_3hw: Tensor, size: tuple[int, int]) -> Tensor:
    """How far a way missed its beginning, in pixels of its own, for pictures of `size`."""
    return F.interpolate(way_3hw[None, 2:], size, mode="bilinear", align_corners=False)[0, 0]


def _reached(way_CHW: Tensor) -> Tensor:
    """The places (x, y) that a way leads to."""
    return places(torch.eye(3, dtype=torch.float64), (way_CHW.shape[-2], way_CHW.shape[-1])) + way_CHW[:2]


def sampled(picture_CHW: Tensor, where_2hw: Tensor, *, fine: bool = False) -> Tensor:
    """A picture (C, H, W) at places (x, y) of its pixels, (C, h, w), its border going on; bilinear, or bicubic."""
    x_hw, y_hw = where_2hw.numpy()
    way = cv2.INTER_CUBIC if fine else cv2.INTER_LINEAR
    planes = [
        cv2.remap(plane, x_hw, y_hw, way, borderMode=cv2.BORDER_REPLICATE) for plane in picture_CHW.float().numpy()
    ]
    return torch.from_numpy(np.stack(planes))


def looked_up(delta_CHW: Tensor, way_3hw: Tensor) -> Tensor:
    """What a key's picture (C, H, W) has for each pixel of another frame as large, along a way found in small."""
    size = (delta_CHW.shape[-2], delta_CHW.shape[-1])
    scale_211 = torch.tensor([size[1] / way_3hw.shape[-1], size[0] / way_3hw.shape[-2]])[:, None, None]
    large_2HW = F.interpolate(way_3hw[None, :2], size, mode="bilinear", align_corners=False)[0] * scale_211
    return sampled(delta_CHW, _reached(large_2HW), fine=True)
