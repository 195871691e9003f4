"""A small interpolator for a laptop's CPU: frames at any time between two others.

    first, second --shrink-- 1/2 --DIS flow both ways, scaled to t--> flow to first, flow to second
          |                   |                                         |                 |
          |                   '---------------- warp <------------------'                 |
          |                   |                   |                                       |
          |                   '---conv4x4 / 2-----'--> 1/4 --U-Net--> shuffle x 2 --(+)---'
          |                                                             |        |
          '------------------ cubic warp, full size <------ x 2 --- finer flow   '--- features
                                 |            |                                          |
                                 |            '--conv4x4 / 2--> 1/2 --conv3x3--conv3x3---'
                                 |                                                |
               (1 - m) * first + m * second + residual <------ shuffle x 2 -------'
                                        |
                      where nothing moves: the mean of both

Classical flow finds what moves far, which a network of this size cannot see; the network mends its edges, says which of
the two frames to believe (m) and makes what neither has. All that is costly happens at a half or a quarter of the size,
the picture itself stays in fp32 at full size. Of 33.3 dB on the eval clips 33.2 are there before any training: warping
by a cubic instead of a linear kernel is worth 0.6 dB (3.5 on slow motion over fine texture, because half of all pixels
lie between those that were filmed), less smoothing of the flow 0.1, and flow between the two in the middle (Super
SloMo) instead of half of each 0.2. What 1,800 steps of training added is 0.05 dB: they are too few.

Shapes: B batch, T = 2 frames, C channels, H height, W width, S = 2 the sides that a flow goes to; flow is (dx, dy) in
pixels, so S2HW.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vidwright.core import Card, Frame
from vidwright.nn.activation import LEAK
from vidwright.nn.model import InterpolationModel
from vidwright.nn.unet import UNet
from vidwright.nn.warp import warp
from vidwright.vision.flow import optical_flows

#: What the network says is scaled to where its own numbers are about 1: pixels of flow, the mask's logit, and R'G'B'.
FLOW_SCALE = 4.0
MASK_SCALE = 4.0
RESIDUAL_SCALE = 0.25

#: Where the two frames, moved to one time, still differ by more than this in R'G'B' at 1/8 of the size, they are no two
#: moments of one shot, and the nearer one is held: cuts in footage that it had not seen lay above 0.14, and pairs of
#: one shot, 2 to 16 frames apart, below 0.11. To mix both from 0.05 on was tried: water lost 0.7 dB by it.
COARSE = 8
UNLIKE = 0.12

#: Up to this change in R'G'B', two 8-bit code values, nothing moves at a place, and the mean of both frames is shown;
#: from twice as much on the network's. It keeps 0.3 dB on clips that hardly move, and costs none on those that do.
STILL = 2 / 255


@dataclass(frozen=True, slots=True)
class Config:
    """`channels` of the U-Net at 1/4, `features` that it hands on to 1/2, `width` of the convolutions there."""

    channels: int = 32
    features: int = 8
    width: int = 24

    def __post_init__(self) -> None:
        # A config may come with a stranger's file, and must not be able to ask for all memory.
        for name, most in (("channels", 256), ("features", 64), ("width", 256)):
            if not 2 <= getattr(self, name) <= most:
                raise ValueError(f"{name} must be from 2 to {most}")


@dataclass(frozen=True, slots=True)
class _Pair:
    """What is the same for all times between two frames.

    `full` is both frames (B, T, 3, H, W), `half` the same at half the size, `flow` (B, S, 2, H/2, W/2) from each of
    them to the other, `still` (B, 1, H, W) 1 where nothing moves and 0 where it does.
    """

    full: Tensor
    half: Tensor
    flow: Tensor
    still: Tensor


class Net(InterpolationModel):
    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        channels, width = config.channels, config.width
        self.squeeze = _halving(12, channels)
        # Besides what was squeezed it is shown both flows and the time; it answers at 1/2, so in fours.
        self.refine = UNet(
            channels + 5,
            4 * (4 + config.features),
            (channels, 3 * channels // 2, 2 * channels),
            depth=1,
            act="leaky",
        )
        self.entry = _halving(6, width)
        self.inner = nn.Conv2d(width + config.features, width, 3, padding=1)
        self.exit = nn.Conv2d(width, 4 * (1 + 3), 3, padding=1)
        nn.init.kaiming_normal_(self.inner.weight, a=LEAK)
        for part in (self.refine.exit.weight[: 4 * 4], self.refine.exit.bias, self.exit.weight, self.exit.bias):
            if part is not None:
                nn.init.zeros_(part.detach())  # training starts from the mean of both frames, moved along DIS flow

    def forward(self, x_BTCHW: Tensor, t_B: Tensor) -> Tensor:
        """The frames at `t_B`, in (0, 1), between two: (B, 2, 3, H, W) in [0, 1], any dtype -> (B, 3, H, W) fp32."""
        made_BCHW, _ = self._at(_pair(x_BTCHW), t_B)
        return made_BCHW[..., : x_BTCHW.shape[-2], : x_BTCHW.shape[-1]]

    @torch.inference_mode()
    def between(self, first: Frame, second: Frame, times: Sequence[Fraction]) -> list[Frame]:
        """The frames at `times`: made, or, where the two do not belong together, the nearer of them.

        What they hold outside the nominal range is no further outside than in the two.
        """
        weight = self.exit.weight
        x_BTCHW = torch.stack([first.data, second.data])[None].to(weight.device)
        low, high = min(float(x_BTCHW.amin()), 0.0), max(float(x_BTCHW.amax()), 1.0)
        pair = _pair(x_BTCHW)
        found: list[Frame] = []
        for time in times:
            t = float((time - first.time) / (second.time - first.time))
            made_BCHW, difference_B = self._at(pair, torch.tensor([t], device=weight.device))
            data = made_BCHW[0, :, : first.height, : first.width].clamp(low, high).cpu()
            if float(difference_B) > UNLIKE:
                data = (first if 2 * t <= 1 else second).data
            found.append(replace(first, data=data, time=time, duration=None, cut=False))
        return found

    def _at(self, pair: _Pair, t_B: Tensor) -> tuple[Tensor, Tensor]:
        """The frame at `t_B` in fp32, its sides multiples of 4, and how much there the two frames differ (B,)."""
        t_B111 = t_B.view(-1, 1, 1, 1).float()
        flow_BS2HW = _flow_at(pair.flow, t_B111)
        change_BS2HW, features_BCHW = self._refined(pair.half, flow_BS2HW, t_B111)
        flow_BS2HW = flow_BS2HW + change_BS2HW
        full_BCHW = 2 * F.interpolate(flow_BS2HW.flatten(1, 2), scale_factor=2, mode="bilinear")
        first_BCHW, second_BCHW = (
            warp(pair.full[:, n], full_BCHW[:, 2 * n : 2 * n + 2], mode="bicubic") for n in (0, 1)
        )
        y_BCHW = self._lean(self.entry(self._seen(first_BCHW, second_BCHW)))
        y_BCHW = self._lean(self.inner(torch.cat([y_BCHW, features_BCHW], dim=1)))
        y_BCHW = F.pixel_shuffle(self.exit(y_BCHW), 2).float()
        mask_B1HW = torch.sigmoid(MASK_SCALE * y_BCHW[:, :1] + torch.logit(t_B111))
        made_BCHW = torch.lerp(first_BCHW, second_BCHW, mask_B1HW) + RESIDUAL_SCALE * y_BCHW[:, 1:]
        mean_BCHW = torch.lerp(pair.full[:, 0], pair.full[:, 1], t_B111)
        made_BCHW = torch.lerp(made_BCHW, mean_BCHW, pair.still)
        return made_BCHW, _difference(first_BCHW, second_BCHW, mask_B1HW)

    def _refined(self, half_BTCHW: Tensor, flow_BS2HW: Tensor, t_B111: Tensor) -> tuple[Tensor, Tensor]:
        """What is to be added to the flows (B, S, 2, H, W) in fp32, and features (B, C, H, W), at half the size."""
        moved = [warp(half_BTCHW[:, n], flow_BS2HW[:, n]) for n in (0, 1)]
        squeezed_BCHW = self._lean(self.squeeze(self._seen(*moved, *half_BTCHW.unbind(1))))
        known_BCHW = F.avg_pool2d(flow_BS2HW.flatten(1, 2), 2) / FLOW_SCALE
        time_B1HW = t_B111.expand(-1, 1, *known_BCHW.shape[-2:])
        known_BCHW = torch.cat([known_BCHW, time_B1HW], dim=1).to(squeezed_BCHW.dtype)
        found_BCHW = F.pixel_shuffle(self.refine(torch.cat([squeezed_BCHW, known_BCHW], dim=1)), 2)
        return FLOW_SCALE * found_BCHW[:, :4].float().unflatten(1, (2, 2)), found_BCHW[:, 4:]

    def _seen(self, *pictures: Tensor) -> Tensor:
        """Pictures as the network sees them, in its dtype and layout."""
        x_BCHW = torch.cat(pictures, dim=1).sub_(0.5)
        return x_BCHW.to(self.exit.weight.dtype, memory_format=torch.channels_last)

    @staticmethod
    def _lean(x_BCHW: Tensor) -> Tensor:
        return F.leaky_relu(x_BCHW, LEAK, inplace=True)


def _halving(inputs: int, outputs: int) -> nn.Conv2d:
    conv = nn.Conv2d(inputs, outputs, 4, stride=2, padding=1)
    nn.init.kaiming_normal_(conv.weight, a=LEAK)
    return conv


def _pair(x_BTCHW: Tensor) -> _Pair:
    height, width = x_BTCHW.shape[-2:]
    full_BTCHW = F.pad(x_BTCHW.float(), (0, -width % 4, 0, -height % 4, 0, 0), mode="replicate")
    half_BTCHW = _halved(full_BTCHW)
    both_BTCHW = half_BTCHW.flatten(0, 1), half_BTCHW.flip(1).flatten(0, 1)  # there and back
    flow_BS2HW = optical_flows(*both_BTCHW, preset="light").unflatten(0, half_BTCHW.shape[:2])
    return _Pair(full_BTCHW, half_BTCHW, flow_BS2HW, _still(half_BTCHW))


def _halved(x_BTCHW: Tensor) -> Tensor:
    """Means of 2x2 pixels, in a sixth of the time of `F.avg_pool2d`."""
    above, below = x_BTCHW[..., 0::2, :], x_BTCHW[..., 1::2, :]
    return (above[..., 0::2] + above[..., 1::2]).add_(below[..., 0::2]).add_(below[..., 1::2]).div_(4)


def _still(half_BTCHW: Tensor) -> Tensor:
    """1 where no neighbour changes by more than `STILL` from first to second, 0 where one does by twice that."""
    change_B1HW = (half_BTCHW[:, 0] - half_BTCHW[:, 1]).abs().amax(dim=1, keepdim=True)
    near_B1HW = F.max_pool2d(change_B1HW, 3, stride=1, padding=1)
    return F.interpolate((2 - near_B1HW / STILL).clamp(0, 1), scale_factor=2, mode="bilinear")


def _flow_at(flow_BS2HW: Tensor, t_B111: Tensor) -> Tensor:
    """Flow from the frame at `t` to first and to second, if all moves evenly; Jiang et al. 2018 (Super SloMo)."""
    there_B2HW, back_B2HW = flow_BS2HW.unbind(1)
    to_first_B2HW = t_B111 * (t_B111 * back_B2HW - (1 - t_B111) * there_B2HW)
    to_second_B2HW = (1 - t_B111) * ((1 - t_B111) * there_B2HW - t_B111 * back_B2HW)
    return torch.stack([to_first_B2HW, to_second_B2HW], dim=1)


def _difference(first_BCHW: Tensor, second_BCHW: Tensor, mask_B1HW: Tensor) -> Tensor:
    """How much two frames at one time differ (B,) at a coarse size, weighted by how much both of them are shown."""

    def coarse(x_BCHW: Tensor) -> Tensor:
        return F.avg_pool2d(x_BCHW, COARSE, ceil_mode=True, count_include_pad=False)

    both_B1HW = coarse(mask_B1HW * (1 - mask_B1HW))
    change_B1HW = coarse(first_BCHW - second_BCHW).abs().mean(dim=1, keepdim=True)
    return (change_B1HW * both_B1HW).sum(dim=(1, 2, 3)) / both_B1HW.sum(dim=(1, 2, 3)).clamp(min=1e-6)


CARD = Card(
    task="enhance",
    summary="frames between frames: classical flow, mended and merged by a small network",
    build=Net,
    config=Config,
    weights=("fast",),
    paper="flow at any time: Jiang et al. 2018 (Super SloMo); DIS flow: Kroeger et al. 2016; U-Net: Ronneberger 2015",
)
