"""A small U-Net of residual stages (Ronneberger et al. 2015).

    x --conv3x3--stage 0-----------------------------------------(+)--stage--conv3x3--> y
                    '--down--stage 1--------------(+)--stage--up--'
                               '--down--stage 2--up--'

Skips are added and not concatenated, which saves a convolution of twice the channels. Down is a 2x2 convolution of
stride 2, the same function as `pixel_unshuffle` and a 1x1 convolution, in two thirds of its time on a CPU; up is a 1x1
convolution and `pixel_shuffle`.

Shapes: B batch, C channels, H height, W width, D channels of the condition.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from torch import Tensor, nn
from torch.nn import functional as F

from vidwright.nn.activation import Activation
from vidwright.nn.stages import Norm, ResidualStage


class UNet(nn.Module):
    """(B, inputs, H, W) -> (B, outputs, H, W), any H and W; `widths` are the channels from the finest level down.

    Each level halves the size; pictures are padded inside by repeating their last row and column. `depth` residual
    blocks per stage; `act`, `norm` and `condition` as in `ResidualBlock`, for every block. `multiple` is the product of
    its strides, and `reach` how many rows around a row of the input it looks at, rounded up to a multiple of them.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        widths: Sequence[int],
        *,
        depth: int = 2,
        act: Activation = "relu",
        norm: Norm | None = None,
        condition: int = 0,
    ) -> None:
        super().__init__()

        def stage(channels: int) -> ResidualStage:
            return ResidualStage(channels, depth, act=act, norm=norm, condition=condition)

        pairs = list(itertools.pairwise(widths))
        self.multiple = 2 ** len(pairs)
        self.reach = _reach(len(widths), depth)
        self.entry = linear_conv(inputs, widths[0], 3, padding=1)
        self.encoder = nn.ModuleList(stage(channels) for channels in widths[:-1])
        self.downs = nn.ModuleList(linear_conv(fine, coarse, 2, stride=2) for fine, coarse in pairs)
        self.middle = stage(widths[-1])
        self.ups = nn.ModuleList(up(coarse, fine) for fine, coarse in pairs)
        self.decoder = nn.ModuleList(stage(channels) for channels in widths[:-1])
        self.exit = nn.Conv2d(widths[0], outputs, 3, padding=1)

    def forward(self, x_BCHW: Tensor, c_BD: Tensor | None = None) -> Tensor:
        height, width = x_BCHW.shape[-2:]
        x_BCHW = F.pad(x_BCHW, (0, -width % self.multiple, 0, -height % self.multiple), mode="replicate")
        x_BCHW = self.entry(x_BCHW)
        skips: list[Tensor] = []
        for stage, down in zip(self.encoder, self.downs, strict=True):
            x_BCHW = stage(x_BCHW, c_BD)
            skips.append(x_BCHW)
            x_BCHW = down(x_BCHW)
        x_BCHW = self.middle(x_BCHW, c_BD)
        for skip_BCHW, up, stage in zip(reversed(skips), reversed(self.ups), reversed(self.decoder), strict=True):
            x_BCHW = stage(skip_BCHW + up(x_BCHW), c_BD)
        return self.exit(x_BCHW)[..., :height, :width]


def _reach(levels: int, depth: int) -> int:
    """Entry and exit, two convolutions a block in blocks of the strides above them, and the strides themselves."""
    strides = 2 ** (levels - 1)
    stages = sum(2**level * (2 if level < levels - 1 else 1) for level in range(levels))
    rows = 2 + 2 * depth * stages + 2 * strides
    return rows + -rows % strides


def up(coarse: int, fine: int) -> nn.Module:
    """(B, coarse, H, W) -> (B, fine, 2H, 2W)."""
    return nn.Sequential(linear_conv(coarse, 4 * fine, 1), nn.PixelShuffle(2))


def linear_conv(inputs: int, outputs: int, size: int, *, stride: int = 1, padding: int = 0) -> nn.Conv2d:
    """A convolution with no activation after it, whose result has the variance of its input."""
    conv = nn.Conv2d(inputs, outputs, size, stride=stride, padding=padding)
    nn.init.kaiming_normal_(conv.weight, nonlinearity="linear")
    return conv
