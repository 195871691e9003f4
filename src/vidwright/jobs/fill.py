"""Filling what is hidden in frames: copied from where it is seen, and made up where it never is.

    window of frames --camera--> copy --.
                     --flow----> copy --+-- mixed by how well each does on a rim of known pixels --> frame t
                     --inpainted, network--'

A copy is better than anything made up as long as it is of the right thing. Whether it is cannot be seen in the hole, so
all ways are asked for the rim of the hole as well, where the truth is known; their errors there, spread over the hole
and joined by how far their sources disagree, decide which counts how much. So it is with what the network is shown of
other frames. Where those show nothing and inpainting has no errors, as on white paper, it is left as it is.

Shapes: C = 3 channels, H rows, W columns; h, w rows and columns of the part of the picture around the hole.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise

import torch
from torch import Tensor

from vidwright.core import Frame, Needs
from vidwright.core.overlap import spread
from vidwright.core.window import distinct, windows
from vidwright.nn.model import CompletionModel
from vidwright.vision.inpaint import inpainted
from vidwright.vision.masks import grown, parts
from vidwright.vision.membrane import membrane
from vidwright.vision.revealed import REACH, Found, Motion, Part, Shown, beside, by_camera, by_flow, motion

#: Width of the rim around a hole, as a part of the picture's height, and at least, in pixels.
RIM, LEAST_RIM = 1 / 24, 6
#: Frames on either side that the network is shown beside the one that it completes.
APART = 6
#: An error that is as good as none, in units of the peak: two code values.
GOOD = 2 / 255
#: How much disagreement of sources counts beside errors on the rim.
DISAGREEMENT = 1.0
#: The way with half of the error counts 2 to this power times as much.
STRICTNESS = 4.0
#: So many times the error of making it up, an outer frame misleads the network more than it tells it.
MISLEADING = 1.5
#: Where inpainting misses the rim by less, in units of the peak, and no outer frame helps, the network betters nothing.
FLAWLESS = 0.5 / 255
#: How much worse what is made up is thought to be than its error on the rim says: inside of holes it is.
DEEPER = 1.25


@dataclass(frozen=True, slots=True)
class Shares:
    """Of the pixels of a frame that were `hidden`, in [0, 1] of all: how many were copied, the others being made up."""

    hidden: float
    copied: float


class Filler:
    """Frames with what is hidden in them filled; `threads` of them at the same time.

    `network` makes what is never seen; without one it is inpainted.
    """

    needs = Needs(warmup=REACH, lookahead=REACH)

    def __init__(self, network: CompletionModel | None = None, *, threads: int = 1) -> None:
        self.network, self.threads = network, threads

    def stream(
        self,
        frames: Iterable[Frame],
        opacity: Callable[[Frame], Tensor],
        tell: Callable[[Frame, Shares], None] = lambda frame, shares: None,
        begin: Fraction | None = None,
    ) -> Generator[Frame]:
        """Each frame, `REACH` behind the input, with what its opacity (H, W) in [0, 1] says is hidden filled.

        Pixels of opacity 0 are as they came, to the bit. `tell` is told of each frame how it was filled. A frame that
        is hidden as a whole is given back as it is, and so are those before `begin`, which nobody is going to look at.
        """
        looks = (_Look(frame, opacity(frame)) for frame in frames)
        shots = windows(looks, REACH, is_cut=lambda each: each.frame.cut)
        scenes = (_scene(window, begin) for window in shots)
        with closing(spread(self._filled, scenes, threads=self.threads)) as results:
            for frame, shares in results:
                tell(frame, shares)
                yield frame

    @torch.inference_mode()
    def _filled(self, seen: tuple[_Look, Scene | None]) -> tuple[Frame, Shares]:
        look, scene = seen
        if scene is None:
            return look.done(), Shares(float(look.hidden.float().mean()), 0.0)
        data, copied = look.frame.data.clone(), 0
        for hole_HW in parts(grown(look.hidden, rim_of(look.frame.height) // 2)):
            hidden_HW = hole_HW & look.hidden
            part = around(hidden_HW)
            made_Chw, sure_hw = self._made(scene, look.frame.data[:3], look.hidden, part)
            own_hw, old_Chw = hidden_HW[part.slices], data[:3][:, *part.slices]
            blend_Chw = torch.lerp(old_Chw, made_Chw, look.opacity[part.slices].float())
            data[:3][:, *part.slices] = torch.where(own_hw, blend_Chw, old_Chw)
            copied += int((sure_hw & own_hw).sum())
        shares = Shares(float(look.hidden.float().mean()), copied / int(look.hidden.sum()))
        return look.done().with_data(data), shares

    def _made(self, scene: Scene, picture_CHW: Tensor, hidden_HW: Tensor, part: Part) -> tuple[Tensor, Tensor]:
        """What is to be seen in a part of a picture (3, h, w), and which pixels of it are copied for the most part."""
        picture_Chw, hidden_hw = picture_CHW[:, *part.slices], hidden_HW[part.slices]
        camera, least = by_camera(scene.shown, scene.motions, scene.at, part)
        flow = by_flow(scene.shown, scene.motions, scene.at, part, least)
        plain_Chw = inpainted(picture_Chw, hidden_hw)
        rim = Rim(picture_Chw, hidden_hw, len(hidden_HW))
        share_Nhw = shares(rim, [camera, flow])
        copy_Chw = (torch.stack([camera.colour, flow.colour]) * share_Nhw[1:, None]).sum(0)
        sure_hw = share_Nhw[0] < 0.5
        unknown_hw = hidden_hw & ~sure_hw
        if bool(unknown_hw.any()):
            mostly_Chw = torch.where(hidden_hw, copy_Chw + share_Nhw[0] * plain_Chw, picture_Chw)
            plain_Chw = torch.where(unknown_hw, self._completed(scene, mostly_Chw, unknown_hw, part, rim), plain_Chw)
        return copy_Chw + share_Nhw[0] * plain_Chw, sure_hw

    def _completed(self, scene: Scene, picture_Chw: Tensor, unknown_hw: Tensor, part: Part, rim: Rim) -> Tensor:
        """The part with what is unknown made up."""
        middle_Chw = inpainted(picture_Chw, unknown_hw)
        if self.network is None:
            return middle_Chw
        sides = beside(scene.shown, scene.motions, scene.at, part, APART)
        lost = [misleading(rim, *side) for side in sides]
        outer = [prefilled(middle_Chw, unknown_hw, side[0], lost_hw) for side, lost_hw in zip(sides, lost, strict=True)]
        x_TChw = torch.stack([outer[0], middle_Chw, outer[1]])
        unknown_T1hw = torch.stack([lost[0], unknown_hw, lost[1]])[:, None]
        device = next(self.network.parameters()).device
        made_Chw = self.network(x_TChw[None].to(device), unknown_T1hw[None].to(device))[0].cpu()
        flaws_hw = rim.made_up.square()
        share_hw = torch.where(lost[0] & lost[1], flaws_hw / (flaws_hw + FLAWLESS**2), 1.0)
        return torch.lerp(middle_Chw, made_Chw, share_hw)


@dataclass(frozen=True, slots=True)
class Scene:
    """The frames of a window that are of one shot, the motion from each to the next, and the middle one's place."""

    shown: Sequence[Shown]
    motions: Sequence[Motion]
    at: int


class _Look:
    """A frame with what is hidden in it, and what others see of it, found when first asked for."""

    def __init__(self, frame: Frame, opacity_HW: Tensor) -> None:
        self.frame, self.opacity, self.hidden = frame, opacity_HW, opacity_HW > 0
        self._over = False
        self._shown: Shown | None = None
        self._since: Motion | None = None

    @property
    def shown(self) -> Shown:
        if self._shown is None:
            self._shown = Shown(self.frame.data[:3], self.hidden)
            self._let_go()
        return self._shown

    def done(self) -> Frame:
        """The frame, which has had its turn: from now on only what others see of it is kept."""
        frame, self._over = self.frame, True
        self._let_go()
        return frame

    def _let_go(self) -> None:
        if self._over and self._shown is not None:
            self.frame = self.frame.with_data(torch.empty(0))
            self.opacity = torch.empty(0)

    def since(self, last: _Look) -> Motion:
        """The motion from the frame before, which is always the same one."""
        if self._since is None:
            self._since = motion(last.shown, self.shown)
        return self._since


def _scene(window: Sequence[_Look], begin: Fraction | None) -> tuple[_Look, Scene | None]:
    """The middle frame with what it can be filled from; None if there is nothing to fill, or nothing else."""
    look = window[len(window) // 2]
    if begin is not None and look.frame.time < begin:
        return look, None
    if not bool(look.hidden.any()) or bool(look.hidden.all()):
        return look, None
    shot, at = distinct(window)
    return look, Scene([each.shown for each in shot], [b.since(a) for a, b in pairwise(shot)], at)


def around(hidden_HW: Tensor) -> Part:
    """The part of a picture that holds all that is hidden, and the rim around it."""
    height, width = hidden_HW.shape
    rim = rim_of(height) + 2
    rows, columns = (hidden_HW.any(dim).nonzero()[:, 0] for dim in (1, 0))
    top, left = max(int(rows[0]) - rim, 0), max(int(columns[0]) - rim, 0)
    bottom, right = min(int(rows[-1]) + 1 + rim, height), min(int(columns[-1]) + 1 + rim, width)
    return Part(top, left, bottom - top, right - left)


def rim_of(height: int) -> int:
    """Width in pixels of the rim around holes in pictures of so many rows."""
    return max(round(RIM * height), LEAST_RIM)


class Rim:
    """What is known around the hidden pixels of a part of a picture of so many rows: there all ways are judged.

    `made_up` (h, w) is the error to be expected of making it up, judged by inpainting half of the rim.
    """

    def __init__(self, picture_Chw: Tensor, hidden_hw: Tensor, height: int) -> None:
        self._picture, width = picture_Chw, rim_of(height)
        self._known = grown(hidden_hw, width) & ~hidden_hw
        wider_hw = grown(hidden_hw, width // 2)
        tried_Chw = inpainted(picture_Chw, wider_hw)
        self.made_up = DEEPER * expected(tried_Chw, picture_Chw, wider_hw & ~hidden_hw)

    def missed(self, colour_Chw: Tensor, there_hw: Tensor) -> Tensor:
        """The error (h, w) to be expected of what was found, infinite where nothing was."""
        return torch.where(there_hw, expected(colour_Chw, self._picture, self._known & there_hw), torch.inf)


def shares(rim: Rim, ways: Sequence[Found]) -> Tensor:
    """How much each way counts in each pixel of a part of a picture, (1 + ways, h, w), 1 together.

    The first is making it up.
    """
    found = [rim.missed(each.colour, each.there) + DISAGREEMENT * each.spread for each in ways]
    weight_Nhw = (torch.stack([rim.made_up, *found]) + GOOD) ** -STRICTNESS
    return weight_Nhw / weight_Nhw.sum(0)


def misleading(rim: Rim, outer_Chw: Tensor, seen_hw: Tensor) -> Tensor:
    """Where an outer frame that lies over the part is of no use, (h, w) bool: not seen, or a bad fit to the rim."""
    return rim.missed(outer_Chw, seen_hw) + GOOD >= MISLEADING * (rim.made_up + GOOD)


def prefilled(middle_Chw: Tensor, unknown_hw: Tensor, outer_Chw: Tensor, lost_hw: Tensor) -> Tensor:
    """An outer frame (3, h, w) with what is lost of it taken from the middle one.

    Where both are unknown it is inpainted, from what the two of them show around that. So it has the same there as the
    middle one, unless it shows more.
    """
    return inpainted(torch.where(lost_hw, middle_Chw, outer_Chw), lost_hw & unknown_hw)


def expected(colour_Chw: Tensor, truth_Chw: Tensor, known_hw: Tensor) -> Tensor:
    """The mean absolute error (h, w) to be expected everywhere, from that in places where the truth is known."""
    error_1hw = (colour_Chw - truth_Chw).abs().mean(0, keepdim=True)
    return membrane(error_1hw, known_hw)[0]
