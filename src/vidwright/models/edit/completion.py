"""Completion of video: pixels that no frame shows, made from what lies around them in three frames.

    frame t-1, mask --unshuffle x 1/2--stage 0--down--stage 1--down-- .. --stage n ----------.
    frame t,   mask --unshuffle x 1/2--stage 0--down--stage 1--down-- .. --stage n --query--(attend)--stage--up--.
    frame t+1, mask --unshuffle x 1/2--stage 0--down--stage 1--down-- .. --stage n ----------'                   |
                                          |              |                                                       |
                                          |              '------ the same of all three, attended ---(+)--stage--up
                                          '--------------------- the same of all three, attended ---(+)--stage--.
                                                                                                                |
    frame t --------------------------------------------------------------------(+)--> frame t <-- * mask -- shuffle x 2

A U-Net at half the resolution whose encoder sees one frame at a time, and whose skips are attention over time: at each
place and level the middle frame asks all three frames what they have there. Whether a frame knows a place is a part of
its features, so attention finds the frames that do; where none does, it is the coarse levels that carry in what lies
around. Neither the frames' order nor which of the outer ones comes first is told, so a film that runs backwards gives
the same pictures.

Unknown pixels come pre-filled (Telea 2004), and the network makes a change to that: training starts from Telea, and the
convolutions never see the edge that an empty hole would have. Liu et al. 2018 (partial convolutions) and Yu et al. 2019
(gated ones) keep that edge out by masking each convolution. What is made continues edges and shades and is smooth
inside: a squared error asks for the mean of all that might be there. It makes up no texture and no things.

Shapes: B batch, T = 3 frames, C channels, H height, W width, A heads, D channels of a head.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vidwright.core import Card
from vidwright.nn.model import CompletionModel
from vidwright.nn.stages import ResidualStage
from vidwright.nn.unet import linear_conv, up

#: What is changed is small next to the network's own numbers; scaling it keeps the last layer's learning in step.
RESIDUAL_SCALE = 0.25

#: Pixels around a hole that tell something of it. Holes of 50 to 90 pixels across come out 1.75 dB above Telea with as
#: few as these, and with all 160 that are reached, which take three times as long.
MARGIN = 32

#: Channels of one head of the attention.
HEAD = 8


@dataclass(frozen=True, slots=True)
class Config:
    """`widths` in channels from half the resolution down, multiples of 8, and `depth` of the stages in blocks."""

    widths: tuple[int, ...] = (8, 16)
    depth: int = 1

    def __post_init__(self) -> None:
        # A config may come with a stranger's file, and must not be able to ask for all memory.
        if not 1 <= len(self.widths) <= 6 or not all(8 <= width <= 512 for width in self.widths):
            raise ValueError("widths must be up to six, each from 8 to 512")
        if any(width % HEAD for width in self.widths):
            raise ValueError(f"widths must be multiples of {HEAD}")
        if not 1 <= self.depth <= 8:
            raise ValueError("depth must be from 1 to 8")


class Net(CompletionModel):
    """See above; what is made stays the same where a window of the picture is moved by `multiple` pixels."""

    margin = MARGIN

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        widths, depth = config.widths, config.depth
        pairs = list(itertools.pairwise(widths))
        self.multiple = 2 ** len(widths)
        self.reach = _reach(len(widths), depth)
        self.entry = linear_conv(16, widths[0], 3, padding=1)
        self.encoder = nn.ModuleList(ResidualStage(width, depth, act="leaky") for width in widths)
        self.downs = nn.ModuleList(linear_conv(fine, coarse, 2, stride=2) for fine, coarse in pairs)
        self.times = nn.ModuleList(OverTime(width) for width in widths)
        self.ups = nn.ModuleList(up(coarse, fine) for fine, coarse in pairs)
        self.decoder = nn.ModuleList(ResidualStage(width, depth, act="leaky") for width in widths)
        self.exit = nn.Conv2d(widths[0], 12, 3, padding=1)
        nn.init.zeros_(self.exit.weight)  # training starts from what the holes were pre-filled with
        nn.init.zeros_(self.exit.bias)  # pyright: ignore[reportArgumentType]

    def forward(self, x_BTCHW: Tensor, unknown_BT1HW: Tensor) -> Tensor:
        """The middle one of T = 3 frames with its unknown pixels made: (B, 3, H, W) fp32; known ones to the bit.

        Frames are R'G'B' in [0, 1] of any float dtype and size, the outer ones aligned onto the middle one, unknown
        pixels pre-filled by `vision.inpaint.inpainted`; the mask is bool, or float with 1 where unknown. What is made
        may go a little beyond [0, 1].
        """
        middle_BCHW, unknown_B1HW = x_BTCHW[:, 1].float(), unknown_BT1HW[:, 1].float()
        height, width = middle_BCHW.shape[-2:]
        levels = self._encoded(x_BTCHW, unknown_BT1HW)
        skips = [over(level_BTCHW) for over, level_BTCHW in zip(self.times, levels, strict=True)]
        y_BCHW = self.decoder[-1](skips[-1])
        for skip_BCHW, up_, stage in zip(skips[-2::-1], self.ups[::-1], self.decoder[-2::-1], strict=True):
            y_BCHW = stage(skip_BCHW + up_(y_BCHW))
        change_BCHW = F.pixel_shuffle(self.exit(y_BCHW).float(), 2)[..., :height, :width] * RESIDUAL_SCALE
        return torch.where(unknown_B1HW > 0, middle_BCHW + unknown_B1HW * change_BCHW, middle_BCHW)

    def _encoded(self, x_BTCHW: Tensor, unknown_BT1HW: Tensor) -> list[Tensor]:
        """Features (B, T, C, H, W) of each frame by itself, from the finest level down."""
        batch, frames, _, height, width = x_BTCHW.shape
        seen_BTCHW = torch.cat([scaled(x_BTCHW), unknown_BT1HW.to(x_BTCHW.dtype)], dim=2).to(self.entry.weight.dtype)
        rest = (0, -width % self.multiple, 0, -height % self.multiple)
        y_NCHW = F.pixel_unshuffle(F.pad(seen_BTCHW.flatten(0, 1), rest, mode="replicate"), 2)
        y_NCHW = self.encoder[0](self.entry(y_NCHW.contiguous(memory_format=torch.channels_last)))
        levels = [y_NCHW]
        for down, stage in zip(self.downs, self.encoder[1:], strict=True):
            y_NCHW = stage(down(y_NCHW))
            levels.append(y_NCHW)
        return [level_NCHW.unflatten(0, (batch, frames)) for level_NCHW in levels]


class OverTime(nn.Module):
    """Attention over time at each place: the middle frame's features, and what they find in all frames, added.

    (B, T, C, H, W) -> (B, C, H, W). Written out, as there are as many sequences as places and only T keys in each.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.query = nn.Conv2d(channels, channels, 1)
        self.key = nn.Conv2d(channels, channels, 1, bias=False)  # the same for all keys: softmax would not see it
        self.value = nn.Conv2d(channels, channels, 1)
        self.output = nn.Conv2d(channels, channels, 1)

    def forward(self, x_BTCHW: Tensor) -> Tensor:
        middle_BCHW, x_NCHW = x_BTCHW[:, x_BTCHW.shape[1] // 2], x_BTCHW.flatten(0, 1)
        q_BTADHW = self.query(middle_BCHW)[:, None].unflatten(2, (-1, HEAD))
        k_BTADHW, v_BTADHW = (
            part(x_NCHW).unflatten(0, x_BTCHW.shape[:2]).unflatten(2, (-1, HEAD)) for part in (self.key, self.value)
        )
        weights_BTA1HW = ((q_BTADHW * k_BTADHW).sum(dim=3, keepdim=True) * HEAD**-0.5).softmax(dim=1)
        return middle_BCHW + self.output((weights_BTA1HW * v_BTADHW).sum(dim=1).flatten(1, 2))


def _reach(levels: int, depth: int) -> int:
    """Entry and exit, two stages of two convolutions a block at each level, and the strides, at half the resolution."""
    strides = 2 ** (levels - 1)
    rows = 2 + 4 * depth * (2**levels - 1) + 2 * strides
    return 2 * (rows + -rows % strides)


def scaled(picture_BTCHW: Tensor) -> Tensor:
    """[0, 1] as the network has it, about [-2, 2], in which 8-bit codes are exact in bf16."""
    return picture_BTCHW.mul(255 / 64).sub(2)


CARD = Card(
    task="edit",
    summary="pixels that no frame shows, made from around them in three frames",
    build=Net,
    config=Config,
    weights=("fast",),
    paper="Telea 2004, Ronneberger et al. 2015 (U-Net), Zeng et al. 2020 (STTN), Vaswani et al. 2017 (attention)",
)
