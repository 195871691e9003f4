"""Resolution into channels and back, in space and time. In space alone: `F.pixel_shuffle` and `F.pixel_unshuffle`.

Shapes: B batch, T frames, C channels, H height, W width; t and s the factors in time and in space.
"""

from __future__ import annotations

from torch import Tensor


def unshuffle(x_BTCHW: Tensor, *, time: int, space: int) -> Tensor:
    """Blocks of `time` frames by `space` x `space` pixels become channels: (B, T/t, C*t*s*s, H/s, W/s).

    The channels of one input channel stay together, ordered by frame, row, column; with `time` 1 this is
    `F.pixel_unshuffle` of every frame. Raises `ValueError` where a side is not a multiple of its factor.
    """
    batch, frames, channels, height, width = x_BTCHW.shape
    if frames % time or height % space or width % space:
        raise ValueError(f"{frames} frames of {width}x{height} do not divide into blocks of {time}x{space}x{space}")
    blocks = x_BTCHW.reshape(batch, frames // time, time, channels, height // space, space, width // space, space)
    blocks = blocks.permute(0, 1, 3, 2, 5, 7, 4, 6)  # B T/t C t s s H/s W/s
    return blocks.reshape(batch, frames // time, channels * time * space**2, height // space, width // space)


def shuffle(x_BTCHW: Tensor, *, time: int, space: int) -> Tensor:
    """The inverse of `unshuffle`: (B, T*t, C/(t*s*s), H*s, W*s).

    Raises `ValueError` where the channels are not a multiple of t*s*s.
    """
    batch, frames, channels, height, width = x_BTCHW.shape
    kept, rest = divmod(channels, time * space**2)
    if rest:
        raise ValueError(f"{channels} channels do not make blocks of {time}x{space}x{space}")
    blocks = x_BTCHW.reshape(batch, frames, kept, time, space, space, height, width)
    blocks = blocks.permute(0, 1, 3, 2, 6, 4, 7, 5)  # B T t C H s W s
    return blocks.reshape(batch, frames * time, kept, height * space, width * space)
