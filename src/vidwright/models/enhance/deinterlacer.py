"""A small convolutional deinterlacer: two whole frames for each interlaced one.

    frames t-1, t, t+1 --unshuffle x 1/2--> six fields, 36 channels --> U-Net --> for each moment of t:
                                                                                   weights     what is missing
                                                                                      |           |
    rows above and below in the field ------.                                         v           |
    the same rows a field before, a field after --(candidates)--------- weighted sum (*)---------(+)--> missing rows
    the field's own rows -------------------------------------------------------------------------------> kept rows

The rows that are missing at a moment were filmed a field earlier and a field later: where nothing moves they only have
to be copied, and where all moves they lie between the rows that are there. The network says per pixel how much of each
it takes, and adds what none of them has. Both moments come of one pass, as they need the same knowledge of motion; the
rows that were filmed stay to the bit. Interlaced frames unshuffled by two are their fields, each with its columns in
pairs, so all work is at half the resolution.

A clip of the bottom field first is one of the top field first upside down.

Shapes: B batch, T = 3 frames, 2 moments, K = 3 candidates, C channels, H height, W width; h = H/2, w = W/2.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vidwright.core import Card, Frame, Needs
from vidwright.core.fields import two_moments
from vidwright.core.overlap import spread
from vidwright.core.window import windows
from vidwright.nn.model import FrameModel
from vidwright.nn.tile import stripes
from vidwright.nn.unet import UNet

#: Rows times columns, of half the resolution, that run at once: 1080i is one stripe.
STRIPE_POSITIONS = 2**19

#: What is missing is small next to the network's own numbers; scaling it keeps the last layer's learning in step.
RESIDUAL_SCALE = 0.25

#: Candidates for a missing row, and what the network gives for each of a moment's pixels: their weights, and R'G'B'.
CANDIDATES = 3
OUTPUTS = CANDIDATES + 3


@dataclass(frozen=True, slots=True)
class Config:
    """`widths` and `depth` of the U-Net, from half the resolution down."""

    widths: tuple[int, ...] = (40, 64, 64)
    depth: int = 1

    def __post_init__(self) -> None:
        # A config may come with a stranger's file, and must not be able to ask for all memory.
        if not 1 <= len(self.widths) <= 5 or not all(1 <= width <= 512 for width in self.widths):
            raise ValueError("widths must be up to five, each from 1 to 512")
        if not 1 <= self.depth <= 8:
            raise ValueError("depth must be from 1 to 8")


class Net(FrameModel):
    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        self.needs = Needs(rate=2, warmup=1, lookahead=1)
        self.unet = UNet(3 * 12, 2 * OUTPUTS * 2, config.widths, depth=config.depth, act="leaky")
        nn.init.zeros_(self.unet.exit.weight)  # training starts from the mean of the candidates
        nn.init.zeros_(self.unet.exit.bias)  # pyright: ignore[reportArgumentType]

    def forward(self, x_BTCHW: Tensor) -> Tensor:
        """Both moments of the middle of three frames, top field first: (B, 3, 3, H, W) -> (B, 2, 3, H, W) fp32.

        Pictures are in [0, 1], of any size and float dtype.
        """
        height, width = x_BTCHW.shape[-2:]
        pictures = [even(picture_BCHW.float()) for picture_BCHW in x_BTCHW.unbind(1)]
        return self.deinterlace(pictures, [self.features(each) for each in pictures])[..., :height, :width]

    def features(self, picture_BCHW: Tensor) -> Tensor:
        """The two fields of a frame as the network sees them: (B, 12, h, w) in about [-2, 2]."""
        # Scaled so that 8-bit codes stay exact in bf16, which a division by 127.5 would not do.
        codes_BCHW = picture_BCHW.mul(255 / 64).sub_(2).to(next(self.parameters()).dtype)
        return F.pixel_unshuffle(codes_BCHW, 2).contiguous(memory_format=torch.channels_last)

    def deinterlace(self, pictures: Sequence[Tensor], features: Sequence[Tensor]) -> Tensor:
        """(B, 2, 3, H, W) fp32 from three frames of even sides."""
        candidates_B2KChW = candidates(*pictures)
        made_B2ChW = torch.empty_like(candidates_B2KChW[:, :, 0])
        x_BCHW = torch.cat(list(features), dim=1)
        rows = max(STRIPE_POSITIONS // x_BCHW.shape[-1], 1)
        rows += -rows % self.unet.multiple
        for stripe, out_BCHW in stripes(self.unet, x_BCHW, rows=rows, halo=self.unet.reach):
            batch, _, height, width = out_BCHW.shape
            pairs = out_BCHW.float().view(batch, 2, OUTPUTS, 2, height, width)
            out_B2OhW = pairs.permute(0, 1, 2, 4, 5, 3).reshape(batch, 2, OUTPUTS, height, 2 * width)
            weights_B2K1hW = out_B2OhW[:, :, :CANDIDATES].softmax(dim=2).unsqueeze(3)
            blend_B2ChW = (weights_B2K1hW * candidates_B2KChW[..., stripe, :]).sum(dim=2)
            made_B2ChW[..., stripe, :] = blend_B2ChW.add(out_B2OhW[:, :, CANDIDATES:], alpha=RESIDUAL_SCALE)
        return whole(pictures[1], made_B2ChW)

    def stream(self, frames: Iterable[Frame]) -> Generator[Frame, None, None]:
        """Two frames for each, one frame behind the input; nothing is shared across a cut."""

        @torch.inference_mode()
        def deinterlaced(window: tuple[Seen, ...]) -> tuple[Frame, Frame]:
            moments_2CHW = self.deinterlace([seen.picture for seen in window], [seen.features for seen in window])[0]
            if window[1].flipped:
                moments_2CHW = moments_2CHW.flip(-2)
            frame = window[1].frame
            moments_2CHW = moments_2CHW[..., : frame.height, : frame.width].cpu()
            early, late = two_moments([seen.frame for seen in window])
            return early.with_data(moments_2CHW[0]), late.with_data(moments_2CHW[1])

        shots = windows(self._seen(frames), 1, is_cut=lambda seen: seen.begins)
        for pair in spread(deinterlaced, shots, threads=self.at_once):
            yield from pair

    def _seen(self, frames: Iterable[Frame]) -> Iterator[Seen]:
        device, last = next(self.parameters()).device, None
        for frame in frames:
            with torch.inference_mode():
                flipped = frame.field_order == "bottom"
                picture = even(frame.data[None].to(device))
                picture = picture.flip(-2) if flipped else picture
                begins = frame.cut or (last is not None and last.flipped != flipped)
                last = Seen(frame, flipped, begins, picture, self.features(picture))
            yield last


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """A frame and what is made of it once for all windows; `flipped` is upside down, and `begins` a run of such."""

    frame: Frame
    flipped: bool
    begins: bool
    picture: Tensor
    features: Tensor


def even(x_BCHW: Tensor) -> Tensor:
    """The picture with even sides, by repeating the last column, and the last row of the field that has a row less."""
    height, width = x_BCHW.shape[-2:]
    if height % 2:
        row = max(height - 2, 0)
        x_BCHW = torch.cat([x_BCHW, x_BCHW[..., row : row + 1, :]], dim=-2)
    return torch.cat([x_BCHW, x_BCHW[..., -1:]], dim=-1) if width % 2 else x_BCHW


def candidates(past_BCHW: Tensor, now_BCHW: Tensor, future_BCHW: Tensor) -> Tensor:
    """(B, 2, 3, C, h, W): for the missing rows of both moments the mean of their neighbours, and what was and will be.

    At the first moment the bottom rows are missing, at the second the top rows.
    """
    top, bottom = fields(now_BCHW)
    below = torch.cat([top[..., 1:, :], top[..., -1:, :]], dim=-2)
    above = torch.cat([bottom[..., :1, :], bottom[..., :-1, :]], dim=-2)
    first = torch.stack([(top + below) / 2, fields(past_BCHW)[1], bottom], dim=1)
    second = torch.stack([(above + bottom) / 2, top, fields(future_BCHW)[0]], dim=1)
    return torch.stack([first, second], dim=1)


def fields(x_BCHW: Tensor) -> tuple[Tensor, Tensor]:
    """The even rows and the odd ones."""
    return x_BCHW[..., 0::2, :], x_BCHW[..., 1::2, :]


def whole(now_BCHW: Tensor, made_B2ChW: Tensor) -> Tensor:
    """(B, 2, C, H, W): the middle frame twice, first with the bottom rows made, then with the top rows made."""
    out_B2CHW = now_BCHW.unsqueeze(1).repeat(1, 2, 1, 1, 1)
    out_B2CHW[:, 0, :, 1::2] = made_B2ChW[:, 0]
    out_B2CHW[:, 1, :, 0::2] = made_B2ChW[:, 1]
    return out_B2CHW


CARD = Card(
    task="enhance",
    summary="interlaced video to frames of twice the rate by a small network",
    build=Net,
    config=Config,
    weights=("fast",),
    paper="fields as channels of a U-Net (Ronneberger et al. 2015) that blends like Bob Weaver (FFmpeg's bwdif, 2016)",
)
