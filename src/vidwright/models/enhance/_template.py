"""One convolution over Lanczos: the smallest model there is, and the page to copy for a new one.

    frame t (RGB) --conv3x3--> shuffle x s --(+)--> frame t
          |                                   |
          '-------- Lanczos x s, fp32 --------'

Say here what the model is for and why it is built as it is: what was tried, and what each part earned. A name that
begins with an underscore hides a file from users; `enhance/<name>.py` is the model `enhance/<name>` at once, and
`pytest tests/test_contracts.py -k <name>` says whether it keeps its word.

Shapes: B batch, T = 1 frame, C channels, H height, W width of the input; s scale.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vidwright.core import Card, Frame, Needs
from vidwright.nn.model import FrameModel
from vidwright.nn.resample import lanczos


@dataclass(frozen=True, slots=True)
class Config:
    """`scale` of the output, a whole factor."""

    scale: int = 2

    def __post_init__(self) -> None:
        # A config may come with a stranger's file, and must not be able to ask for all memory.
        if not 1 <= self.scale <= 8:
            raise ValueError("scale must be from 1 to 8")


class Net(FrameModel):
    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        self.needs = Needs(scale=config.scale)
        self.conv = nn.Conv2d(3, 3 * config.scale**2, 3, padding=1)
        nn.init.zeros_(self.conv.weight)  # training starts from Lanczos

    def forward(self, x_BTCHW: Tensor) -> Tensor:
        """Upscale one frame: (B, 1, 3, H, W) in [0, 1], any float dtype -> (B, 3, s*H, s*W) fp32."""
        x_BCHW = x_BTCHW[:, 0]
        details = F.pixel_shuffle(self.conv(x_BCHW.to(self.conv.weight.dtype)), self.config.scale)
        return lanczos(x_BCHW.float(), self.config.scale) + details

    @torch.inference_mode()
    def stream(self, frames: Iterable[Frame]) -> Generator[Frame, None, None]:
        """Upscale frames one by one."""
        device = self.conv.weight.device
        for frame in frames:
            yield frame.with_data(self(frame.data[None, None].to(device))[0].cpu())


CARD = Card(
    task="enhance",
    summary="one convolution over Lanczos, to copy for a new model",
    build=Net,
    config=Config,
    paper="sub-pixel convolution: Shi et al. 2016 (ESPCN)",
)
