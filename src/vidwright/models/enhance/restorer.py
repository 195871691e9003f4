"""A convolutional video upscaler that first looks at how its input was made.

    frames t-r .. t+r (RGB) --[align]--conv3x3--LReLU--conv3x3--LReLU-- ... --conv3x3--> shuffle x s --(+)--> frame t
       |                                  |                |                    |                       |
       |--reader: log energies of filters--> p --gates--> the kernels of every convolution              |
       '------------------------------ frame t, fp32 -------------- Lanczos x s ------------------------'

Plain 3x3 convolutions at the input's resolution, because they are what a CPU runs at its arithmetic peak; at half the
resolution with twice the channels the same arithmetic learned 0.3 dB less. A few frames and no recurrent state, because
state without alignment earned less than it cost, and state without end could not be resumed to the bit. The network
makes only what Lanczos misses, in its own dtype; the picture itself stays in fp32.

A network that must serve every downscaler is worse for each than one made for it. So the reader estimates from the
input alone how it was shrunk and coded, as probabilities p of its `kinds`, and each kernel is mixed for the picture
from a shared one and a few parts (`nn.conv.DynamicConv2d`): the arithmetic is that of one plain network. While it
learns, groups of windows come from inputs of one kind and share one estimate, as those of a clip do.

Shapes: B batch, T = 2r + 1 frames, C channels, H height, W width of the input; s scale; K parts of the kernels.
"""

from __future__ import annotations

import itertools
from collections.abc import Generator, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vidwright.core import Card, Frame, Needs
from vidwright.core.overlap import spread
from vidwright.core.window import windows
from vidwright.nn.activation import LEAK
from vidwright.nn.conv import DynamicConv2d
from vidwright.nn.model import FrameModel
from vidwright.nn.resample import lanczos
from vidwright.nn.tile import stripes
from vidwright.nn.warp import warp
from vidwright.vision.flow import optical_flows

#: Rows times columns that run at once: few enough for the caches and for memory, many enough that the rows which
#: neighbouring stripes both compute are a small part. 640x360 is four stripes, 1080p thirty-two.
STRIPE_POSITIONS = 2**16

#: Residuals are small next to the network's own numbers; scaling them keeps the last layer's learning in step.
RESIDUAL_SCALE = 0.25


#: An energy that no texture has, for pictures without any.
SILENCE = 1e-7


@dataclass(frozen=True, slots=True)
class Config:
    """`scale` of the output; `channels` inside, `depth` in 3x3 convolutions; `radius` in frames on either side.

    `align` moves the neighbours onto the middle frame along optical flow; `kinds` names the origins that the reader
    tells apart, and `parts` is of how many kernels beside the shared one each is mixed.
    """

    scale: int = 2
    channels: int = 32
    depth: int = 5
    radius: int = 1
    align: bool = False
    kinds: tuple[str, ...] = ("clean", "coded")
    parts: int = 3

    def __post_init__(self) -> None:
        # A config may come with a stranger's file, and must not be able to ask for all memory.
        for name, most in (("scale", 8), ("channels", 256), ("depth", 32), ("radius", 4), ("parts", 16)):
            if not 1 <= getattr(self, name) <= most:
                raise ValueError(f"{name} must be from 1 to {most}")
        if not 1 <= len(self.kinds) <= 64:
            raise ValueError("kinds must be from 1 to 64 names")


class Reader(nn.Module):
    """How frames were shrunk and coded, as logits (N, kinds), from the energies of filters over each frame.

    As logarithms, and about their mean; the filters see no brightness and have no bias. So how strong a texture is
    cancels, and what is left is its spectrum, in which downscalers differ.
    """

    def __init__(self, kinds: int) -> None:
        super().__init__()
        self.filters = nn.Conv2d(3, 24, 5, padding=2, stride=2, bias=False)
        self.deeper = nn.Conv2d(24, 32, 3, padding=1, stride=2, bias=False)
        self.judge = nn.Sequential(nn.Linear(56, 32), nn.LeakyReLU(LEAK), nn.Linear(32, kinds))

    def forward(self, x_NCHW: Tensor) -> Tensor:
        details_NCHW = x_NCHW.float() - surroundings(x_NCHW.float())
        fine_NCHW = self.filters(details_NCHW.to(x_NCHW.dtype))
        coarse_NCHW = self.deeper(F.leaky_relu(fine_NCHW, LEAK))
        energies = [y_NCHW.float().square().mean((-2, -1)) for y_NCHW in (fine_NCHW, coarse_NCHW)]
        logs = torch.cat(energies, dim=1).add(SILENCE).log()
        ratios = logs - logs.mean(1, keepdim=True)
        return self.judge(ratios.to(self.filters.weight.dtype)).float()


class Net(FrameModel):
    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        self.needs = Needs(scale=config.scale, warmup=config.radius, lookahead=config.radius)
        frames = 2 * config.radius + 1
        widths = [3 * frames, *[config.channels] * (config.depth - 1), 3 * config.scale**2]
        self.reader = Reader(len(config.kinds))
        self.gates = nn.Parameter(torch.randn(len(config.kinds), config.parts) * config.parts**-0.5)
        self.convs = nn.ModuleList(
            DynamicConv2d(inputs, outputs, parts=config.parts) for inputs, outputs in itertools.pairwise(widths)
        )
        last: DynamicConv2d = self.convs[-1]  # pyright: ignore[reportAssignmentType]
        nn.init.zeros_(last.shared)  # training starts from Lanczos

    def forward(self, x_BTCHW: Tensor, *, estimate: bool = False, group: int | None = None) -> Any:
        """Upscale the middle of T frames: (B, T, 3, H, W) in [0, 1], any float dtype -> (B, 3, s*H, s*W) fp32.

        `group` windows in a row, all of them if it is not given, are taken to be of one origin: they share one estimate
        of how they were made. With `estimate` the logits (B, kinds) of each window's come second.
        """
        logits = self.reader(self.features(x_BTCHW.flatten(0, 1))).unflatten(0, x_BTCHW.shape[:2]).mean(1)
        groups = zip(x_BTCHW.split(group or len(x_BTCHW)), logits.split(group or len(x_BTCHW)), strict=True)
        big_BCHW = torch.cat([self.upscale(windows.unbind(1), read.mean(0)) for windows, read in groups])
        return (big_BCHW, logits) if estimate else big_BCHW

    def features(self, frame_BCHW: Tensor) -> Tensor:
        """One frame as the network sees it: about [-2, 2], in the network's dtype and layout."""
        # Scaled so that 8-bit codes stay exact in bf16, which a division by 127.5 would not do.
        return frame_BCHW.mul(255 / 64).sub_(2).to(next(self.parameters()).dtype, memory_format=torch.channels_last)

    def upscale(self, frames: Sequence[Tensor], logits: Tensor) -> Tensor:
        """The middle of the frames (B, 3, H, W) enlarged by Lanczos, plus what the network finds missing from it."""
        s, middle_BCHW = self.config.scale, frames[self.config.radius]
        gates_K = logits.softmax(-1) @ self.gates.float()
        x_BCHW = torch.cat([self.features(frame_BCHW) for frame_BCHW in self.aligned(frames)], dim=1)
        rows = max(STRIPE_POSITIONS // x_BCHW.shape[-1], 8)
        big_BCHW = lanczos(middle_BCHW.float(), s)
        for stripe, out in stripes(lambda x: self.body(x, gates_K), x_BCHW, rows=rows, halo=self.config.depth):
            part = big_BCHW[..., s * stripe.start : s * stripe.stop, :]
            part.add_(F.pixel_shuffle(out, s), alpha=RESIDUAL_SCALE)
        return big_BCHW

    def aligned(self, frames: Sequence[Tensor]) -> list[Tensor]:
        """The frames, with the neighbours of the middle one moved onto it if the config says so."""
        middle_BCHW = frames[self.config.radius]
        if not self.config.align:
            return list(frames)
        return [frame if frame is middle_BCHW else _moved(frame, middle_BCHW) for frame in frames]

    def body(self, x_BCHW: Tensor, gates_K: Tensor) -> Tensor:
        for conv in self.convs[:-1]:
            x_BCHW = conv(x_BCHW, gates_K, leaky=True)
        return self.convs[-1](x_BCHW, gates_K)

    def stream(self, frames: Iterable[Frame]) -> Generator[Frame, None, None]:
        """Upscale frames one by one, `radius` frames behind the input; nothing is shared across a cut."""
        device = next(self.parameters()).device

        @torch.inference_mode()
        def prepared(frame: Frame) -> tuple[Frame, Tensor, Tensor]:
            data = frame.data[None].to(device)
            return frame, data, self.reader(self.features(data))

        @torch.inference_mode()
        def upscaled(window: tuple[tuple[Frame, Tensor, Tensor], ...]) -> Frame:
            logits = torch.cat([read for _, _, read in window]).mean(0)
            big = self.upscale([data for _, data, _ in window], logits)
            return window[self.config.radius][0].with_data(big[0].cpu())

        shots = windows(map(prepared, frames), self.config.radius, is_cut=lambda each: each[0].cut)
        yield from spread(upscaled, shots, threads=self.at_once)


def surroundings(x_NCHW: Tensor) -> Tensor:
    """Means of the 3x3 pixels around each, as far as they lie inside; in a fifth of the time of `F.avg_pool2d`."""
    return _means_of_three(_means_of_three(x_NCHW).mT).mT


def _means_of_three(x_NCHW: Tensor) -> Tensor:
    """Of each pixel and those above and below it."""
    sums_NCHW = x_NCHW.clone()
    sums_NCHW[..., 1:, :] += x_NCHW[..., :-1, :]
    sums_NCHW[..., :-1, :] += x_NCHW[..., 1:, :]
    counts_H1 = x_NCHW.new_full((x_NCHW.shape[-2], 1), 3.0)
    counts_H1[0] -= 1
    counts_H1[-1] -= 1
    return sums_NCHW / counts_H1


@torch.no_grad()
def _moved(frame_BCHW: Tensor, onto_BCHW: Tensor) -> Tensor:
    """`frame` moved along its optical flow onto another, picture by picture."""
    return warp(frame_BCHW, optical_flows(onto_BCHW, frame_BCHW))


CARD = Card(
    task="enhance",
    summary="upscaling by a small network that first reads how its input was made",
    build=Net,
    config=Config,
    weights=("x2-fast", "x2-best", "x4-fast", "x4-best", "x2-sharp"),
    paper="kernels mixed by the input: Yang et al. 2019 (CondConv); sub-pixel convolution: Shi et al. 2016 (ESPCN)",
)
