"""Translation: what was painted on a key frame, told from what a frame shows there.

    R'G'B' --unshuffle x 1/2--> U-Net --shuffle x 2--> what is painted (R'G'B', a difference)
                                                '----> how far off that may be

A network of 37,000 parameters that knows nothing of the world: it is fitted to the painted keys of one shot
(`train/translating.py`), patch by patch, and then says of any frame of that shot what belongs on it. Texler et al. 2020
("Interactive video stylization using few-shot patch-based training"), without their adversary and their network of
features. It looks at no motion, so it is as good behind what passes by, and on water, as anywhere; and where pictures
look alike that were painted differently it says their median, and that it is unsure: the width of a Laplace
distribution is its second output (Kendall and Gal 2017).

Shapes: B batch, C channels, H height, W width.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vidwright.core import Card
from vidwright.nn.unet import UNet

#: What is painted, and its width, where the network's own numbers are 1.
PAINTED_SCALE, WIDTH_SCALE = 0.25, 0.03
#: Nobody is surer than a code value of 8 bits, and the logarithm of the width stays within these.
LEAST_WIDTH, LOG_WIDTHS = 1 / 255, (-6.0, 4.0)


@dataclass(frozen=True, slots=True)
class Config:
    """`widths` in channels from half the resolution down, and `depth` of the stages in blocks."""

    widths: tuple[int, ...] = (8, 16, 32)
    depth: int = 1

    def __post_init__(self) -> None:
        # A config may come with a stranger's file, and must not be able to ask for all memory.
        if not 1 <= len(self.widths) <= 6 or not all(1 <= width <= 512 for width in self.widths):
            raise ValueError("widths must be up to six, each from 1 to 512")
        if not 1 <= self.depth <= 8:
            raise ValueError("depth must be from 1 to 8")


class Net(nn.Module):
    """See above."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        self.body = UNet(12, 16, config.widths, depth=config.depth, act="leaky")
        nn.init.zeros_(self.body.exit.weight)  # learning starts from nothing painted, equally unsure of all
        nn.init.zeros_(self.body.exit.bias)  # pyright: ignore[reportArgumentType]

    def forward(self, x_BCHW: Tensor) -> tuple[Tensor, Tensor]:
        """What is painted on R'G'B' in [0, 1], (B, 3, H, W), and the width b of its distribution, (B, 1, H, W)."""
        height, width = x_BCHW.shape[-2:]
        x_BCHW = F.pad(x_BCHW, (0, width % 2, 0, height % 2), mode="replicate").sub(0.5).mul(4)
        halves_BCHW = F.pixel_unshuffle(x_BCHW, 2).contiguous(memory_format=torch.channels_last)
        y_B4HW = F.pixel_shuffle(self.body(halves_BCHW), 2)[..., :height, :width].float()
        painted_BCHW, log_B1HW = y_B4HW.split([3, 1], dim=1)
        return painted_BCHW * PAINTED_SCALE, log_B1HW.clamp(*LOG_WIDTHS).exp() * WIDTH_SCALE + LEAST_WIDTH


CARD = Card(
    task="edit",
    summary="what was painted on key frames, told from what a frame shows",
    build=Net,
    config=Config,
    paper="Texler et al. 2020 (few-shot patches), Ronneberger et al. 2015 (U-Net), Kendall and Gal 2017 (widths)",
)
