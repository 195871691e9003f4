"""Networks that see one picture at a time.

    frame --clip to [0, 1]--pad to a multiple--> tiles --picture()--> tiles --cut--> frame

Shapes: B batch, T = 1 frame, C channels, H height, W width of the input; s scale.
"""

from __future__ import annotations

import copy
import functools
from abc import abstractmethod
from collections.abc import Callable, Generator, Iterable
from typing import Self

import torch
from torch import Tensor
from torch.nn import functional as F

from vidwright.core import Frame
from vidwright.core.overlap import spread
from vidwright.nn.model import FrameModel
from vidwright.nn.tile import Tiles

#: The precision of bf16. Pictures of more bits would lose them in it.
BITS_OF_BF16 = 8


class PictureModel(FrameModel):
    """A network that makes each frame out of that frame alone, in tiles where it is large.

    `needs` are a scale and perhaps a `multiple_of`; `tiles` knows how far the network sees and what memory it takes.
    """

    tiles: Tiles

    @abstractmethod
    def picture(self, x_BCHW: Tensor) -> Tensor:
        """(B, 3, H, W) fp32 in [0, 1], H and W multiples of `needs.multiple_of` -> (B, 3, s*H, s*W) fp32."""

    def forward(self, x_BTCHW: Tensor) -> Tensor:
        """(B, 1, 3, H, W), clipped to [0, 1], any float dtype -> (B, 3, s*H, s*W) fp32, in one piece."""
        return self._fitted(self.picture, x_BTCHW[:, 0])

    def stream(self, frames: Iterable[Frame]) -> Generator[Frame, None, None]:
        """Frames one by one; those of more than 8 bits in fp32, whatever the network's dtype."""
        precise = functools.cache(self._in_fp32)

        @torch.inference_mode()
        def made(frame: Frame) -> Frame:
            net = precise() if frame.colour.bits > BITS_OF_BF16 else self
            return frame.with_data(self._fitted(net._tiled, frame.data[None])[0])

        yield from spread(made, frames, threads=self.at_once)

    def _fitted(self, fn: Callable[[Tensor], Tensor], x_BCHW: Tensor) -> Tensor:
        """`fn` of pictures in its range and of sides that it can work on."""
        height, width = x_BCHW.shape[-2:]
        scale, multiple = self.needs.scale, self.needs.multiple_of
        x_BCHW = x_BCHW.float().clamp(0, 1)
        if height % multiple or width % multiple:
            x_BCHW = F.pad(x_BCHW, (0, -width % multiple, 0, -height % multiple), mode="replicate")
        return fn(x_BCHW)[..., : scale * height, : scale * width]

    def _tiled(self, x_BCHW: Tensor) -> Tensor:
        """The picture by tiles that go to the network's device one after the other, and come back to the CPU."""
        device = next(self.parameters()).device
        return self.tiles(lambda tile_BCHW: self.picture(tile_BCHW.to(device)).cpu(), x_BCHW)

    def _in_fp32(self) -> Self:
        if next(self.parameters()).dtype == torch.float32:
            return self
        twin = copy.deepcopy(self).float()
        twin.tiles = self.tiles  # one memory for both
        return twin
