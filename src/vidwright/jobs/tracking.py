"""Tracking a region through its shot, both ways from where it was shown, before anything is edited.

    frames --small--> pictures and residuals, on disk --a model of the thing from each key, back and on--> masks

Between two keys each frame's mask comes from the nearer one, so a correction changes what lies between its neighbours
and nothing else. A shot without a key has no mask.

Shapes: H rows, W columns; h, w those of small pictures.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from vidwright.core import Frame
from vidwright.core.window import distinct, windows
from vidwright.jobs.records import Records
from vidwright.vision import masks
from vidwright.vision.camera import camera_motion
from vidwright.vision.flow import small_grey, small_size
from vidwright.vision.following import NEAR, Thing, View, boxed, learned, traced, view
from vidwright.vision.residual import LINES, OFFSETS, moving, residual, shadowed, unlike, with_shadow


def track(frames: Iterable[Frame], keys: Mapping[int, Tensor], *, shadows: bool = False) -> Iterator[Tensor]:
    """A mask (H, W), bool, for each frame: that of what the `keys` show, masks by the frame's number.

    A key that is an upright rectangle is taken for a box around what is to be followed, any other for the thing itself.
    With `shadows` what it darkens beside it belongs to it.
    Shots are worked on one after the other; of each its small pictures lie in temporary files.
    """
    for shot in _shots(frames):
        own = {n - shot.first: key for n, key in keys.items() if shot.first <= n < shot.first + shot.length}
        _follow(shot, own)
        for n in range(shot.length):
            mask_hw = shot.masks[n] if own else torch.zeros(shot.small, dtype=torch.bool)
            yield masks.resized(with_shadow(mask_hw, shot.shadows[n]) if shadows else mask_hw, shot.size)
        shot.close()


class _Shot:
    """A shot on disk: from frame `first` on `length` small pictures, where they may have shadows, and masks."""

    def __init__(self, first: int, size: tuple[int, int], small: tuple[int, int]) -> None:
        self.first, self.length, self.size, self.small = first, 0, size, small
        self._labs, self._unlikes = Records((3, *small), torch.uint8), Records(small, torch.float16)
        self.shadows, self.masks = (Records(small, torch.bool) for _ in range(2))

    def add(self, seen: View, shadow_HW: Tensor) -> None:
        n, self.length = self.length, self.length + 1
        self._labs[n], self._unlikes[n], self.shadows[n] = seen.lab, seen.unlike, shadow_HW

    def view(self, n: int) -> View:
        return View(self._labs[n], self._unlikes[n].float())

    def close(self) -> None:
        for records in (self._labs, self._unlikes, self.shadows, self.masks):
            records.close()


def _shots(frames: Iterable[Frame]) -> Iterator[_Shot]:
    """Each shot once it is read whole."""
    shot: _Shot | None = None
    for number, window in enumerate(windows(_small(frames), max(OFFSETS), is_cut=lambda each: each.cut)):
        middle = window[len(window) // 2]
        if shot is None or middle.cut:
            if shot is not None:
                yield shot
            shot = _Shot(number, middle.size, (middle.grey.shape[0], middle.grey.shape[1]))
        seen, at = distinct(window)
        cameras = [each.camera for each in seen[1:]]
        left_Chw = residual([each.picture for each in seen], cameras, at)
        shot.add(view(middle.picture, unlike(left_Chw)), shadowed(left_Chw, moving(left_Chw)))
    if shot is not None:
        yield shot


@dataclass(frozen=True, slots=True, eq=False)
class _Small:
    """A frame as it is looked at: `picture` (3, h, w) in code values, `grey`, and the `camera`'s way to it."""

    size: tuple[int, int]
    picture: Tensor
    grey: Tensor
    camera: Tensor
    cut: bool


def _small(frames: Iterable[Frame]) -> Iterator[_Small]:
    last: Tensor | None = None
    for frame in frames:
        size = (frame.height, frame.width)
        small = small_size(*size, LINES)
        picture_Chw = F.interpolate(frame.data[None, :3], small, mode="area")[0] * 255
        grey_hw = small_grey(frame.data, small)
        camera_33 = torch.eye(3, dtype=torch.float64)
        if last is not None and not frame.cut:
            camera_33 = camera_motion(last, grey_hw)
        yield _Small(size, picture_Chw, grey_hw, camera_33, frame.cut)
        last = grey_hw


def _follow(shot: _Shot, keys: Mapping[int, Tensor]) -> None:
    """Write the shot's masks; keys are by the frame's place in it."""
    places = sorted(keys)
    for number, at in enumerate(places):
        before = 0 if number == 0 else (places[number - 1] + at) // 2 + 1
        after = shot.length - 1 if number == len(places) - 1 else (at + places[number + 1]) // 2
        thing = _shown(shot, keys[at], at)
        shot.masks[at] = thing.mask
        for way in (range(at, after + 1), range(at, before - 1, -1)):
            for n, mask_hw in zip(way[1:], traced(thing, map(shot.view, way)), strict=True):
                shot.masks[n] = mask_hw


def _shown(shot: _Shot, key_HW: Tensor, at: int) -> Thing:
    """The thing that a key shows in frame `at`, learned from that and the frames around it."""
    around = {n: shot.view(n) for n in range(max(at - NEAR, 0), min(at + NEAR + 1, shot.length))}
    mask_hw = masks.resized(key_HW, shot.small)
    if bool(mask_hw.any()) and torch.equal(masks.bounds(key_HW), key_HW):
        mask_hw = boxed(mask_hw, around, at)
    return learned(mask_hw, around, at)
