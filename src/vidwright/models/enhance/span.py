"""SPAN: plain convolutions whose result is its own attention.

    frame --(-mean)--entry--block 1--block 2-- ... --block 6--last----.
                       |       |                       |              |
                       |       |                  inside of it        |
                       '-------'------ concatenate ----'--------------'--merge 1x1--exit--shuffle x s--> frame

    block:   x --conv--SiLU--conv--SiLU--conv--> y       (x + y) * (sigmoid(y) - 1/2)

Attention costs no parameter: where the convolutions found much, the block passes more of it on, with its sign. The
winner of the NTIRE 2024 challenge on efficient upscaling. It comes without weights here and runs those of others
(`weights/foreign.py`), whose branches for training are summed into plain convolutions when they are read. They were
trained on values to 255; that factor then lies in the first kernel.

Shapes: B batch, C channels, H height, W width of the input; s scale.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vidwright.core import Card, Needs
from vidwright.nn.picture import PictureModel
from vidwright.nn.tile import Tiles

#: Blocks of the network, and convolutions of a block: in all published weights alike.
BLOCKS, CONVS = 6, 3

#: The mean colour of DIV2K, that the published networks were trained without.
MEAN_RGB = (0.4488, 0.4371, 0.4040)


@dataclass(frozen=True, slots=True)
class Config:
    """`scale` of the output; `channels` inside, 48 or 28 as published; `centred` if the mean colour is taken off."""

    scale: int = 2
    channels: int = 16
    centred: bool = True

    def __post_init__(self) -> None:
        # A config may come with a stranger's file, and must not be able to ask for all memory.
        for name, most in (("scale", 8), ("channels", 256)):
            if not 1 <= getattr(self, name) <= most:
                raise ValueError(f"{name} must be from 1 to {most}")


class Block(nn.Module):
    """Three convolutions and the attention that their result is; also what the first of them made."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.convs = nn.ModuleList(nn.Conv2d(channels, channels, 3, padding=1) for _ in range(CONVS))

    def forward(self, x_BCHW: Tensor) -> tuple[Tensor, Tensor]:
        inside_BCHW = F.silu(self.convs[0](x_BCHW))
        y_BCHW = self.convs[2](F.silu(self.convs[1](inside_BCHW)))
        return (x_BCHW + y_BCHW) * (torch.sigmoid(y_BCHW) - 0.5), inside_BCHW


class Net(PictureModel):
    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        self.needs = Needs(scale=config.scale)
        channels = config.channels
        self.entry = nn.Conv2d(3, channels, 3, padding=1)
        self.blocks = nn.ModuleList(Block(channels) for _ in range(BLOCKS))
        self.last = nn.Conv2d(channels, channels, 3, padding=1)
        self.merge = nn.Conv2d(4 * channels, channels, 1)
        self.exit = nn.Conv2d(channels, 3 * config.scale**2, 3, padding=1)
        self.tiles = Tiles(
            bytes_per_position=4 * 11 * channels,  # as measured: four maps, what they are put together in, the result
            halo=BLOCKS * CONVS + 3,
            scale=config.scale,
        )

    def picture(self, x_BCHW: Tensor) -> Tensor:
        if self.config.centred:
            x_BCHW = x_BCHW - x_BCHW.new_tensor(MEAN_RGB)[:, None, None]
        entry_BCHW = self.entry(x_BCHW.to(self.entry.weight.dtype))
        first_BCHW, inside_BCHW = self.blocks[0](entry_BCHW)
        y_BCHW = first_BCHW
        for block in self.blocks[1:]:
            y_BCHW, inside_BCHW = block(y_BCHW)
        parts = torch.cat([entry_BCHW, self.last(y_BCHW), first_BCHW, inside_BCHW], dim=1)
        return F.pixel_shuffle(self.exit(self.merge(parts)), self.config.scale).float()


CARD = Card(
    task="enhance",
    summary="SPAN, for weights from elsewhere: attention without parameters",
    build=Net,
    config=Config,
    paper="Wan et al. 2023 (SPAN); sub-pixel convolution: Shi et al. 2016 (ESPCN)",
)
