"""A critic of pictures: a small network that learns to tell made ones from true ones, patch by patch.

    picture - base --softsign---.
                                |--cat--conv4x4/2--LReLU--conv4x4/2--LReLU--conv3x3--LReLU--conv3x3--> a score per patch
    base -----------------------'

It sees 26x26 pixels at a time: what it is to judge is texture, and a picture as a whole would be easier told by heart.
Without normalisation, because the strength of the details is the very thing that gives soft pictures away.

Shapes: B batch, C channels, H height, W width.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vidwright.nn.activation import LEAK

#: Details of this size, white being 1, are half of what any can be to the critic: those of footage are about as large,
#: and edges of drawn pages, many times larger, do not drown them.
DETAIL = 0.02


class PatchCritic(nn.Module):
    """Scores of overlapping patches of a picture, given what it was made from; Isola et al. 2017 (pix2pix).

    The picture and `base`, the same without the details that are in question, are (B, 3, H, W) in [0, 1], both sides
    multiples of 4; the scores (B, 1, H/4, W/4), the higher the truer. `channels` after the first convolution.
    """

    def __init__(self, channels: int = 32) -> None:
        super().__init__()
        wide = 2 * channels
        self.layers = nn.Sequential(
            nn.Conv2d(6, channels, 4, stride=2, padding=1),
            nn.LeakyReLU(LEAK),
            nn.Conv2d(channels, wide, 4, stride=2, padding=1),
            nn.LeakyReLU(LEAK),
            nn.Conv2d(wide, wide, 3, padding=1),
            nn.LeakyReLU(LEAK),
            nn.Conv2d(wide, 1, 3, padding=1),
        )
        inner = [layer for layer in self.layers if isinstance(layer, nn.Conv2d)][:-1]
        for conv in inner:
            nn.init.kaiming_normal_(conv.weight, a=LEAK)

    def forward(self, picture_BCHW: Tensor, base_BCHW: Tensor) -> Tensor:
        details_BCHW = F.softsign((picture_BCHW - base_BCHW) / DETAIL)
        return self.layers(torch.cat([details_BCHW, base_BCHW], dim=1))
