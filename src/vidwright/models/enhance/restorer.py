"""A small convolutional video upscaler for a laptop's CPU.

    frames t-1, t, t+1 (3 x RGB) --conv3x3--LReLU--conv3x3--LReLU-- ... --conv3x3--> shuffle x s --(+)--> frame t
                  |                                                                               |
                  '------------------- frame t, fp32 ---------------- Lanczos x s ----------------'

Plain 3x3 convolutions at the input's resolution, because they are what a CPU runs at its arithmetic peak (bf16,
channels_last); at half the resolution with twice the channels the same arithmetic learned 0.3 dB less. Three frames
and no recurrent state, because state without alignment earned less than it cost. The network makes only what Lanczos
misses, in bf16; the picture itself stays in fp32.

Shapes: B batch, T = 3 frames, C channels, H height, W width of the input; s scale.
"""

from __future__ import annotations

import itertools
from collections.abc import Generator, Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vidwright.core import Card, Frame, Needs
from vidwright.core.overlap import spread
from vidwright.core.window import windows
from vidwright.nn.activation import LEAK
from vidwright.nn.conv import RepConv2d
from vidwright.nn.model import FrameModel
from vidwright.nn.resample import lanczos
from vidwright.nn.tile import stripes

#: Rows times columns that run at once: few enough for the caches and for memory, many enough that the rows which
#: neighbouring stripes both compute are a small part. 640x360 is four stripes, 1080p thirty-two.
STRIPE_POSITIONS = 2**16

#: Residuals are small next to the network's own numbers; scaling them keeps the last layer's learning in step.
RESIDUAL_SCALE = 0.25


@dataclass(frozen=True, slots=True)
class Config:
    """`scale` of the output, `channels` inside, `depth` in 3x3 convolutions, `expand` of their branches in training."""

    scale: int = 2
    channels: int = 32
    depth: int = 4
    expand: int = 32

    def __post_init__(self) -> None:
        # A config may come with a stranger's file, and must not be able to ask for all memory.
        for name, most in (("scale", 8), ("channels", 256), ("depth", 32), ("expand", 256)):
            if not 1 <= getattr(self, name) <= most:
                raise ValueError(f"{name} must be from 1 to {most}")


class Net(FrameModel):
    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        self.needs = Needs(scale=config.scale, warmup=1, lookahead=1)
        widths = [9, *[config.channels] * (config.depth - 1), 3 * config.scale**2]
        self.convs = nn.ModuleList(
            RepConv2d(inputs, outputs, expand=config.expand) for inputs, outputs in itertools.pairwise(widths)
        )
        last: RepConv2d = self.convs[-1]  # pyright: ignore[reportAssignmentType]
        nn.init.zeros_(last.direct)  # training starts from Lanczos

    def forward(self, x_BTCHW: Tensor) -> Tensor:
        """Upscale the middle of three frames: (B, 3, 3, H, W) in [0, 1], any float dtype -> (B, 3, s*H, s*W) fp32."""
        return self.upscale(x_BTCHW[:, 1], [self.features(frame_BCHW) for frame_BCHW in x_BTCHW.unbind(1)])

    def features(self, frame_BCHW: Tensor) -> Tensor:
        """One frame as the network sees it: about [-2, 2], in the network's dtype and layout."""
        # Scaled so that 8-bit codes stay exact in bf16, which a division by 127.5 would not do.
        return frame_BCHW.mul(255 / 64).sub_(2).to(next(self.parameters()).dtype, memory_format=torch.channels_last)

    def upscale(self, middle_BCHW: Tensor, features: Sequence[Tensor]) -> Tensor:
        """The middle frame enlarged by Lanczos, plus what the network finds missing from it."""
        s = self.config.scale
        x_BCHW = torch.cat(list(features), dim=1)
        rows = max(STRIPE_POSITIONS // x_BCHW.shape[-1], 8)
        big_BCHW = lanczos(middle_BCHW.float(), s)
        for stripe, out in stripes(self.body, x_BCHW, rows=rows, halo=self.config.depth):
            part = big_BCHW[..., s * stripe.start : s * stripe.stop, :]
            part.add_(F.pixel_shuffle(out, s), alpha=RESIDUAL_SCALE)
        return big_BCHW

    def body(self, x_BCHW: Tensor) -> Tensor:
        for conv in self.convs[:-1]:
            x_BCHW = F.leaky_relu(conv(x_BCHW), LEAK, inplace=True)
        return self.convs[-1](x_BCHW)

    def stream(self, frames: Iterable[Frame]) -> Generator[Frame, None, None]:
        """Upscale frames one by one, one frame behind the input; nothing is shared across a cut."""
        device = next(self.parameters()).device

        @torch.inference_mode()
        def prepared(frame: Frame) -> tuple[Frame, Tensor]:
            return frame, self.features(frame.data[None].to(device))

        @torch.inference_mode()
        def upscaled(window: tuple[tuple[Frame, Tensor], ...]) -> Frame:
            frame = window[1][0]
            big = self.upscale(frame.data[None].to(device), [features for _, features in window])
            return frame.with_data(big[0].cpu())

        shots = windows(map(prepared, frames), 1, is_cut=lambda pair: pair[0].cut)
        yield from spread(upscaled, shots, threads=self.at_once)


CARD = Card(
    task="enhance",
    summary="x2 upscaling of video by a small three-frame convolutional network",
    build=Net,
    config=Config,
    weights=("x2-fast",),
    paper="re-parameterised convolutions: Zhang et al. 2021 (ECBSR); sub-pixel convolution: Shi et al. 2016 (ESPCN)",
)
