"""Following one thing through a shot, by a model of it that is learned on the frame where it was shown.

    key frame, its mask --> appearance, shape, colours and the weights of cues: `Thing`
    corners of the appearance --Lucas-Kanade--> pose: where it is in the next frame as a whole
    colour, residual, difference to the appearance --weights--> log odds --+--> mask --> appearance, shape
    shape at the pose -----------------------------------------------------+

The appearance and the shape are kept as they lie in the key frame, so that no error adds up from frame to frame; they
take a little from each frame, as things turn and bend. Each cue counts as much as it told the thing from its
surroundings around the key: the residual where the background stands still, colour where the thing has its own, the
appearance where it is textured.

Shapes: C = 3 channels of CIE L*a*b* as 8-bit codes, H rows, W columns of a small picture; K = 3 cues; 23 is a pose, as
in `vision/pose.py`; masks are bool (H, W).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import pairwise

import cv2
import torch
from torch import Tensor

from vidwright.vision import masks, pose
from vidwright.vision.evidence import fitted, guided, histogram, log_odds, log_ratio

#: Pixels around the rim in which evidence decides: deeper inside and further outside the shape does.
SLACK = 4
#: What the shape says at `SLACK` pixels from its rim, as log odds, and how much further away that still grows.
PRIOR, FAR = 3.0, 1.5
#: The part that a frame has in the appearance, and in the shape, and what of the key's own shape is put back.
RENEWED, BENT, KEPT = 0.1, 0.3, 0.02
#: The part that a frame has in the colours around.
PASSED = 0.1
#: Pixels by which the shape may be shifted to where the evidence is, and what each costs, in parts of its area.
SHIFT, PRICE = 3, 0.03
#: Pixels from the rim in which corners are not the thing's own.
OFF_RIM = 2
#: How far from the rim pixels are learned from, in pixels, and from how many frames on either side of the key.
RIM, RING, NEAR = 1, 16, 3
#: Codes by which the appearance may be missed without meaning, and how much less lightness counts than colour does.
NOISE, LIGHT = 6.0, 0.7
#: A box: the ellipse in it that is surely of the thing, in parts of its sides, first and then; and the one that is a
#: likely rim, with how fast the log odds fall there.
CORE, LIKELY, STEEP = 0.7, 0.97, 6.0
#: Radius of the blur of log odds in a box, the gaps that are closed, and the part of it that a thing fills at least.
BLUR, GAPS, LEAST = 2.0, 4, 0.25


@dataclass(frozen=True, slots=True, eq=False)
class View:
    """What is looked at of a frame: `lab` (3, H, W), uint8, and `unlike` (H, W), how it differs from its background."""

    lab: Tensor
    unlike: Tensor

    @property
    def grey(self) -> Tensor:
        return self.lab[0]


@dataclass(frozen=True, slots=True, eq=False)
class Thing:
    """What is known of a thing: its `mask` in the key frame, the histogram of its `colours`, the `weights` of cues."""

    mask: Tensor
    colours: Tensor
    weights: Tensor


@dataclass(frozen=True, slots=True, eq=False)
class _Trace:
    """Where the thing is in a frame, its `pose` and `mask`, and how it looks by now.

    `lab` (3, H, W), fp32, and `shape` (H, W), 1 inside and -1 outside with a soft rim, lie as in the key frame;
    `around` is the histogram of the colours around it, and `pace` (2,) how its middle went in the last step.
    """

    pose: Tensor
    mask: Tensor
    lab: Tensor
    shape: Tensor
    around: Tensor
    pace: Tensor


def view(picture_CHW: Tensor, unlike_HW: Tensor) -> View:
    """A picture of R'G'B' in code values as it is looked at."""
    codes = picture_CHW.round().clamp(0, 255).byte().permute(1, 2, 0).contiguous().numpy()
    return View(torch.from_numpy(cv2.cvtColor(codes, cv2.COLOR_RGB2LAB)).permute(2, 0, 1), unlike_HW)


def learned(mask_HW: Tensor, views: Mapping[int, View], at: int) -> Thing:
    """What there is to know of the thing that a mask shows in the view `at`, by the views around that."""
    outside_HW = _ring(mask_HW)
    colours, around = histogram(views[at].lab, mask_HW), histogram(views[at].lab, outside_HW)
    cues = _registered(mask_HW, views, at, colours, around)
    return Thing(mask_HW, colours, fitted(cues, mask_HW, outside_HW))


def boxed(box_HW: Tensor, views: Mapping[int, View], at: int) -> Tensor:
    """The mask of a thing that a box was drawn around in the view `at`.

    What lies around the box is not of the thing, and an ellipse in the middle is taken to be; what tells those from
    each other tells the rest of the box, in two rounds (as in "GrabCut", Rother et al. 2004).
    """
    radius_HW, outside_HW = _radius(box_HW), _ring(box_HW)
    mask_HW, core_HW = radius_HW < LIKELY, radius_HW < CORE
    for _ in range(2):
        colours, around = histogram(views[at].lab, mask_HW), histogram(views[at].lab, outside_HW)
        cues = _registered(mask_HW, views, at, colours, around)
        weights_K = fitted(cues, core_HW, outside_HW)
        odds_HW = torch.stack([log_odds(cues_KHW, weights_K) for cues_KHW in cues]).mean(0)
        odds_HW = torch.from_numpy(cv2.GaussianBlur(odds_HW.numpy(), (0, 0), BLUR)) + STEEP * (LIKELY - radius_HW)
        found_HW = masks.solid((odds_HW > 0) & box_HW, GAPS) & box_HW
        if found_HW.sum() > LEAST * box_HW.sum():
            mask_HW = core_HW = found_HW
    return mask_HW & box_HW


def traced(thing: Thing, views: Iterable[View]) -> Iterator[Tensor]:
    """The thing's masks in views of which the first is that of its key, forwards or back in time; but for that one."""
    middle_3, trace = _middle(thing.mask), None
    for before, here in pairwise(views):
        last = _begun(thing.mask, before) if trace is None else trace
        laid_23 = _laid(last, before, here)
        trace = _found(thing, replace(last, pose=_gone_on(last) if laid_23 is None else laid_23), here)
        trace = replace(trace, pace=(trace.pose - last.pose) @ middle_3)
        yield trace.mask


def _begun(mask_HW: Tensor, key: View) -> _Trace:
    """The trace in the key's own frame."""
    around = histogram(key.lab, _ring(mask_HW))
    return _Trace(pose.still(), mask_HW, key.lab.float(), _rim(mask_HW), around, torch.zeros(2).double())


def _laid(trace: _Trace, before: View, here: View) -> Tensor | None:
    """The pose in the view `here`, of the trace in the one `before`; None for lack of texture.

    The way from frame to frame brings the appearance near, and then that is laid on the frame itself. Corners at the
    rim are not looked at: they are those of what lies behind.
    """
    inside_HW, grey_1HW = masks.grown(trace.shape > 0, -OFF_RIM), trace.lab[:1]
    step_23 = pose.moved(before.grey, here.grey, pose.carried_mask(inside_HW, trace.pose))
    near_23 = _gone_on(trace) if step_23 is None else pose.after(step_23, trace.pose)
    laid_HW = pose.carried(grey_1HW, near_23)[0].round().byte()
    rest_23 = pose.moved(laid_HW, here.grey, pose.carried_mask(inside_HW, near_23))
    if rest_23 is not None:
        return pose.after(rest_23, near_23)
    return None if step_23 is None else near_23


def _gone_on(trace: _Trace) -> Tensor:
    """The pose after another step of the same pace."""
    return pose.shifted(trace.pose, trace.pace)


def _found(thing: Thing, trace: _Trace, here: View) -> _Trace:
    """The trace in the view `here`, near to which its pose leads, its mask there, and what that says of the thing."""
    depth_HW = _expected(trace)
    area = int((depth_HW > 0).sum())
    if not area:
        return replace(trace, mask=depth_HW > 0)
    cues_KHW = _cues(thing, trace, here)
    weights_K = _weighed(thing, cues_KHW, depth_HW)
    odds_HW = log_odds(cues_KHW, weights_K)
    form_HW = torch.where(depth_HW > -SLACK, (depth_HW / SLACK).clamp(-1, 1), 0.0)
    right, down = pose.settling(odds_HW, form_HW, SHIFT, PRICE * area)
    if right or down:
        trace = replace(trace, pose=pose.shifted(trace.pose, torch.tensor([right, down])))
        depth_HW, odds_HW = _expected(trace), log_odds(_cues(thing, trace, here), weights_K)
    prior_HW = PRIOR * (depth_HW / SLACK).clamp(-FAR, FAR)
    mask_HW = masks.solid(prior_HW + guided(odds_HW, here.grey) > 0, 2)
    return _renewed(thing, replace(trace, mask=masks.touching(mask_HW, depth_HW > 0)), here)


def _expected(trace: _Trace) -> Tensor:
    """How many pixels inside of its shape at the pose each pixel lies."""
    return _depth(pose.carried(trace.shape[None], trace.pose)[0] > 0)


def _weighed(thing: Thing, cues_KHW: Tensor, depth_HW: Tensor) -> Tensor:
    """The weights of cues here, held to those of the key: a thing may come to stand, and its background to move.

    By the pixels that are surely inside and around; where it is too thin to have such ones, those of the key.
    """
    inside_HW, around_HW = depth_HW > SLACK, (depth_HW < -SLACK) & (depth_HW > -RING)
    some = bool(inside_HW.any()) and bool(around_HW.any())
    return fitted([cues_KHW], inside_HW, around_HW, thing.weights) if some else thing.weights


def _renewed(thing: Thing, trace: _Trace, here: View) -> _Trace:
    """The trace with what its mask in the view `here` says of how the thing looks; nothing where it is not seen."""
    if not bool(trace.mask.any()):
        return trace
    back_23 = pose.inverse(trace.pose)
    bent_HW = torch.lerp(trace.shape, pose.carried(_rim(trace.mask)[None], back_23)[0], BENT)
    return replace(
        trace,
        lab=torch.lerp(trace.lab, pose.carried(here.lab, back_23), RENEWED),
        shape=torch.lerp(bent_HW, _rim(thing.mask), KEPT),
        around=torch.lerp(trace.around, histogram(here.lab, _ring(trace.mask)), PASSED),
    )


def _cues(thing: Thing, trace: _Trace, here: View) -> Tensor:
    """The cues (K, H, W) of a view in which the trace's pose is known."""
    ratio_HW = log_ratio(here.lab, thing.colours, trace.around)
    return torch.stack([ratio_HW, here.unlike, _missed(pose.carried(trace.lab, trace.pose), here.lab)])


def _registered(mask_HW: Tensor, views: Mapping[int, View], at: int, colours: Tensor, around: Tensor) -> list[Tensor]:
    """The cues (K, H, W) of the views around the key's, carried to where things lie there; or else those of its own."""
    found: list[Tensor] = []
    key = views[at]
    for way in (range(at + 1, at + NEAR + 1), range(at - 1, at - NEAR - 1, -1)):
        trace, before = _begun(mask_HW, key), key
        for here in (views[n] for n in way if n in views):
            laid_23 = _laid(trace, before, here)
            if laid_23 is None:
                break
            trace, before = replace(trace, pose=laid_23), here
            back_23 = pose.inverse(trace.pose)
            cues_KHW = torch.stack([log_ratio(here.lab, colours, around), here.unlike])
            missed_HW = _missed(pose.carried(here.lab, back_23), key.lab)
            found.append(torch.cat([pose.carried(cues_KHW, back_23), missed_HW[None]]))
    return found or [torch.stack([log_ratio(key.lab, colours, around), key.unlike, torch.zeros(mask_HW.shape)])]


def _missed(one_CHW: Tensor, other_CHW: Tensor) -> Tensor:
    """How much two pictures differ in each pixel, as the logarithm of times of `NOISE`."""
    lightness_HW, *colour_HW = (one_CHW.float() - other_CHW.float()).abs()
    off_HW = LIGHT * lightness_HW + sum(colour_HW)
    return torch.from_numpy(cv2.blur(off_HW.numpy(), (3, 3))).div(NOISE).log1p()


def _ring(mask_HW: Tensor) -> Tensor:
    """What lies around a mask, but for its rim."""
    depth_HW = _depth(mask_HW)
    return (depth_HW < -RIM) & (depth_HW > -RING)


def _rim(mask_HW: Tensor) -> Tensor:
    return (_depth(mask_HW) / SLACK).clamp(-1, 1)


def _middle(mask_HW: Tensor) -> Tensor:
    """The middle (x, y, 1) of a mask; any place for one that is empty."""
    y, x = mask_HW.nonzero().double().mean(0).nan_to_num().tolist()
    return torch.tensor([x, y, 1], dtype=torch.float64)


def _depth(mask_HW: Tensor) -> Tensor:
    """How many pixels inside of a mask each pixel lies; below 0 outside."""
    return -masks.signed(mask_HW)


def _radius(box_HW: Tensor) -> Tensor:
    """How far from a box's middle each pixel lies, in its half sides: 1 on the ellipse that touches them."""
    rows, columns = box_HW.any(1).nonzero().flatten(), box_HW.any(0).nonzero().flatten()
    middle_y, middle_x = ((float(places[0]) + float(places[-1])) / 2 for places in (rows, columns))
    y_H1, x_1W = torch.arange(box_HW.shape[0])[:, None] - middle_y, torch.arange(box_HW.shape[1])[None] - middle_x
    return torch.hypot(2 * y_H1 / len(rows), 2 * x_1W / len(columns))
