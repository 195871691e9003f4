"""Ways of filling holes that `edit` must beat: some that need no weights, and its network by itself.

Each is a function of uint8 frames (T, 3, H, W), grey in their holes, and bool masks (T, H, W) of these, to as many
frames; other pixels are left as they are.

Shapes: T frames, C = 3 channels, H height, W width, 2 is (x, y); N points.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable

import torch
from torch import Tensor
from torch.nn import functional as F

from vidwright.bench.natural import camera_path, carried, way, within
from vidwright.data.degrade import to_bytes
from vidwright.jobs.fill import APART, around
from vidwright.nn.model import CompletionModel
from vidwright.nn.warp import inside
from vidwright.vision.camera import places
from vidwright.vision.flow import optical_flow
from vidwright.vision.inpaint import inpainted
from vidwright.vision.membrane import membrane
from vidwright.vision.move import moved

#: One way of filling.
Way = Callable[[Tensor, Tensor], Tensor]

#: Frames on either side of which medians are taken.
REACH = 20
#: Pixels around a hole whose flow is not believed: the search sees patches.
RIM = 8


def telea(frames_TCHW: Tensor, masks_THW: Tensor) -> Tensor:
    """Each frame by itself, from the rims of its holes: "An image inpainting technique ...", Telea 2004."""
    return _closed(frames_TCHW.float(), masks_THW)


def temporal_median(frames_TCHW: Tensor, masks_THW: Tensor) -> Tensor:
    """The median of what the same pixel is in 20 frames before and after where it is not hidden; Telea for the rest."""
    still_T33 = torch.eye(3, dtype=torch.float64).expand(len(frames_TCHW), 3, 3)
    return _median(frames_TCHW, masks_THW, still_T33)


def aligned_median(frames_TCHW: Tensor, masks_THW: Tensor) -> Tensor:
    """The same of frames that are aligned by the camera's motion, measured outside of the holes."""
    return _median(frames_TCHW, masks_THW, camera_path(frames_TCHW, masks_THW))


def flow_propagation(frames_TCHW: Tensor, masks_THW: Tensor) -> Tensor:
    """Pixels carried along DIS flow from the nearest frame that has them, before or after; Telea for the rest.

    Flow in a hole is what is around it, as in "Deep flow-guided video inpainting", CVPR 2019, without a network.
    """
    count = len(frames_TCHW)
    (before, since), (after, until) = (
        _carried_along(frames_TCHW, masks_THW, order) for order in (range(count), range(count - 1, -1, -1))
    )
    nearest = torch.where((since < until)[:, None], before, after)
    nearest = torch.where((since == until)[:, None], (before + after) / 2, nearest)
    return _closed(nearest, torch.minimum(since, until).isinf())


#: All of them by name; gains are told over the first.
FILLERS: dict[str, Way] = {
    "Telea": telea,
    "temporal median": temporal_median,
    "DIS propagation": flow_propagation,
    "aligned median": aligned_median,
}


def network_alone(network: CompletionModel) -> Way:
    """All that is hidden made up from the rim and from two frames, aligned by the camera: nothing is copied."""

    @torch.inference_mode()
    def filled(frames_TCHW: Tensor, masks_THW: Tensor) -> Tensor:
        values_TCHW, near_T1HW = frames_TCHW.float(), _near(masks_THW)
        cameras_T33, last = camera_path(frames_TCHW, masks_THW), len(frames_TCHW) - 1
        for n in masks_THW.flatten(1).any(1).nonzero().flatten().tolist():
            part = around(masks_THW[n])
            known = [(values_TCHW[n][:, *part.slices], masks_THW[n][part.slices])]
            for other in (max(n - APART, 0), min(n + APART, last)):
                where_2hw = places(way(cameras_T33, n, other), (part.height, part.width), (part.top, part.left))
                points_N2 = where_2hw.flatten(1).T.double()
                read_Chw = _read(values_TCHW[other], near_T1HW[other], points_N2).view(3, part.height, part.width)
                known.append((read_Chw.nan_to_num(), read_Chw[0].isnan()))
            order = (known[1], known[0], known[2])
            pictures = [inpainted(picture_Chw / 255, hidden_hw) for picture_Chw, hidden_hw in order]
            unknown_T1hw = torch.stack([hidden_hw for _, hidden_hw in order])[:, None]
            made_Chw = network(torch.stack(pictures)[None], unknown_T1hw[None])[0]
            values_TCHW[n][:, *part.slices] = torch.where(order[1][1], 255 * made_Chw, order[1][0])
        return to_bytes(values_TCHW)

    return filled


def _closed(frames_TCHW: Tensor, masks_THW: Tensor) -> Tensor:
    """Code values with what is still open made by Telea, as uint8."""
    pairs = zip(frames_TCHW, masks_THW, strict=True)
    return torch.stack([to_bytes(inpainted(frame_CHW / 255, mask_HW) * 255) for frame_CHW, mask_HW in pairs])


def _median(frames_TCHW: Tensor, masks_THW: Tensor, cameras_T33: Tensor) -> Tensor:
    values_TCHW, open_THW = frames_TCHW.float(), masks_THW.clone()
    near_T1HW = _near(masks_THW)
    made_TCHW = values_TCHW.clone()
    for n, mask_HW in enumerate(masks_THW):
        points_N2 = mask_HW.nonzero().flip(1).double()
        found = [
            _read(values_TCHW[other], near_T1HW[other], carried(points_N2, way(cameras_T33, n, other)))
            for other in range(max(n - REACH, 0), min(n + REACH + 1, len(values_TCHW)))
        ]
        median_CN = torch.stack(found).nanmedian(0).values
        made_TCHW[n][:, mask_HW] = median_CN.nan_to_num()
        open_THW[n][mask_HW] = median_CN[0].isnan()
    return _closed(made_TCHW, open_THW)


def _near(masks_THW: Tensor) -> Tensor:
    """Masks as floats, and all that bicubic reading would mix with what they hide."""
    return F.max_pool2d(masks_THW[:, None].float(), 5, stride=1, padding=2)


def _read(picture_CHW: Tensor, hidden_1HW: Tensor, points_N2: Tensor) -> Tensor:
    """A picture at points, (3, N), NaN outside of it and where it is hidden."""
    size_2 = torch.tensor(picture_CHW.shape[:0:-1])
    grid_11N2 = ((2 * points_N2 + 1) / size_2 - 1).float()[None, None]
    both_CHW = torch.cat([picture_CHW, hidden_1HW])
    read_CN = F.grid_sample(both_CHW[None], grid_11N2, mode="bicubic", padding_mode="border", align_corners=False)[
        0, :, 0
    ]
    seen_N = within(points_N2, picture_CHW.shape[1:]) & (read_CN[3] < 0.5)
    return torch.where(seen_N, read_CN[:3], math.nan)


def _carried_along(frames_TCHW: Tensor, masks_THW: Tensor, order: Iterable[int]) -> tuple[Tensor, Tensor]:
    """Frames in one order, each hole filled from the frame before; and of which age its pixels are, (T, H, W).

    The age is infinite for what no frame had.
    """
    made_TCHW, age_THW = frames_TCHW.float(), torch.where(masks_THW, math.inf, 0.0)
    last: int | None = None
    for n in order:
        if last is not None and masks_THW[n].any():
            flow_2HW = optical_flow(frames_TCHW[n].float() / 255, frames_TCHW[last].float() / 255)
            flow_2HW = membrane(flow_2HW, ~_grown(masks_THW[n] | masks_THW[last]))
            seen_HW = moved(age_THW[last].isinf().float(), flow_2HW) < 0.01
            taken_HW = masks_THW[n] & seen_HW & inside(flow_2HW[None])[0, 0]
            carried_CHW = torch.stack([moved(plane_HW, flow_2HW) for plane_HW in made_TCHW[last]])
            made_TCHW[n] = torch.where(taken_HW, carried_CHW.clamp(0, 255), made_TCHW[n])
            age_HW = moved(age_THW[last].nan_to_num(posinf=0.0), flow_2HW).round() + 1
            age_THW[n] = torch.where(taken_HW, age_HW, age_THW[n])
        last = n
    return made_TCHW, age_THW


def _grown(mask_HW: Tensor) -> Tensor:
    return F.max_pool2d(mask_HW[None].float(), 2 * RIM + 1, stride=1, padding=RIM)[0] > 0
