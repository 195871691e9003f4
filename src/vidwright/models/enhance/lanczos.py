"""Lanczos resampling as a model: the honest baseline of every upscaler.

    frame t --Lanczos x s, fp32--> frame t

Shapes: B batch, T = 1 frame, C channels, H height, W width of the input; s scale.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable
from dataclasses import dataclass

import torch
from torch import Tensor

from vidwright.core import Card, Frame, Needs
from vidwright.core.overlap import spread
from vidwright.nn.model import FrameModel
from vidwright.nn.resample import lanczos


@dataclass(frozen=True, slots=True)
class Config:
    """`scale` of the output, a whole factor."""

    scale: int = 2


class Net(FrameModel):
    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        self.needs = Needs(scale=config.scale)

    def forward(self, x_BTCHW: Tensor) -> Tensor:
        """(B, 1, C, H, W) in [0, 1] -> (B, C, s*H, s*W) fp32."""
        return lanczos(x_BTCHW[:, 0].float(), self.config.scale)

    def stream(self, frames: Iterable[Frame]) -> Generator[Frame, None, None]:
        """Upscale frames one by one."""

        @torch.inference_mode()
        def upscaled(frame: Frame) -> Frame:
            return frame.with_data(self(frame.data[None, None])[0])

        yield from spread(upscaled, frames, threads=self.at_once)


CARD = Card(
    task="enhance",
    summary="Lanczos resampling, the baseline without a network",
    build=Net,
    config=Config,
    paper="Duchon 1979, Lanczos filtering in one and two dimensions",
)
