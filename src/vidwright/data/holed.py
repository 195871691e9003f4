"""Three frames of a clip with holes in them, pre-filled, and what the middle one hides: what completion learns from.

Shapes: T = 3 frames, C = 3 channels, H height, W width, P the side of a crop.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

from vidwright.data import augment
from vidwright.data.cache import Cache
from vidwright.data.clips import Clips, Order
from vidwright.data.degrade import to_bytes
from vidwright.data.holes import KINDS, hole
from vidwright.data.index import large_shots
from vidwright.data.samples import Sample, Split
from vidwright.data.seeding import generator, integer
from vidwright.vision.align import aligned, cameras
from vidwright.vision.inpaint import inpainted

#: Bytes of decoded clips that are kept unless told otherwise; a minute of 480x270 takes 0.7 GB.
CACHE_BYTES = 7 * 2**29

#: How many frames apart the three are at most.
SPACING = 8

#: The least and the most of a crop that a hole covers.
AREA = (0.05, 0.40)

#: How often the hole moves between the three, so that the outer ones show some of what the middle one hides, and by
#: how much of the crop at most. In use all that is shown anywhere is copied before, and this is the exception.
REVEALED, FARTHEST = 0.25, 0.3

#: Samples of one shot before it may leave the cache, and how many shots lie between two of them.
REUSE, SPREAD = 8, 4

#: Moments of a shot that are looked at, for each of which the camera's motion is found once; and the samples of an
#: epoch for each frame.
MOMENTS, PER_FRAME = 24, 4

#: What stands where nothing is known before it is pre-filled.
GREY = 128


class Holed:
    """Crops of `patch` pixels out of the shots of a folder, as `Samples`.

    A sample is "seen" uint8 (3, 3, P, P), frames with their holes pre-filled, the outer ones aligned onto the middle
    one; "unknown" bool (3, 1, P, P), where they are made up; "truth" uint8 (3, P, P), the middle frame; and "kind"
    int64 (), the number in `KINDS` of its hole. What lies outside of a frame is unknown too. Half of the crops are of
    footage shrunk by two, where it is large enough; all are flipped and transposed. Of what was decoded, `cache_bytes`
    are kept. Raises `BadInput` when no shot is long and large enough.
    """

    def __init__(
        self, folder: Path, split: Split, *, patch: int, seed: int = 0, cache_bytes: int = CACHE_BYTES
    ) -> None:
        shots = large_shots(folder, split, frames=3, side=patch)
        self._clips, self._cameras = Clips(shots, cache_bytes=cache_bytes), Cache(cache_bytes)
        self._patch, self._seed = patch, seed
        self._length = PER_FRAME * sum(shot.frames for shot in shots)
        self._order = Order(len(shots), self._length, seed, reuse=REUSE, spread=SPREAD)

    def __len__(self) -> int:
        return self._length

    def sample(self, epoch: int, k: int) -> Sample:
        """{"seen", "unknown", "truth", "kind"}: sample `k` of `epoch`."""
        random = generator(self._seed, epoch, k)
        frames_TCHW, cameras_T33 = self._moment(self._order.shot(epoch, k), integer(MOMENTS, random))
        clear_TCHW, inside_T1HW = self._crop(frames_TCHW, cameras_T33, random)
        kind = integer(len(KINDS), random)
        unknown_T1HW = ~inside_T1HW | random_hole(KINDS[kind], (self._patch, self._patch), random)
        seen_TCHW = hidden(clear_TCHW, unknown_T1HW)
        both = torch.cat([seen_TCHW.flatten(0, 1), clear_TCHW[1], unknown_T1HW[:, 0].to(torch.uint8)])
        both = augment.transpose(augment.flip(both, random), random)
        seen, truth, unknown = both.split([9, 3, 3])
        return {
            "seen": seen.unflatten(0, (3, 3)),
            "unknown": unknown[:, None].bool(),
            "truth": truth,
            "kind": torch.tensor(kind),
        }

    def _moment(self, shot: int, number: int) -> tuple[Tensor, Tensor]:
        """Three frames of a shot, uint8 (T, 3, H, W), and the cameras that lead from the middle one to each."""
        shot_TCHW, random = self._clips.frames(shot), generator(self._seed, shot, number, 1)
        spacing = 1 + integer(min(SPACING, (len(shot_TCHW) - 1) // 2), random)
        middle = spacing + integer(len(shot_TCHW) - 2 * spacing, random)
        frames_TCHW = shot_TCHW[middle - spacing : middle + spacing + 1 : spacing]
        return frames_TCHW, self._cameras.get(shot * MOMENTS + number, lambda: cameras(frames_TCHW))

    def _crop(self, frames_TCHW: Tensor, cameras_T33: Tensor, random: torch.Generator) -> tuple[Tensor, Tensor]:
        """The same place of three frames, uint8 (T, 3, P, P), and where they show it, bool (T, 1, P, P)."""
        height, width = frames_TCHW.shape[-2:]
        shrunk = min(height, width) >= 2 * self._patch and integer(2, random)
        side = self._patch * (1 + shrunk)
        corner = integer(height - side + 1, random), integer(width - side + 1, random)
        aligned_TCHW, inside_T1HW = aligned(frames_TCHW, cameras_T33, (side, side), corner)
        if not shrunk:
            return aligned_TCHW, inside_T1HW
        return to_bytes(F.avg_pool2d(aligned_TCHW.float(), 2)), F.avg_pool2d(inside_T1HW.float(), 2) == 1


def random_hole(kind: str, size: tuple[int, int], random: torch.Generator) -> Tensor:
    """Where three frames are hidden, bool (3, 1, H, W): the same place mostly, or one that moves evenly."""
    area, moves = torch.rand(2, generator=random).tolist()
    right, down = (FARTHEST * side * float(torch.rand((), generator=random) - 0.5) * 2 for side in size[::-1])
    steps = [(right, down), (-right, -down)] if moves < REVEALED else [(0.0, 0.0)] * 2
    middle, earlier, later = hole(kind, size, AREA[0] + (AREA[1] - AREA[0]) * area, random, steps)
    return torch.stack([earlier, middle, later])


def hidden(clear_TCHW: Tensor, unknown_T1HW: Tensor) -> Tensor:
    """uint8 frames with what is unknown made from around it; nothing of what was there is left, whatever happens."""
    empty_TCHW = clear_TCHW.masked_fill(unknown_T1HW, GREY)
    pairs = zip(empty_TCHW, unknown_T1HW[:, 0], strict=True)
    return torch.stack([to_bytes(255 * inpainted(frame_CHW.float() / 255, hole_HW)) for frame_CHW, hole_HW in pairs])
