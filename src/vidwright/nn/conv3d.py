"""Convolutions over space and time, causal where a video is made or coded frame by frame.

Videos are (B, T, C, H, W) here as everywhere; with channels_last frames that is already the layout
(channels_last_3d) in which a CPU convolves, so the transposition below moves nothing.

Shapes: B batch, T frames, C channels, H height, W width; kernels are OITHW, sizes odd in space.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from vidwright.nn.activation import Activation, activation


class CausalConv3d(nn.Module):
    """A 3-D convolution that sees the present and the past: frame t depends on no frame after t.

    In front of the first frame stands its repetition, so a single picture is a video that has not moved, and frame 0
    needs no other frame. `kernel` is (time, height, width), `stride` in space. A convolution in time alone is
    `kernel=(3, 1, 1)`.
    """

    def __init__(self, inputs: int, outputs: int, kernel: tuple[int, int, int] = (3, 3, 3), *, stride: int = 1) -> None:
        super().__init__()
        self.past = kernel[0] - 1
        padding = (0, kernel[1] // 2, kernel[2] // 2)
        self.conv = nn.Conv3d(inputs, outputs, kernel, stride=(1, stride, stride), padding=padding)

    def forward(self, x_BTCHW: Tensor) -> Tensor:
        return self.stream(x_BTCHW, None)[0]

    def stream(self, x_BTCHW: Tensor, past_BTCHW: Tensor | None) -> tuple[Tensor, Tensor]:
        """The next frames of a video and what to pass with those after them; `None` begins a video.

        Pieces of any lengths, each at least one frame, give what the whole gives. The memory is the last
        `kernel[0] - 1` input frames.
        """
        if past_BTCHW is None:
            past_BTCHW = x_BTCHW[:, :1].expand(-1, self.past, -1, -1, -1)
        x_BTCHW = torch.cat([past_BTCHW, x_BTCHW], dim=1)
        y_BTCHW = self.conv(x_BTCHW.transpose(1, 2)).transpose(1, 2)
        return y_BTCHW, x_BTCHW[:, x_BTCHW.shape[1] - self.past :]


class FactorisedConv3d(nn.Module):
    """A 3x3x3 convolution as 1x3x3 in space, an activation, and 3x1x1 in time; (2+1)-D of Tran et al. 2018.

    `middle` channels lie between; by default as many as give the parameters of the full convolution (its section 3.5).
    Causal: frame t depends on no frame after t, and `stream` runs it piece by piece.
    """

    def __init__(
        self, inputs: int, outputs: int, *, middle: int | None = None, between: Activation = "relu", stride: int = 1
    ) -> None:
        super().__init__()
        if middle is None:
            middle = 27 * inputs * outputs // (9 * inputs + 3 * outputs)
        self.space = nn.Conv2d(inputs, middle, 3, stride=stride, padding=1)
        self.between = activation(between)
        self.time = CausalConv3d(middle, outputs, (3, 1, 1))

    def forward(self, x_BTCHW: Tensor) -> Tensor:
        return self.stream(x_BTCHW, None)[0]

    def stream(self, x_BTCHW: Tensor, past_BTCHW: Tensor | None) -> tuple[Tensor, Tensor]:
        """As `CausalConv3d.stream`; the memory is two frames of the middle channels."""
        y_NCHW = self.between(self.space(x_BTCHW.flatten(0, 1)))
        return self.time.stream(y_NCHW.unflatten(0, x_BTCHW.shape[:2]), past_BTCHW)
