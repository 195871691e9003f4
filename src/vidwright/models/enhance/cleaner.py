"""A blind cleaner of video: noise, coding artefacts and a light blur, without being told which and how much of it.

    frames t-r .. t+r --(align to t)-- unshuffle x 1/2 --.---------------> U-Net -- shuffle x 2 --(*)--(+)--> frame t
             |                                           |                   ^                     ^    ^
             |                                           '--> estimate ------'---> damage ---> gate'    |
             '----------------------------------------- frame t, fp32 ----------------------------------'

A space-time U-Net at half the resolution, the frames side by side as channels (Tassano et al. 2020, FastDVDnet, does so
in two steps and is told the noise). It makes only what is to be taken away; the picture itself stays in fp32.

What is remembered is the window: the features of `radius` frames on either side, and the flow from each frame to the
next, are made once and kept. A recurrent state without end would make a frame hang on all that came before it, and a
clip cut into pieces would no longer be the clip.

The estimate reads the whole window, is told the truth while it learns (the RMS error of the input, as `damage`), and
scales and shifts the U-Net's channels (Perez et al. 2018, FiLM). Below a damage that nobody sees the gate is shut, and
a frame comes out as it came in, to the bit. Noise it knows to a fifth of an octave. Coding it hardly tells from detail:
clean footage is given about 2, so the gate stays open, and it is the U-Net that leaves it alone: to between 47 and
62 dB what cameras see, to 41 a page of text.

Alignment is along optical flow (DIS), found on grey pictures of half the size, where noise is weaker; from frame to
frame, and put together over longer distances.

Shapes: B batch, T = 2r + 1 frames, C channels, H height, W width, D channels of the condition.
"""

from __future__ import annotations

import itertools
from collections.abc import Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vidwright.core import Card, Frame, Needs
from vidwright.core.overlap import spread
from vidwright.core.window import windows
from vidwright.nn.activation import LEAK
from vidwright.nn.model import FrameModel
from vidwright.nn.tile import stripes
from vidwright.nn.unet import UNet
from vidwright.nn.warp import warp
from vidwright.vision.flow import Preset, optical_flows

#: Rows times columns, of half the resolution, that run at once: 1080p is one stripe, 4K four.
STRIPE_POSITIONS = 2**19

#: One code value of eight bits as the network sees it: less does not count.
ONE_CODE = 1 / 64

#: What is taken away is small next to the network's own numbers; scaling it keeps the last layer's learning in step.
RESIDUAL_SCALE = 0.25

#: Damage, log2 of the RMS error in code values, before anything is learned of it: an error of 8.
USUAL_DAMAGE = 3.0
#: The gate is shut up to the first damage (an error of 1.4 code values, 45 dB) and open from the second on (2.8).
GATE = (0.5, 1.5)

#: How thorough the search for motion is. Where noise has a sigma of 25, alignment over one frame comes to 31.6 dB by
#: "fast", 32.6 by "light" and 32.8 by "medium", which takes twice as long as "light"; smoothing first earns 0.4.
SEARCH: Preset = "light"


@dataclass(frozen=True, slots=True)
class Config:
    """`radius` in frames; whether to `align` neighbours; `widths` and `depth` of the U-Net; `estimate` channels."""

    radius: int = 2
    align: bool = True
    widths: tuple[int, ...] = (8, 12)
    depth: int = 1
    estimate: int = 4

    def __post_init__(self) -> None:
        # A config may come with a stranger's file, and must not be able to ask for all memory.
        for name, least, most in (("radius", 0, 4), ("depth", 1, 8), ("estimate", 1, 128)):
            if not least <= getattr(self, name) <= most:
                raise ValueError(f"{name} must be from {least} to {most}")
        if not 1 <= len(self.widths) <= 5 or not all(1 <= width <= 512 for width in self.widths):
            raise ValueError("widths must be up to five, each from 1 to 512")


class Net(FrameModel):
    """`strength` scales what is taken away: 1 as learned, 0 nothing."""

    strength: float = 1.0

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        self.needs = Needs(warmup=config.radius, lookahead=config.radius)
        inputs = 12 * (2 * config.radius + 1)
        self.estimate = Estimate(inputs, config.estimate)
        self.unet = UNet(inputs, 12, config.widths, depth=config.depth, act="leaky", condition=self.estimate.condition)
        nn.init.zeros_(self.unet.exit.weight)  # training starts from the input
        nn.init.zeros_(self.unet.exit.bias)  # pyright: ignore[reportArgumentType]

    def forward(self, x_BTCHW: Tensor, *, margin: int = 0, with_damage: bool = False) -> Tensor | tuple[Tensor, Tensor]:
        """Clean the middle of 2r + 1 frames: (B, T, 3, H, W) in [0, 1], any float dtype -> (B, 3, H, W) fp32.

        `margin` pixels on each side are cut off once motion is known: what a whole picture has around a place, and a
        crop in training would not. `with_damage` adds the estimated damage (B,): log2 of the RMS error of the middle
        frame in code values.
        """
        r, pictures = self.config.radius, [scaled(picture_BCHW) for picture_BCHW in x_BTCHW.unbind(1)]
        if self.config.align:
            small = [reduced(picture_BCHW) for picture_BCHW in x_BTCHW.unbind(1)]
            behind = [motion(one, other) for one, other in itertools.pairwise(small[r::-1])]
            ahead = [motion(one, other) for one, other in itertools.pairwise(small[r:])]
            pictures = aligned(pictures, behind, ahead)
        inner = (..., slice(margin, x_BTCHW.shape[-2] - margin), slice(margin, x_BTCHW.shape[-1] - margin))
        features = [self.features(picture_BCHW[inner]) for picture_BCHW in pictures]
        clean_BCHW, damage_B = self.clean(x_BTCHW[:, r][inner], features)
        return (clean_BCHW, damage_B) if with_damage else clean_BCHW

    def features(self, scaled_BCHW: Tensor) -> Tensor:
        """One picture as the network sees it, (B, 12, H/2, W/2), in its dtype and layout; odd sides are padded."""
        height, width = scaled_BCHW.shape[-2:]
        x_BCHW = scaled_BCHW.to(next(self.parameters()).dtype)
        if height % 2 or width % 2:
            x_BCHW = F.pad(x_BCHW, (0, width % 2, 0, height % 2), mode="replicate")
        return F.pixel_unshuffle(x_BCHW, 2).contiguous(memory_format=torch.channels_last)

    def clean(self, middle_BCHW: Tensor, features: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        """The middle frame less what the network finds to be damage, and how much that is."""
        x_BCHW = torch.cat(list(features), dim=1)
        damage_B, c_BD = self.estimate(x_BCHW)
        shut, open_ = GATE
        part_B = ((damage_B - shut) / (open_ - shut)).clamp(0, 1) * (self.strength * RESIDUAL_SCALE)
        rows = max(STRIPE_POSITIONS // x_BCHW.shape[-1], 1)
        rows += -rows % self.unet.multiple
        clean_BCHW = middle_BCHW.float().clone()
        for stripe, out_BCHW in stripes(lambda part: self.unet(part, c_BD), x_BCHW, rows=rows, halo=self.unet.reach):
            clean = clean_BCHW[..., 2 * stripe.start : 2 * stripe.stop, :]
            residual = F.pixel_shuffle(out_BCHW.float() * part_B.view(-1, 1, 1, 1), 2)
            clean.add_(residual[..., : clean.shape[-2], : clean.shape[-1]])
        return clean_BCHW, damage_B

    def stream(self, frames: Iterable[Frame]) -> Generator[Frame, None, None]:
        """Clean frames one by one, `radius` frames behind the input; nothing is shared across a cut."""
        r = self.config.radius

        @torch.inference_mode()
        def cleaned(window: tuple[Seen, ...]) -> Frame:
            if self.config.align:
                behind = [one.back for one in window[r:0:-1]]
                ahead = [
                    other.forth if other is not one else other.still for one, other in itertools.pairwise(window[r:])
                ]
                pictures = aligned([seen.scaled for seen in window], behind, ahead)
                features = [self.features(picture_BCHW) for picture_BCHW in pictures]
            else:
                features = [seen.features for seen in window]
            clean_BCHW, _ = self.clean(window[r].picture, features)
            return window[r].frame.with_data(clean_BCHW[0].cpu())

        shots = windows(self._seen(frames), r, is_cut=lambda seen: seen.frame.cut)
        yield from spread(cleaned, shots, threads=self.at_once)

    def _seen(self, frames: Iterable[Frame]) -> Iterator[Seen]:
        device, last = next(self.parameters()).device, None
        for frame in frames:
            with torch.inference_mode():
                last = Seen(self, frame, frame.data[None].to(device), None if frame.cut else last)
            yield last


class Seen:
    """A frame with what is made of it once for all windows: `features`, or motion `back` to the last and `forth`.

    Pictures are (1, 3, H, W), motion is (1, 2, H/2, W/2); at the beginning of a shot there is none.
    """

    def __init__(self, net: Net, frame: Frame, picture: Tensor, last: Seen | None) -> None:
        self.frame, self.picture, self.scaled = frame, picture, scaled(picture)
        if not net.config.align:
            self.features = net.features(self.scaled)
            return
        self.small = reduced(picture)
        self.still = torch.zeros_like(self.small).repeat(1, 2, 1, 1)
        self.back = motion(self.small, last.small) if last else self.still
        self.forth = motion(last.small, self.small) if last else self.still


def scaled(picture_BCHW: Tensor) -> Tensor:
    """[0, 1] as the network has it, about [-2, 2], in which 8-bit codes are exact in bf16 (no division by 127.5)."""
    return picture_BCHW.mul(255 / 64).sub_(2)


def reduced(picture_BCHW: Tensor) -> Tensor:
    """Grey, half the size and smoothed, (B, 1, H/2, W/2): what motion is found on, with a tenth of the noise."""
    grey_B1HW = F.avg_pool2d(picture_BCHW.float().mean(dim=1, keepdim=True), 2, ceil_mode=True)
    return F.avg_pool2d(grey_B1HW, 3, stride=1, padding=1, count_include_pad=False)


def motion(one_B1HW: Tensor, other_B1HW: Tensor) -> Tensor:
    """Flow (B, 2, H, W) from reduced pictures to others, in their own pixels."""
    return optical_flows(one_B1HW, other_B1HW, preset=SEARCH)


def aligned(pictures: Sequence[Tensor], behind: Sequence[Tensor], ahead: Sequence[Tensor]) -> list[Tensor]:
    """2r + 1 pictures (B, C, H, W), each moved to where the middle one has the same things.

    `behind` and `ahead` are r flows each, from frame to frame, outwards from the middle.
    """
    r, middle_BCHW = len(ahead), pictures[len(ahead)]
    if not r:
        return [middle_BCHW]
    paths = [*reversed([*itertools.accumulate(behind, _onward)]), *itertools.accumulate(ahead, _onward)]
    height, width = middle_BCHW.shape[-2:]
    flow_B2HW = F.interpolate(2 * torch.cat(paths), scale_factor=2, mode="bilinear")[..., :height, :width]
    moved = warp(torch.cat([*pictures[:r], *pictures[r + 1 :]]), flow_B2HW).split(len(middle_BCHW))
    return [*moved[:r], middle_BCHW, *moved[r:]]


def _onward(path_B2HW: Tensor, step_B2HW: Tensor) -> Tensor:
    """The flow along `path` and from where it ends one step on."""
    return path_B2HW + warp(step_B2HW, path_B2HW)


class Estimate(nn.Module):
    """(B, inputs, H, W) -> damage (B,) and the U-Net's condition (B, D): how strong and how sparse details are.

    Noise fills every band alike, codecs empty some and keep a few strong details in others. So what is pooled is the
    logarithm, for which weak and strong damage are equally far apart, of the mean magnitude and the mean of logarithms.
    """

    def __init__(self, inputs: int, channels: int) -> None:
        super().__init__()
        self.condition = 2 * channels + 1
        self.first = nn.Conv2d(inputs, channels, 3, stride=2, padding=1, bias=False)
        self.second = nn.Conv2d(channels, channels, 3, stride=2, padding=1)
        self.mix = nn.Linear(4 * channels, 2 * channels)
        self.damage = nn.Linear(2 * channels, 1)

    def forward(self, x_BCHW: Tensor) -> tuple[Tensor, Tensor]:
        kernel = self.first.weight - self.first.weight.mean(dim=(1, 2, 3), keepdim=True)  # blind to the light itself
        fine_BCHW = F.conv2d(x_BCHW, kernel, stride=2, padding=1).abs()
        coarse_BCHW = self.second(fine_BCHW).abs()
        statistics = [pooled for map_BCHW in (fine_BCHW, coarse_BCHW) for pooled in _strength(map_BCHW.float())]
        c_BD = F.leaky_relu(self.mix(torch.cat(statistics, dim=1).to(x_BCHW.dtype)), LEAK)
        damage_B1 = self.damage(c_BD)
        return USUAL_DAMAGE + damage_B1[:, 0].float(), torch.cat([c_BD, damage_B1], dim=1)


def _strength(magnitude_BCHW: Tensor) -> tuple[Tensor, Tensor]:
    """log2 of the mean and the mean of log2, (B, C) each: far apart where few are large."""
    mean_BC = magnitude_BCHW.mean(dim=(-2, -1))
    return (mean_BC + ONE_CODE).log2(), (magnitude_BCHW + ONE_CODE).log2().mean(dim=(-2, -1))


CARD = Card(
    task="enhance",
    summary="noise, coding artefacts and light blur taken out of video, blindly",
    build=Net,
    config=Config,
    weights=("fast",),
    paper="Tassano et al. 2020 (FastDVDnet), Ronneberger et al. 2015 (U-Net), Perez et al. 2018 (FiLM)",
)
