"""Holes in clips, whose truth is known, and what of it the clip itself shows at another time.

    moving   a disc that crosses the picture
    static   a box in the middle that stays
    object   a shape with a life of its own: where another clip moves, inside of a window on a path

Shapes: T frames, C channels, H height, W width; N points; 33 is a homography.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

from vidwright.bench.natural import Clip, carried, way, within
from vidwright.data.seeding import generator
from vidwright.nn.warp import inside, warp
from vidwright.vision.camera import places

#: The disc's radius as a part of the picture's height, a side of the box, and the area of the object of the picture's.
RADIUS, SIDE, AREA = 1 / 7, 1 / 4, 1 / 16
#: Frames on either side among which a place is looked for.
REACH = 24
#: The picture that says where another clip moves: rows and columns, and how often its squares of 3 x 3 are averaged.
COARSE, SMOOTHINGS = (54, 96), 3
#: What still places count, of the clip's largest motion: where nothing moves, the window alone is the object.
STILL = 0.05


def moving(clip: Clip, other: Clip, seed: int) -> Tensor:
    """Masks (T, H, W): a disc that crosses from one side to the other in the clip's time, wholly inside."""
    count, _, height, width = clip.frames.shape
    radius = height * RADIUS
    start, end, turned = torch.rand(3, generator=generator(seed), dtype=torch.float64).tolist()
    x_T = torch.linspace(radius, width - 1 - radius, count)
    y_T = torch.linspace(start, end, count) * (height - 1 - 2 * radius) + radius
    return _distance(x_T.flip(0) if turned < 0.5 else x_T, y_T, (height, width)) <= radius


def static(clip: Clip, other: Clip, seed: int) -> Tensor:
    """Masks (T, H, W): the same box in the middle, a quarter as wide and high as the picture."""
    count, _, height, width = clip.frames.shape
    rows, columns = round(height * SIDE), round(width * SIDE)
    top, left = (height - rows) // 2, (width - columns) // 2
    masks_THW = torch.zeros(count, height, width, dtype=torch.bool)
    masks_THW[:, top : top + rows, left : left + columns] = True
    return masks_THW


def moving_shape(clip: Clip, other: Clip, seed: int) -> Tensor:
    """Masks (T, H, W) of a 16th of the picture: where `other` moves against its background, near a point on a path."""
    count, _, height, width = clip.frames.shape
    random = generator(seed, 1)
    (x0, x1), (y0, y1) = (torch.rand(2, 2, generator=random, dtype=torch.float64) * 0.5 + 0.25).tolist()
    x_T, y_T = torch.linspace(x0, x1, count) * width, torch.linspace(y0, y1, count) * height
    window_THW = torch.exp(-0.5 * (_distance(x_T, y_T, (height, width)) / (height * AREA**0.5)) ** 2)
    shape_THW = F.interpolate(_motion(other)[None, None], (count, height, width), mode="trilinear")[0, 0]
    value_THW = (shape_THW / shape_THW.max().clamp(min=1e-6) + STILL) * window_THW
    chosen = value_THW.flatten(1).topk(round(AREA * height * width), dim=1).indices
    masks = torch.zeros(count, height * width, dtype=torch.bool).scatter_(
        1, chosen, torch.ones(1).bool().expand_as(chosen)
    )
    return masks.view(count, height, width)


#: All kinds of holes: of a clip, of another that may lend its motion, and of a seed.
KINDS: dict[str, Callable[[Clip, Clip, int], Tensor]] = {"moving": moving, "static": static, "object": moving_shape}


def revealed(masks_THW: Tensor, cameras_T33: Tensor) -> Tensor:
    """Which hidden pixels the clip shows at another time, bool (T, H, W); never true outside of the masks.

    Those whose place, carried along with the camera, is in the picture and not hidden in one of 24 frames before or
    after. What moves by itself is not there any more, so this is a bound for what can be copied, not a promise.
    """
    seen_THW = torch.zeros_like(masks_THW)
    for n, mask_HW in enumerate(masks_THW):
        points_N2 = mask_HW.nonzero().flip(1).double()
        seen_N = torch.zeros(len(points_N2), dtype=torch.bool)
        for other in range(max(n - REACH, 0), min(n + REACH + 1, len(masks_THW))):
            there_N2 = carried(points_N2, way(cameras_T33, n, other))
            inside_N = within(there_N2, mask_HW.shape)
            column_N, row_N = there_N2[inside_N].round().long().unbind(1)
            seen_N[inside_N] |= ~masks_THW[other, row_N, column_N]
        seen_THW[n][mask_HW] = seen_N
    return seen_THW


def _distance(x_T: Tensor, y_T: Tensor, size: tuple[int, int]) -> Tensor:
    """How far each pixel is from a point of each frame, (T, H, W)."""
    rows_H1, columns_W = torch.arange(size[0])[:, None], torch.arange(size[1])
    return torch.hypot(columns_W - x_T[:, None, None], rows_H1 - y_T[:, None, None])


def _motion(clip: Clip) -> Tensor:
    """How much each frame but the last differs from the next one, aligned by the camera: smooth (T - 1, *COARSE)."""
    size = (clip.frames.shape[-2], clip.frames.shape[-1])
    here_2HW = places(torch.eye(3, dtype=torch.float64), size)
    found: list[Tensor] = []
    for n in range(len(clip.frames) - 1):
        first_CHW, second_CHW = clip.frames[n : n + 2].float()
        flow_2HW = places(way(clip.cameras, n, n + 1), size) - here_2HW
        rest_CHW = (warp(second_CHW[None], flow_2HW[None])[0] - first_CHW).abs()
        rest_HW = rest_CHW.mean(0) * inside(flow_2HW[None])[0, 0]  # what has left the picture did not move
        found.append(F.interpolate(rest_HW[None, None], COARSE, mode="area")[0, 0])
    motion_THW = torch.stack(found)[None]
    for _ in range(SMOOTHINGS):
        motion_THW = F.avg_pool3d(motion_THW, 3, stride=1, padding=1, count_include_pad=False)
    return motion_THW[0]
