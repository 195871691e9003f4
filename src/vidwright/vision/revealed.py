"""What is hidden in one frame of a shot and seen in others: found there by the camera's motion, and along the flow.

    camera   t --homography to each neighbour, chained--> the nearest neighbours that show it --median--> colour
    flow     t -> t+1 -> t+2 ... until it is shown, and t -> t-1 -> t-2 ...; what hides it does not move it --> colour

The camera serves what stands still, over any distance and without blur; flow what moves, or lies at another depth. Both
are asked for a rim of pixels around the hole as well, of which the truth is there, as if those were hidden for as long
as the hole is: how far they miss it says how far to trust them inside.

Shapes: C = 3 channels, H rows, W columns; h, w rows and columns of a part of a picture; N candidates; 2 is (x, y).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import cv2
import numpy as np
import torch
from torch import Tensor

from vidwright.vision.camera import aligned_flow, camera_motion, chained, places, scaled
from vidwright.vision.carrying import sampled
from vidwright.vision.flow import small_grey, small_size
from vidwright.vision.membrane import membrane

#: Frames to either side among which what is hidden is looked for.
REACH = 24
#: Those that the camera's motion is followed to: many nearby, where it is followed best.
OFFSETS = (1, 2, 3, 4, 6, 8, 10, 12, 15, 18, 21, 24)
#: Of the frames that show a place, so many of the nearest count.
NEAREST = 7
#: Pictures are kept as codes of 16 bits, with room below black and above white.
ONE, ZERO = 2**15, 2**14
#: So many pixels, of the small pictures, around what hides something flow is not that of what lies behind it.
DISTURBED = 8
#: Pixels, of the small pictures, by which flow there and back may miss its beginning.
MISSED = 1.5


class Part(NamedTuple):
    """A rectangle of a picture."""

    top: int
    left: int
    height: int
    width: int

    @property
    def slices(self) -> tuple[slice, slice]:
        return slice(self.top, self.top + self.height), slice(self.left, self.left + self.width)


class Shown:
    """A frame as others look at it: its picture (3, H, W) in codes, where it is `hidden` (H, W), and small and grey."""

    def __init__(self, picture_CHW: Tensor, hidden_HW: Tensor) -> None:
        self.size = (picture_CHW.shape[-2], picture_CHW.shape[-1])
        self.small = small_size(*self.size)
        self.scale = (self.size[0] / self.small[0], self.size[1] / self.small[1])
        codes_HWC = (picture_CHW.permute(1, 2, 0) * ONE + ZERO).clamp(0, 65535).round()
        self.codes = codes_HWC.to(torch.int32).numpy().astype(np.uint16)
        self.known = (~hidden_HW).numpy().astype(np.uint8) * 255
        self.grey = small_grey(picture_CHW, self.small)
        known = cv2.resize(self.known, self.small[::-1], interpolation=cv2.INTER_AREA) == 255
        self.small_known = torch.from_numpy(known)
        away = cv2.erode(known.astype(np.uint8), np.ones((2 * DISTURBED + 1,) * 2, np.uint8))
        self.undisturbed = torch.from_numpy(away > 0)

    def seen(self, where_2hw: Tensor) -> Tensor:
        """Whether the picture is seen at places (x, y), (h, w) bool: they lie in it, and nothing hides them."""
        x_hw, y_hw = where_2hw.numpy()
        known = cv2.remap(self.known, x_hw, y_hw, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT, borderValue=0)
        return torch.from_numpy(known == 255)

    def colours(self, where_2hw: Tensor) -> Tensor:
        """The picture (h, w, 3) at places (x, y), in codes as floats."""
        x_hw, y_hw = where_2hw.numpy()
        codes = cv2.remap(self.codes, x_hw, y_hw, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
        return torch.from_numpy(codes.astype(np.float32))


@dataclass(frozen=True, slots=True)
class Motion:
    """Between a frame and the next one, in small pictures: the `camera` (3, 3), flow `forth` and `back` (2, H, W).

    Where a frame is hidden its flow is not that of what hides it, but the camera's and what the surroundings add to it.
    """

    camera: Tensor
    forth: Tensor
    back: Tensor


def motion(one: Shown, other: Shown) -> Motion:
    """How `other` follows `one`."""
    camera_33 = camera_motion(one.grey, other.grey, one.small_known)
    inverse_33 = torch.linalg.inv(camera_33)
    here_2HW = places(torch.eye(3, dtype=torch.float64), one.small)

    def completed(first: Shown, second: Shown, way_33: Tensor) -> Tensor:
        flow_2HW = aligned_flow(first.grey, second.grey, way_33)
        if bool(first.undisturbed.all()):
            return flow_2HW
        plain_2HW = places(way_33, first.small) - here_2HW
        return plain_2HW + membrane(flow_2HW - plain_2HW, first.undisturbed & second.undisturbed)

    return Motion(camera_33, completed(one, other, camera_33), completed(other, one, inverse_33))


@dataclass(frozen=True, slots=True)
class Found:
    """What one way found of a part of a picture: `colour` (3, h, w), `there` (h, w) bool, and how much sources differ.

    `spread` (h, w) is a mean absolute difference, in units of the colour, 0 where there is one source only.
    """

    colour: Tensor
    there: Tensor
    spread: Tensor


def by_camera(window: Sequence[Shown], motions: Sequence[Motion], at: int, part: Part) -> tuple[Found, tuple[int, int]]:
    """What the neighbours of frame `at` of a window show along the camera's motion; `motions` are one fewer.

    In places that are not hidden frames count that are as far away as those that show what is hidden. Beside it how far
    that is, in frames back and on.
    """
    middle = window[at]
    hidden_hw = torch.from_numpy(middle.known[part.slices]) < 255
    ways = chained([motion.camera for motion in motions], at)
    order = sorted((s for s in ways if abs(s) in OFFSETS), key=abs)
    colours: list[Tensor] = []
    seen: list[Tensor] = []
    for s in order:
        where_2hw = places(scaled(ways[s], middle.scale), (part.height, part.width), (part.top, part.left))
        colours.append(window[at + s].colours(where_2hw))
        seen.append(window[at + s].seen(where_2hw))
    if not order:
        nothing = torch.zeros(part.height, part.width)
        return Found(torch.zeros(3, *nothing.shape), nothing > 0, nothing), (1, 1)
    colour_NhwC, seen_Nhw = torch.stack(colours), torch.stack(seen)
    least = _distance(order, seen_Nhw, hidden_hw, -1), _distance(order, seen_Nhw, hidden_hw, 1)
    far_N = torch.tensor([abs(s) >= least[s > 0] for s in order])
    seen_Nhw &= far_N[:, None, None] | hidden_hw
    seen_Nhw &= seen_Nhw.cumsum(0) <= NEAREST
    return _median(colour_NhwC, seen_Nhw), least


def by_flow(window: Sequence[Shown], motions: Sequence[Motion], at: int, part: Part, least: tuple[int, int]) -> Found:
    """What is found along the flow from frame `at`, back and on, until it is shown, and mixed by the distance.

    Places that are not hidden are followed for the `least` number of frames back and on.
    """
    middle = window[at]
    down, across = middle.scale
    start_2hw = places(torch.eye(3, dtype=torch.float64), (part.height, part.width), (part.top, part.left))
    hidden_hw = torch.from_numpy(middle.known[part.slices]) < 255
    total_hwC = torch.zeros(part.height, part.width, 3)
    weight_hw, sources = torch.zeros(part.height, part.width), []
    factor_211 = torch.tensor([across, down])[:, None, None]
    for way in (-1, 1):
        point_2hw = (start_2hw + 0.5) / factor_211 - 0.5
        alive_hw = torch.ones(part.height, part.width, dtype=torch.bool)
        first_hw = torch.where(hidden_hw, 1, least[way > 0])
        colour_hwC, hops_hw = torch.zeros_like(total_hwC), torch.zeros_like(weight_hw)
        for hop, s in enumerate(_path(at, way, len(window)), start=1):
            there, back = _flows(motions, s, way)
            step_2hw = sampled(there, point_2hw)
            point_2hw = point_2hw + step_2hw
            missed_hw = (step_2hw + sampled(back, point_2hw)).square().sum(0)
            alive_hw &= missed_hw < MISSED**2
            where_2hw = (point_2hw + 0.5) * factor_211 - 0.5
            lands_hw = alive_hw & (hop >= first_hw) & window[s].seen(where_2hw)
            if bool(lands_hw.any()):
                colour_hwC[lands_hw], hops_hw[lands_hw] = window[s].colours(where_2hw)[lands_hw], float(hop)
                alive_hw &= ~lands_hw
            if not bool(alive_hw.any()):
                break
        found_hw = hops_hw > 0
        share_hw = torch.where(found_hw, 1 / hops_hw.clamp(min=1), 0)
        total_hwC += colour_hwC * share_hw[..., None]
        weight_hw += share_hw
        sources.append((colour_hwC, found_hw))
    (one, there_one), (two, there_two) = sources
    both_hw = there_one & there_two
    spread_hw = (one - two).abs().mean(-1) / (2 * ONE) * both_hw
    return Found(_colour(total_hwC / weight_hw.clamp(min=1e-6)[..., None]), weight_hw > 0, spread_hw)


def _distance(order: Sequence[int], seen_Nhw: Tensor, hidden_hw: Tensor, side: int) -> int:
    """How far on one side the frame lies that half of all that is ever seen of what is hidden is first seen in."""
    own = [n for n, s in enumerate(order) if s * side > 0]
    if not own:
        return 1
    seen_Mp = seen_Nhw[own][:, hidden_hw]
    ever_p = seen_Mp.any(0)
    if not bool(ever_p.any()):
        return 1
    first_p = seen_Mp[:, ever_p].int().argmax(0)
    return abs(order[own[int(first_p.median())]])


def _median(colour_NhwC: Tensor, seen_Nhw: Tensor) -> Found:
    """The median over those that are seen, and the mean absolute difference from it."""
    count_hw = seen_Nhw.sum(0)
    far_NhwC = torch.where(seen_Nhw[..., None], colour_NhwC, torch.inf).sort(dim=0).values
    middle_hw = ((count_hw - 1).clamp(min=0) // 2)[None, ..., None].expand(1, -1, -1, 3)
    other_hw = (count_hw // 2).clamp(max=len(colour_NhwC) - 1)[None, ..., None].expand(1, -1, -1, 3)
    there_hw = count_hw > 0
    pair = (far_NhwC.gather(0, middle_hw)[0] + far_NhwC.gather(0, other_hw)[0]) / 2
    median_hwC = torch.where(there_hw[..., None] & (count_hw > 1)[..., None], pair, far_NhwC[0])
    median_hwC = torch.where(there_hw[..., None], median_hwC, 0)
    off_Nhw = (colour_NhwC - median_hwC).abs().mean(-1) * seen_Nhw
    return Found(_colour(median_hwC), there_hw, off_Nhw.sum(0) / count_hw.clamp(min=1) / ONE)


def beside(
    window: Sequence[Shown], motions: Sequence[Motion], at: int, part: Part, far: int
) -> list[tuple[Tensor, Tensor]]:
    """The frames `far` before and after frame `at`, or as far as there are any, laid over a part of it by the camera.

    Pictures (3, h, w) and where they are seen, (h, w) bool; frame `at` itself where there is no other.
    """
    middle, ways = window[at], chained([motion.camera for motion in motions], at)
    found: list[tuple[Tensor, Tensor]] = []
    for s in (max(-far, -at), min(far, len(window) - 1 - at)):
        where_2hw = places(scaled(ways[s], middle.scale), (part.height, part.width), (part.top, part.left))
        found.append((_colour(window[at + s].colours(where_2hw)), window[at + s].seen(where_2hw)))
    return found


def _colour(codes_hwC: Tensor) -> Tensor:
    return (codes_hwC.permute(2, 0, 1) - ZERO) / ONE


def _path(at: int, way: int, length: int) -> range:
    return range(at + way, length if way > 0 else -1, way)


def _flows(motions: Sequence[Motion], s: int, way: int) -> tuple[Tensor, Tensor]:
    """Flow to frame `s` from the one before it on the way, and back."""
    return (motions[s - 1].forth, motions[s - 1].back) if way > 0 else (motions[s].back, motions[s].forth)
