"""The clips that `bench edit` measures on, and how the camera moves in each.

Shapes: T frames, C = 3 channels, H height, W width; N points; 33 is a homography, float64, as in `vision/camera.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

from vidwright.bench.enhance import FEW_CLIPS, SCREEN, one_thread
from vidwright.data.degrade import to_bytes
from vidwright.data.index import Shot
from vidwright.io.piece import read_piece
from vidwright.train.excerpts import judged
from vidwright.vision.camera import camera_motion, places, scaled
from vidwright.vision.flow import LINES, small_grey, small_size

#: Frames of a clip that are measured, as far as it has them, and for a quick look.
FRAMES, FEW_FRAMES = 48, 8
#: Wider clips are shrunk to this.
WIDEST = 480
#: Pixels per frame, in pictures of 240 lines, above which the camera pans.
PANNING = 1.0


@dataclass(frozen=True, slots=True, eq=False)
class Clip:
    """The beginning of a clip: uint8 `frames` (T, 3, H, W).

    `cameras` (T, 3, 3) are the ways from the first frame to each; `speed` is how far a place moves by them from frame
    to frame, in pixels of pictures of 240 lines, in the mean over all places and frames.
    """

    name: str
    frames: Tensor
    cameras: Tensor
    speed: float

    @property
    def motion(self) -> str:
        return "panning" if self.speed > PANNING else "near-static"

    @property
    def counts(self) -> bool:
        """Whether it is in the means: recordings of screens are only shown."""
        return not self.name.endswith(SCREEN)


def natural_clips(folder: Path, *, quick: bool = False) -> list[Clip]:
    """The clips of a folder, one of each file. Raises `BadInput` for a folder without any that is long enough."""
    shots = [shot for shot in judged(folder, "all") if shot.first == 0]
    with one_thread():
        return [_read(shot, FEW_FRAMES if quick else FRAMES) for shot in (shots[:FEW_CLIPS] if quick else shots)]


def measured(name: str, frames_TCHW: Tensor) -> Clip:
    """A clip of these frames, uint8, its camera measured on them."""
    cameras_T33 = camera_path(frames_TCHW)
    size = (frames_TCHW.shape[-2], frames_TCHW.shape[-1])
    here_2HW = places(torch.eye(3, dtype=torch.float64), size)
    far = [
        float((places(way(cameras_T33, n, n + 1), size) - here_2HW).square().sum(0).sqrt().mean())
        for n in range(len(frames_TCHW) - 1)
    ]
    return Clip(name, frames_TCHW, cameras_T33, LINES / size[0] * sum(far) / len(far))


def camera_path(frames_TCHW: Tensor, hidden_THW: Tensor | None = None) -> Tensor:
    """Homographies (T, 3, 3) from the first of uint8 frames to each, by what is not hidden: steps of a frame, chained.

    As `vision.camera` finds them in pictures of at most 240 lines; they are between pictures of full size.
    """
    height, width = frames_TCHW.shape[-2:]
    small = small_size(height, width)
    grey = [small_grey(picture_CHW.float() / 255, small) for picture_CHW in frames_TCHW]
    path = [torch.eye(3, dtype=torch.float64)]
    for n in range(len(grey) - 1):
        known_HW = None
        if hidden_THW is not None:
            known_HW = F.adaptive_max_pool2d(hidden_THW[n][None].float(), small)[0] == 0
        step_33 = camera_motion(grey[n], grey[n + 1], known_HW)
        path.append(scaled(step_33, (height / small[0], width / small[1])) @ path[-1])
    return torch.stack(path)


def way(cameras_T33: Tensor, first: int, second: int) -> Tensor:
    """The homography (3, 3) from one frame of a clip to another."""
    found_33 = cameras_T33[second] @ torch.linalg.inv(cameras_T33[first])
    return found_33 / found_33[2, 2]


def carried(points_N2: Tensor, camera_33: Tensor) -> Tensor:
    """Where points (x, y), float64, are in another picture."""
    moved_N3 = F.pad(points_N2, (0, 1), value=1.0) @ camera_33.T
    return moved_N3[:, :2] / moved_N3[:, 2:]


def within(points_N2: Tensor, size: Sequence[int]) -> Tensor:
    """Which points (x, y) lie in a picture of (H, W), bool (N,)."""
    x_N, y_N = points_N2.unbind(1)
    return (x_N >= 0) & (x_N <= size[1] - 1) & (y_N >= 0) & (y_N <= size[0] - 1)


def _read(shot: Shot, most: int) -> Clip:
    pictures = read_piece(shot.file, shot.first, min(most, shot.frames), stamp=shot.stamp)
    return measured(shot.file.stem, torch.stack([_narrow(picture.frame().data[:3]) for picture in pictures]))


def _narrow(picture_CHW: Tensor) -> Tensor:
    height, width = picture_CHW.shape[-2:]
    if width > WIDEST:
        size = (round(height * WIDEST / width), WIDEST)
        picture_CHW = F.interpolate(picture_CHW[None], size=size, mode="bicubic", antialias=True)[0]
    return to_bytes(picture_CHW * 255)
