"""Gives decoded pictures back a part of what the encoder took: a filter after the decoder, outside its loop.

    y --unshuffle x 1/2--.
    u -------------------+--> 6 channels each of frames t-r .. t+r --> U-Net --> taps --conv3x3--(*)--(+)--> y, u, v
    v -------------------'                                              ^         ^               ^    ^
    codec, quantiser's step ------------------------------------------>-'      adapter       strength  frame t

It works on code values of 4:2:0 as they are decoded, at the resolution of chroma: no trip through R'G'B', a quarter of
luma's positions, and chroma sees luma, from which it gains most. The codec and the logarithm of its quantiser's step
scale and shift the channels (Perez et al. 2018), so that one set of weights serves all codecs and rates.

Outside the loop nothing hangs on its exact numbers: a picture that is a little different elsewhere is no error that
grows. What is sent along is small and linear in the last layer: an `adapter` scales each of its input channels for
luma and for both chroma planes, and is found without gradients by least squares (bias and multipliers as in Lam et al.
2020 and the NNPFC SEI of H.274); `strength` of a plane then is the part of it that is added.

Shapes: B batch, T = 2r + 1 frames, C channels, P = 6 phases (4 of luma, u, v), H height and W width of chroma; A
adapter's scales of a plane, as many as taps.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vidwright.core import Card, Needs
from vidwright.nn.activation import LEAK
from vidwright.nn.phases import PHASES, PLANE_OF_PHASE
from vidwright.nn.tile import stripes
from vidwright.nn.unet import UNet

#: Code values of eight bits to one unit of the network's input, and of its output: what is missing is small, and a step
#: of the optimiser must be small next to it.
INPUT_CODES, OUTPUT_CODES = 64.0, 2.0

#: Rows times columns of chroma that run at once: 1080p is one stripe.
STRIPE_POSITIONS = 2**19

#: The middle and the half of the range of quantiser's steps, in octaves.
MIDDLE_OCTAVES, HALF_OCTAVES = 5.5, 2.5


@dataclass(frozen=True, slots=True)
class Config:
    """`radius` in frames; `widths` and `depth` of the U-Net; `condition` channels; the `codecs` it knows."""

    radius: int = 1
    widths: tuple[int, ...] = (8, 12)
    depth: int = 1
    condition: int = 8
    codecs: tuple[str, ...] = ("av1", "hevc", "h264")

    def __post_init__(self) -> None:
        # A config may come with a stranger's file, and must not be able to ask for all memory.
        for name, least, most in (("radius", 0, 4), ("depth", 1, 8), ("condition", 1, 128)):
            if not least <= getattr(self, name) <= most:
                raise ValueError(f"{name} must be from {least} to {most}")
        if not 1 <= len(self.widths) <= 5 or not all(1 <= width <= 512 for width in self.widths):
            raise ValueError("widths must be up to five, each from 1 to 512")
        if not 1 <= len(self.codecs) <= 16:
            raise ValueError("codecs must be from 1 to 16 names")


class Net(nn.Module):
    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        self.needs = Needs(warmup=config.radius, lookahead=config.radius)
        self.condition = nn.Sequential(
            nn.Linear(len(config.codecs) + 1, 2 * config.condition),
            nn.LeakyReLU(LEAK),
            nn.Linear(2 * config.condition, config.condition),
        )
        inputs = PHASES * (2 * config.radius + 1)
        self.unet = UNet(inputs, PHASES, config.widths, depth=config.depth, act="leaky", condition=config.condition)
        nn.init.zeros_(self.unet.exit.weight)  # training starts from the decoded picture
        nn.init.zeros_(self.unet.exit.bias)  # pyright: ignore[reportArgumentType]

    @property
    def taps(self) -> int:
        """Channels that the last convolution is given, and an adapter scales."""
        return self.config.widths[0]

    @property
    def bias(self) -> Tensor:
        """What the last layer adds everywhere, (6,) code values of 8 bits."""
        bias_P = self.unet.exit.bias
        assert bias_P is not None
        return bias_P.float() * OUTPUT_CODES

    def forward(self, x_BTPHW: Tensor, codec_B: Tensor, octaves_B: Tensor) -> Tensor:
        """What is to be added to the middle frames: (B, T, 6, H, W) code values of 8 bits -> (B, 6, H, W) fp32.

        `codec_B` are places in the config's `codecs`, `octaves_B` logarithms to base 2 of quantiser's steps.
        """
        x_BCHW = self.scaled(x_BTPHW.flatten(1, 2))
        return self.unet(x_BCHW, self.conditions(codec_B, octaves_B)).float() * OUTPUT_CODES

    def conditions(self, codec_B: Tensor, octaves_B: Tensor) -> Tensor:
        """(B, condition): what the network is told of the encoder."""
        known_BC = F.one_hot(codec_B, len(self.config.codecs))
        step_B1 = ((octaves_B - MIDDLE_OCTAVES) / HALF_OCTAVES)[:, None]
        told_BC = torch.cat([known_BC.to(step_B1.dtype), step_B1], dim=1)
        return self.condition(told_BC.to(next(self.parameters()).dtype))

    def scaled(self, x_BCHW: Tensor) -> Tensor:
        """Code values as the network has them, about [-2, 2], in its dtype and layout."""
        x_BCHW = x_BCHW.to(torch.float32).div(INPUT_CODES).sub_(2)
        return x_BCHW.to(next(self.parameters()).dtype, memory_format=torch.channels_last)

    def residual(self, window: Sequence[Tensor], c_BD: Tensor, adapter_A: Tensor | None = None) -> Tensor:
        """As `forward`, of T pictures (1, 6, H, W) that went through `scaled`, with an adapter, a stripe at a time."""
        x_BCHW, kernel = torch.cat(list(window), dim=1), self.kernel(adapter_A)
        rows = max(STRIPE_POSITIONS // x_BCHW.shape[-1], 1)
        rows += -rows % self.unet.multiple
        out_BPHW = x_BCHW.new_empty((len(x_BCHW), PHASES, *x_BCHW.shape[-2:]), dtype=torch.float32)

        def made(part_BCHW: Tensor) -> Tensor:
            height, width = part_BCHW.shape[-2:]
            taps_BCHW = self.unet.features(part_BCHW, c_BD)
            return F.conv2d(taps_BCHW, kernel, self.unet.exit.bias, padding=1)[..., :height, :width]

        for stripe, part_BPHW in stripes(made, x_BCHW, rows=rows, halo=self.unet.reach):
            torch.mul(part_BPHW, OUTPUT_CODES, out=out_BPHW[..., stripe, :])
        return out_BPHW

    def kernel(self, adapter_A: Tensor | None) -> Tensor:
        """The last layer's, each input channel of each plane scaled by an `adapter` (planes, taps)."""
        kernel_OIHW = self.unet.exit.weight
        if adapter_A is None:
            return kernel_OIHW
        return kernel_OIHW * adapter_A[list(PLANE_OF_PHASE)].to(kernel_OIHW)[..., None, None]

    def parts(self, window: Sequence[Tensor], c_BD: Tensor) -> Tensor:
        """What each input channel of the last layer adds by itself, (taps, 6, H, W), and the bias is not in it."""
        height, width = window[0].shape[-2:]
        taps_CHW = self.unet.features(torch.cat(list(window), dim=1), c_BD)[0]
        kernel_OIHW = self.unet.exit.weight.transpose(0, 1).flatten(0, 1)[:, None]  # each channel's six, in turns
        each_CHW = F.conv2d(taps_CHW[None], kernel_OIHW, padding=1, groups=self.taps)[0, :, :height, :width]
        return each_CHW.float().mul_(OUTPUT_CODES).unflatten(0, (self.taps, PHASES))


CARD = Card(
    task="compress",
    summary="what an encoder took, given back after the decoder",
    build=Net,
    config=Config,
    weights=(),
    paper="U-Net (Ronneberger 2015), FiLM (Perez 2018), multipliers (Lam 2020), NNPFC (ITU-T H.274)",
)
