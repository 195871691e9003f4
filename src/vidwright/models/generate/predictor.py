"""A predictor of the next frames: SimVP with gated spatio-temporal attention, and a ConvLSTM to measure it by.

    T frames --fold 2x2--conv--conv 1/2--stack T--1x1--mixer blocks--1x1--unstack T--up x2--(+)--conv--unfold--> T next
                            '-------------------- skip, frame by frame ----------------------'

    a mixer block:  x --norm--1x1--GELU--5x5 by channel--7x7 by channel, dilated--1x1--> value * sigmoid(gate)--1x1--(+)
                      --norm--1x1--3x3 by channel--GELU--1x1--(+)-->

    ConvLSTM:       frame --fold 4x4--ConvLSTM-- ... --ConvLSTM--1x1--unfold--> next frame, which is read in its turn

Nothing recurs in SimVP: the frames lie side by side in the channels, and convolutions that see the whole picture find
out where everything will be, all T frames at once. Each frame is encoded and decoded by itself. What it predicts is the
mean of what may happen, blurred where that is uncertain; the ConvLSTM does as well, for both minimise squared errors.

Grey clips are predicted; a coloured one is three of them. Longer predictions slide: what was predicted is read in turn.

Shapes: B batch, T frames given and as many predicted, C channels, H height, W width; N = B * T frames by themselves.
"""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Generator, Iterable
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vidwright.core import Card, Frame
from vidwright.core.errors import UsageError
from vidwright.nn.activation import LEAK
from vidwright.nn.conv import wide_depthwise
from vidwright.nn.model import GenerativeModel, Usual
from vidwright.nn.norm import ChannelLayerNorm
from vidwright.nn.recurrent import ConvLSTM

#: Both networks think at a quarter of the picture's height and width; pictures are padded to whole positions of it.
STRIDE = 4
#: Frames a second of predictions that follow frames without a duration.
RATE = Fraction(10)
#: What a mixer block adds before training, as a share of its branches.
FIRST_GAIN = 0.1


@dataclass(frozen=True, slots=True)
class Config:
    """`frames` given and predicted at a time; `depth` mixer blocks of `channels`, or so many ConvLSTMs.

    Of "simvp" alone: `width` of a frame's features at half the size, twice as many at a quarter.
    """

    kind: Literal["simvp", "convlstm"] = "simvp"
    frames: int = 10
    width: int = 16
    channels: int = 128
    depth: int = 4

    def __post_init__(self) -> None:
        # A config may come with a stranger's file, and must not be able to ask for all memory.
        if self.kind not in ("simvp", "convlstm"):
            raise ValueError(f"kind must be simvp or convlstm, not {self.kind!r}")
        for name, most in (("frames", 64), ("width", 256), ("channels", 1024), ("depth", 32)):
            if not 1 <= getattr(self, name) <= most:
                raise ValueError(f"{name} must be from 1 to {most}")


class GatedAttention(nn.Module):
    """Which positions and which frames matter, from 21x21 positions around each: gSTA of Tan et al. 2022.

    A large kernel made of two small ones for each channel and a 1x1 (Guo et al. 2022), half of whose outputs say how
    much of the other half passes.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.entry = nn.Conv2d(channels, channels, 1)
        self.near = nn.Conv2d(channels, channels, 5, padding=2, groups=channels)
        self.far = nn.Conv2d(channels, channels, 7, padding=9, dilation=3, groups=channels)
        self.gated = nn.Conv2d(channels, 2 * channels, 1)
        self.exit = nn.Conv2d(channels, channels, 1)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        x_BCHW = self.near(F.gelu(self.entry(x_BCHW)))
        x_BCHW = wide_depthwise(x_BCHW, self.far.weight, self.far.bias, 3)  # pyright: ignore[reportArgumentType]
        value, gate = self.gated(x_BCHW).chunk(2, dim=1)
        return self.exit(value * torch.sigmoid(gate))


class Perceptron(nn.Module):
    """Two layers at each position, with a look at the neighbours between them."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.entry = nn.Conv2d(channels, 2 * channels, 1)
        self.near = nn.Conv2d(2 * channels, 2 * channels, 3, padding=1, groups=2 * channels)
        self.exit = nn.Conv2d(2 * channels, channels, 1)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        return self.exit(F.gelu(self.near(self.entry(x_BCHW))))


class MixerBlock(nn.Module):
    """Gated attention, then a perceptron, each normalised in front, scaled by channel and added to its input."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norms = nn.ModuleList(ChannelLayerNorm(channels) for _ in range(2))
        self.branches = nn.ModuleList([GatedAttention(channels), Perceptron(channels)])
        self.gains = nn.ParameterList(torch.full((channels,), FIRST_GAIN) for _ in range(2))

    def forward(self, x_BCHW: Tensor) -> Tensor:
        for norm, branch, gain_C in zip(self.norms, self.branches, self.gains, strict=True):
            x_BCHW = torch.addcmul(x_BCHW, branch(norm(x_BCHW)), gain_C[:, None, None])
        return x_BCHW


class SimVP(nn.Module):
    """(B, T, 1, H, W) -> the next (B, T, 1, H, W), H and W multiples of `STRIDE`: Gao et al. 2022, Tan et al. 2022."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        w, stacked = config.width, config.frames * 2 * config.width
        self.fine = nn.Conv2d(4, w, 3, padding=1)
        self.coarse = nn.Conv2d(w, 2 * w, 3, stride=2, padding=1)
        self.entry = nn.Conv2d(stacked, config.channels, 1)
        self.mixer = nn.Sequential(*(MixerBlock(config.channels) for _ in range(config.depth)))
        self.leave = nn.Conv2d(config.channels, stacked, 1)
        self.up = nn.Conv2d(2 * w, 4 * w, 1)
        self.mend = nn.Conv2d(w, w, 3, padding=1)
        self.exit = nn.Conv2d(w, 4, 3, padding=1)

    def forward(self, x_BTCHW: Tensor) -> Tensor:
        shape = x_BTCHW.shape[:2]
        skip_NCHW = F.leaky_relu(self.fine(folded(x_BTCHW.flatten(0, 1), 2)), LEAK)
        x_NCHW = F.leaky_relu(self.coarse(skip_NCHW), LEAK)
        x_BCHW = laid_out(x_NCHW.unflatten(0, shape).flatten(1, 2))
        x_BCHW = self.leave(self.mixer(self.entry(x_BCHW)))
        x_NCHW = laid_out(x_BCHW.unflatten(1, (shape[1], -1)).flatten(0, 1))
        x_NCHW = F.leaky_relu(laid_out(F.pixel_shuffle(self.up(x_NCHW), 2)) + skip_NCHW, LEAK)
        y_NCHW = self.exit(F.leaky_relu(self.mend(x_NCHW), LEAK))
        return F.pixel_shuffle(y_NCHW, 2).unflatten(0, shape)


class Recurrent(nn.Module):
    """As `SimVP`, frame by frame, by ConvLSTMs over one another: Shi et al. 2015."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        widths = [STRIDE**2, *[config.channels] * config.depth]
        self.lstms = nn.ModuleList(ConvLSTM(a, b) for a, b in itertools.pairwise(widths))
        self.exit = nn.Conv2d(config.channels, STRIDE**2, 1)

    def forward(self, x_BTCHW: Tensor) -> Tensor:
        states, frames = [None] * len(self.lstms), x_BTCHW
        made: list[Tensor] = []
        for _ in range(x_BTCHW.shape[1]):  # the first reads all that is given, each other the one before
            shown_BTCHW = folded(frames.flatten(0, 1), STRIDE).unflatten(0, frames.shape[:2])
            for n, lstm in enumerate(self.lstms):
                shown_BTCHW, states[n] = lstm(shown_BTCHW, states[n])
            frames = F.pixel_shuffle(self.exit(shown_BTCHW[:, -1]), STRIDE)[:, None]
            made.append(frames)
        return torch.cat(made, dim=1)


class Net(GenerativeModel):
    """The next frames of a clip, all that can be said of them at once: there is nothing random in it."""

    usual = Usual(length=10, size=(64, 64), rate=RATE, memory=10)

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        self.usual = replace(self.usual, length=config.frames, memory=config.frames)
        self.body = SimVP(config) if config.kind == "simvp" else Recurrent(config)

    def forward(self, x_BTCHW: Tensor) -> Tensor:
        """(B, T, 1, H, W) in [0, 1] -> the T frames after them, about [0, 1], of T = `config.frames` and any H, W."""
        height, width = x_BTCHW.shape[-2:]
        x_NCHW = x_BTCHW.flatten(0, 1).to(next(self.parameters()).dtype)
        x_NCHW = F.pad(x_NCHW, (0, -width % STRIDE, 0, -height % STRIDE), mode="replicate")
        return self.body(x_NCHW.unflatten(0, x_BTCHW.shape[:2]))[..., :height, :width]

    @torch.inference_mode()
    def sample(
        self, *, clip: Iterable[Frame], length: int, size: tuple[int, int], seed: int
    ) -> Generator[Frame, None, None]:
        """The `length` frames of `size` (height, width) that follow `clip`; they are the same for every `seed`.

        Of the clip the last `config.frames` count. A shorter one is taken to have stood still before it began. Raises
        `UsageError` for a clip without frames or of another size.
        """
        last = deque(clip, maxlen=self.config.frames)
        window_CTHW = self._window(last, size)
        frame = last[-1]
        for n in range(length):
            place = n % self.config.frames
            if place == 0:
                window_CTHW = self._next(window_CTHW)
            interval = frame.duration or 1 / RATE
            frame = replace(frame, data=window_CTHW[:, place].cpu(), time=frame.time + interval, cut=False)
            yield frame

    def _window(self, last: deque[Frame], size: tuple[int, int]) -> Tensor:
        """The frames that a prediction starts from, (3, T, H, W)."""
        if not last:
            raise UsageError("the clip", "there is nothing to go on from", "give a clip with at least one frame")
        if odd := next((frame for frame in last if (frame.height, frame.width) != size), None):
            sizes = f"{odd.width}x{odd.height}"
            raise UsageError("the clip", f"a frame of it is {sizes}", f"ask for samples of {sizes}")
        frames = [last[0]] * (self.config.frames - len(last)) + list(last)
        return torch.stack([frame.data[:3] for frame in frames], dim=1).to(next(self.parameters()).device)

    def _next(self, window_CTHW: Tensor) -> Tensor:
        """The next frames, (3, T, H, W) in [0, 1]: each channel as a grey clip, all alike as one."""
        grey = bool((window_CTHW == window_CTHW[:1]).all())
        clips_BTHW = window_CTHW[:1] if grey else window_CTHW
        return self(clips_BTHW[:, :, None])[:, :, 0].float().clamp(0, 1).expand_as(window_CTHW)


def folded(x_NCHW: Tensor, side: int) -> Tensor:
    """Squares of `side` pixels as channels."""
    return laid_out(F.pixel_unshuffle(x_NCHW, side))


def laid_out(x_NCHW: Tensor) -> Tensor:
    """The same in the layout in which a CPU convolves."""
    return x_NCHW.contiguous(memory_format=torch.channels_last)


CARD = Card(
    task="generate",
    summary="the next frames of a clip by gated convolutions over time, or a ConvLSTM",
    build=Net,
    config=Config,
    weights=("digits64",),
    paper="SimVP: Gao et al. 2022; gated attention (gSTA): Tan et al. 2022; ConvLSTM: Shi et al. 2015",
)
