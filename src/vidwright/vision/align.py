"""Pictures of one shot laid over another one of it, by the camera's motion (`vision/camera.py`).

Shapes: T frames, C = 3 channels, H rows, W columns; 33 is a homography.
"""

from __future__ import annotations

import cv2
import torch
from torch import Tensor
from torch.nn import functional as F

from vidwright.vision.camera import camera_motion, inside, places, scaled
from vidwright.vision.flow import LINES, small_grey, small_size


def cameras(frames_TCHW: Tensor, known_T1HW: Tensor | None = None) -> Tensor:
    """Homographies (T, 3, 3) from the middle frame to each, in pixels of the frames, which are uint8.

    Corners are followed at 240 rows at most, and only where the middle frame is known.
    """
    middle, (height, width) = len(frames_TCHW) // 2, frames_TCHW.shape[-2:]
    size = small_size(height, width, LINES)
    small = [small_grey(frame_CHW.float() / 255, size) for frame_CHW in frames_TCHW]
    known_HW = None
    if known_T1HW is not None:
        known_HW = F.interpolate(known_T1HW[middle][None].float(), size, mode="area")[0, 0] == 1
    found = [camera_motion(small[middle], grey_HW, known_HW) for grey_HW in small]
    found[middle] = torch.eye(3, dtype=torch.float64)
    return torch.stack([scaled(camera_33, (height / size[0], width / size[1])) for camera_33 in found])


def aligned(
    frames_TCHW: Tensor, cameras_T33: Tensor, size: tuple[int, int], corner: tuple[int, int] = (0, 0)
) -> tuple[Tensor, Tensor]:
    """uint8 frames as the middle one's camera would show them, and where they show anything, bool (T, 1, H, W).

    Of a part of (H, W) that begins at `corner` (row, column) of the middle frame, which comes out as it is.
    """
    parts = [seen_from(*pair, size, corner) for pair in zip(frames_TCHW, cameras_T33, strict=True)]
    (top, left), (height, width), middle = corner, size, len(parts) // 2
    parts[middle] = (
        frames_TCHW[middle, :, top : top + height, left : left + width],
        torch.ones(1, height, width, dtype=torch.bool),
    )
    pictures, inside = zip(*parts, strict=True)
    return torch.stack(pictures), torch.stack(inside)


def seen_from(
    picture_CHW: Tensor, camera_33: Tensor, size: tuple[int, int], corner: tuple[int, int] = (0, 0)
) -> tuple[Tensor, Tensor]:
    """A picture, uint8, as another one of the shot would show it, and where it shows anything, bool (1, H, W).

    `camera_33` leads from the other one to this. Of a part of (H, W) that begins at `corner` (row, column); bicubic,
    the border repeated.
    """
    where_2HW = places(camera_33, size, corner)
    x_HW, y_HW = where_2HW.numpy()
    moved = cv2.remap(
        picture_CHW.permute(1, 2, 0).numpy(), x_HW, y_HW, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE
    )
    return torch.from_numpy(moved).permute(2, 0, 1), inside(where_2HW, (picture_CHW.shape[-2], picture_CHW.shape[-1]))[
        None
    ]
