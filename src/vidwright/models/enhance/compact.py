"""Compact (SRVGG): plain convolutions at the input's resolution, over nearest neighbour.

    frame --conv3x3--PReLU--conv3x3--PReLU-- ... --conv3x3--shuffle x s--(+)--> frame
       |                                                                 |
       '------------------------ nearest x s, fp32 ----------------------'

The small network of Real-ESRGAN, made for drawn and filmed video: a VGG that is folded out in its last layer. It comes
without weights here and runs those of others (`weights/foreign.py`).

Shapes: B batch, C channels, H height, W width of the input; s scale.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

from torch import Tensor, nn
from torch.nn import functional as F

from vidwright.core import Card, Needs
from vidwright.nn.picture import PictureModel
from vidwright.nn.tile import Tiles


@dataclass(frozen=True, slots=True)
class Config:
    """`scale` of the output; `channels` inside; `depth` in convolutions between the first and the last.

    Real-ESRGAN has 64 channels, and a depth of 16 for drawn and of 32 for filmed video.
    """

    scale: int = 2
    channels: int = 16
    depth: int = 4

    def __post_init__(self) -> None:
        # A config may come with a stranger's file, and must not be able to ask for all memory.
        for name, most in (("scale", 8), ("channels", 256), ("depth", 128)):
            if not 1 <= getattr(self, name) <= most:
                raise ValueError(f"{name} must be from 1 to {most}")


class Net(PictureModel):
    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        self.needs = Needs(scale=config.scale)
        widths = [3, *[config.channels] * (config.depth + 1), 3 * config.scale**2]
        self.convs = nn.ModuleList(
            nn.Conv2d(inputs, outputs, 3, padding=1) for inputs, outputs in itertools.pairwise(widths)
        )
        self.acts = nn.ModuleList(nn.PReLU(config.channels) for _ in range(config.depth + 1))
        self.tiles = Tiles(
            bytes_per_position=4 * 3 * (config.channels + config.scale**2),  # before, between and after two layers
            halo=len(self.convs),
            scale=config.scale,
        )

    def picture(self, x_BCHW: Tensor) -> Tensor:
        y_BCHW = x_BCHW.to(next(self.parameters()).dtype)
        for conv, act in zip(self.convs[:-1], self.acts, strict=True):
            y_BCHW = act(conv(y_BCHW))
        details = F.pixel_shuffle(self.convs[-1](y_BCHW), self.config.scale)
        return F.interpolate(x_BCHW, scale_factor=self.config.scale, mode="nearest") + details


CARD = Card(
    task="enhance",
    summary="Compact of Real-ESRGAN, for weights from elsewhere: small and fast",
    build=Net,
    config=Config,
    paper="Wang et al. 2021 (Real-ESRGAN), its SRVGGNetCompact; PReLU: He et al. 2015",
)
