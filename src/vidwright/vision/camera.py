"""How the camera moved from one picture of a shot to another, as a homography.

    corners of the first --Lucas-Kanade, there and back--> where they are in the second --RANSAC--> 3x3

One plane, or a camera that only turns: the background of most shots is near enough to either. A homography maps pixels
(x, y, 1) of the first picture to those of the second, centres at whole numbers.

Shapes: H rows, W columns; 33 is a homography, float64, its last number 1; 2 is (dx, dy) in pixels.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import torch
from torch import Tensor

from vidwright.vision.corners import Search, matched
from vidwright.vision.flow import Preset, flow_between

#: The corners that are followed.
CORNERS = Search(most=400, weakest=0.01, apart=6, window=15)
#: Pixels by which a corner may miss the homography.
OFF = 1.5
#: Corners without which nothing is said of the camera: it is then taken to stand still.
FEWEST = 12
#: Iterations of RANSAC and how sure of the best model it has to be.
TRIES, SURE = 500, 0.995


def camera_motion(first_HW: Tensor, second_HW: Tensor, known_HW: Tensor | None = None) -> Tensor:
    """The homography (3, 3) from one grey picture to another: second(h(p)) is about first(p); the identity for lack.

    Pictures are uint8 of one size; only corners where `known_HW` is true are looked at. Small pictures are enough:
    240 rows give a tenth of a pixel.
    """
    if known_HW is not None:  # a corner at the rim of what is hidden is that rim's
        codes = cv2.erode(known_HW.numpy().astype(np.uint8), np.ones((5, 5), np.uint8))
        known_HW = torch.from_numpy(codes > 0)
    there, moved = matched(first_HW, second_HW, CORNERS, known_HW)
    if len(there) < FEWEST:
        return torch.eye(3, dtype=torch.float64)
    found_33, _ = cv2.findHomography(there, moved, cv2.RANSAC, OFF, maxIters=TRIES, confidence=SURE)
    if found_33 is None or not _sane(found_33, tuple(first_HW.shape)):
        return torch.eye(3, dtype=torch.float64)
    return torch.from_numpy(found_33)


def scaled(camera_33: Tensor, factor: tuple[float, float]) -> Tensor:
    """A homography between pictures for ones that are (down, across) times as large; pixels are areas."""
    down, across = factor
    larger_33 = torch.tensor([[across, 0, (across - 1) / 2], [0, down, (down - 1) / 2], [0, 0, 1]], dtype=torch.float64)
    scaled_33 = larger_33 @ camera_33 @ torch.linalg.inv(larger_33)
    return scaled_33 / scaled_33[2, 2]


def chained(cameras: Sequence[Tensor], at: int) -> dict[int, Tensor]:
    """Homographies from frame `at` of a shot to itself and each other one, by how far on that is, the earliest first.

    `cameras` are those from each frame to the next, one fewer than frames.
    """
    still_33 = torch.eye(3, dtype=torch.float64)
    found = {0: still_33}
    for s in range(at, len(cameras)):
        way_33 = cameras[s] @ found[s - at]
        found[s + 1 - at] = way_33 / way_33[2, 2]
    for s in range(at - 1, -1, -1):
        way_33 = torch.linalg.inv(cameras[s]) @ found[s + 1 - at]
        found[s - at] = way_33 / way_33[2, 2]
    return dict(sorted(found.items()))


def furthest(camera_33: Tensor, size: tuple[int, int]) -> float:
    """How far a homography moves that corner of a picture of (H, W) that it moves furthest, in pixels."""
    height, width = size
    corner_3N = torch.tensor([[0, width - 1, 0, width - 1], [0, 0, height - 1, height - 1], [1, 1, 1, 1]]).double()
    moved_3N = camera_33 @ corner_3N
    return float((moved_3N[:2] / moved_3N[2] - corner_3N[:2]).square().sum(0).max().sqrt())


def places(camera_33: Tensor, size: tuple[int, int], corner: tuple[int, int] = (0, 0)) -> Tensor:
    """Where each pixel of a picture of (H, W) lies in the other: (2, H, W) fp32, x before y.

    Of a part of a picture, which begins at `corner` (row, column).
    """
    rows, columns = (torch.arange(side, dtype=torch.float64) + at for side, at in zip(size, corner, strict=True))
    x_HW, y_HW = columns[None], rows[:, None]
    (a, b, c), (d, e, f), (g, h, i) = camera_33.tolist()
    depth_HW = g * x_HW + h * y_HW + i
    return torch.stack([(a * x_HW + b * y_HW + c) / depth_HW, (d * x_HW + e * y_HW + f) / depth_HW]).float()


def aligned_flow(first_HW: Tensor, second_HW: Tensor, camera_33: Tensor, *, preset: Preset = "light") -> Tensor:
    """Optical flow (2, H, W) fp32 from one grey picture to another, uint8: the camera's, and what is left beside it.

    The search begins where the camera's motion would put each pixel; alone it gets lost in fast pans.
    """
    size = (first_HW.shape[0], first_HW.shape[1])
    where_2HW = places(camera_33, size)
    x_HW, y_HW = where_2HW.numpy()
    aligned = cv2.remap(second_HW.numpy(), x_HW, y_HW, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    rest_2HW = flow_between(first_HW, torch.from_numpy(aligned), preset=preset)
    here_2HW = places(torch.eye(3, dtype=torch.float64), size)
    moved_x, moved_y = (here_2HW + rest_2HW).numpy()
    camera_2HW = [torch.from_numpy(cv2.remap(plane, moved_x, moved_y, cv2.INTER_LINEAR)) for plane in (x_HW, y_HW)]
    inside_HW = inside(here_2HW + rest_2HW, size)
    return torch.where(inside_HW, torch.stack(camera_2HW), where_2HW) - here_2HW


def inside(where_2HW: Tensor, size: tuple[int, int]) -> Tensor:
    """Which of places lie in a picture of `size` (rows, columns), bool (H, W)."""
    height, width = size
    x_HW, y_HW = where_2HW
    return (x_HW >= 0) & (x_HW <= width - 1) & (y_HW >= 0) & (y_HW <= height - 1)


def _sane(camera_33: np.ndarray, size: tuple[int, ...]) -> bool:
    """Whether the picture keeps its sense and about its size: what RANSAC finds among a few moving people may not."""
    height, width = size
    corners = np.array([[0, 0, 1], [width, 0, 1], [width, height, 1], [0, height, 1]], dtype=np.float64)
    moved = corners @ camera_33.T
    if (moved[:, 2] <= 0).any():
        return False
    x, y = moved[:, 0] / moved[:, 2], moved[:, 1] / moved[:, 2]
    area = 0.5 * float(np.sum(x * np.roll(y, -1) - np.roll(x, -1) * y))
    return 0.5 < area / (width * height) < 2
