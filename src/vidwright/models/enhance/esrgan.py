"""ESRGAN: residual blocks of residual blocks of dense blocks, and enlargement by nearest neighbour and convolution.

    frame --unshuffle u--entry--RRDB-- ... --RRDB--trunk--(+)--[nearest x2--conv] ..--fine--exit--> frame
                               |                           |
                               '---------------------------'

    RRDB:   x --dense--dense--dense--* 0.2--(+)-->       dense:   x1 .. x4, each = conv(x and those before it)
            |                                |                    x + 0.2 * conv(x, x1, x2, x3, x4)
            '--------------------------------'

The network that most upscalers of pictures in the wild were trained as, from ESRGAN on, over Real-ESRGAN and BSRGAN to
those of hobbyists; it comes without weights here and runs theirs (`weights/foreign.py`). Where it enlarges by less
than 4, Real-ESRGAN folds the picture first (u = 4 / s), so that all the work is done on fewer positions.

Shapes: B batch, C channels, H height, W width of the input; s scale, u unshuffle.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vidwright.core import Card, Needs
from vidwright.nn.picture import PictureModel
from vidwright.nn.tile import Tiles

#: Slope of the leaky rectifier below zero, and the share of a branch that is added to its input.
LEAK, SHARE = 0.2, 0.2

#: Convolutions of a dense block, and dense blocks of an RRDB.
DENSE, BLOCKS = 5, 3

#: Positions around a tile that it is shown. Through all its convolutions the network could see hundreds, which would be
#: mostly lost work; the tools it was published with show 10.
HALO = 16


@dataclass(frozen=True, slots=True)
class Config:
    """`scale` of the output, `unshuffle` of the input; `channels` inside, `growth` of dense blocks, `depth` in RRDBs.

    `scale * unshuffle` is a power of two. ESRGAN has 64 channels, a growth of 32 and a depth of 23.
    """

    scale: int = 2
    unshuffle: int = 1
    channels: int = 16
    growth: int = 8
    depth: int = 2

    def __post_init__(self) -> None:
        # A config may come with a stranger's file, and must not be able to ask for all memory.
        for name, most in (("scale", 8), ("unshuffle", 4), ("channels", 128), ("growth", 64), ("depth", 64)):
            if not 1 <= getattr(self, name) <= most:
                raise ValueError(f"{name} must be from 1 to {most}")
        if (self.scale * self.unshuffle).bit_count() != 1:
            raise ValueError("scale times unshuffle must be a power of two")


class Dense(nn.Module):
    """Convolutions that each see the input and what all before them made (Huang et al. 2017)."""

    def __init__(self, channels: int, growth: int) -> None:
        super().__init__()
        widths = [growth] * (DENSE - 1) + [channels]
        self.convs = nn.ModuleList(
            nn.Conv2d(channels + n * growth, width, 3, padding=1) for n, width in enumerate(widths)
        )

    def forward(self, x_BCHW: Tensor) -> Tensor:
        seen = [x_BCHW]
        for conv in self.convs[:-1]:
            seen.append(F.leaky_relu(conv(torch.cat(seen, dim=1)), LEAK, inplace=True))
        return x_BCHW + SHARE * self.convs[-1](torch.cat(seen, dim=1))


class Rrdb(nn.Module):
    """A residual block of dense blocks."""

    def __init__(self, channels: int, growth: int) -> None:
        super().__init__()
        self.dense = nn.Sequential(*(Dense(channels, growth) for _ in range(BLOCKS)))

    def forward(self, x_BCHW: Tensor) -> Tensor:
        return x_BCHW + SHARE * self.dense(x_BCHW)


class Net(PictureModel):
    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        self.needs = Needs(scale=config.scale, multiple_of=config.unshuffle)
        channels, folded = config.channels, config.unshuffle**2
        doublings = (config.scale * config.unshuffle).bit_length() - 1
        self.entry = nn.Conv2d(3 * folded, channels, 3, padding=1)
        self.blocks = nn.Sequential(*(Rrdb(channels, config.growth) for _ in range(config.depth)))
        self.trunk = nn.Conv2d(channels, channels, 3, padding=1)
        self.ups = nn.ModuleList(nn.Conv2d(channels, channels, 3, padding=1) for _ in range(doublings))
        self.fine = nn.Conv2d(channels, channels, 3, padding=1)
        self.exit = nn.Conv2d(channels, 3, 3, padding=1)
        # Numbers at once at each position, as measured: maps before and after a convolution at the result's size, and
        # what is left of the one below; or a dense block's, together and on the way.
        enlarged, dense = 2.5 * channels * config.scale**2, (3 * channels + 2 * DENSE * config.growth) / folded
        self.tiles = Tiles(
            bytes_per_position=int(4 * max(enlarged, dense)),
            halo=HALO * config.unshuffle,
            scale=config.scale,
            multiple=config.unshuffle,
        )

    def picture(self, x_BCHW: Tensor) -> Tensor:
        x_BCHW = F.pixel_unshuffle(x_BCHW, self.config.unshuffle).to(self.entry.weight.dtype)
        x_BCHW = self.entry(x_BCHW)
        x_BCHW = x_BCHW + self.trunk(self.blocks(x_BCHW))
        for conv in self.ups:
            x_BCHW = F.leaky_relu(conv(F.interpolate(x_BCHW, scale_factor=2, mode="nearest")), LEAK, inplace=True)
        return self.exit(F.leaky_relu(self.fine(x_BCHW), LEAK, inplace=True)).float()


CARD = Card(
    task="enhance",
    summary="ESRGAN, for weights from elsewhere: large, slow, sharp",
    build=Net,
    config=Config,
    paper="Wang et al. 2018 (ESRGAN); unshuffled for less than x4: Wang et al. 2021 (Real-ESRGAN)",
)
