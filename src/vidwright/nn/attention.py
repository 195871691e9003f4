"""Self-attention over the tokens of a video: in space, in time, or over all of it.

    x_BTHWC --linear--> q, k, v --RMS norm of q and k--rotation of q and k by t, y, x--> attention --linear--> y_BTHWC
                                                               past k, v (causal) ---------'

Tokens are (B, T, H, W, C), which is how the features of channels_last frames already lie.

Shapes: B batch, T frames, H rows and W columns of tokens, C channels; N sequences, A heads, L queries, M keys,
D channels of a head.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vidwright.nn.norm import RMSNorm

Over = Literal["space", "time", "space-time"]

#: Below so many keys a CPU trains faster with attention written out, because the fused call's backward is slow: five
#: times at 64 keys, twice at 256; at 512 they are near, at 1024 the fused call wins (bf16, heads of 32 channels).
FUSED_FROM = 512


def attend(q_NALD: Tensor, k_NAMD: Tensor, v_NAMD: Tensor, mask_LM: Tensor | None = None) -> Tensor:
    """softmax(q k' / sqrt(D)) v of every head: (N, A, L, D). `mask` is true where a query may look at a key.

    Written out for short sequences on a CPU, torch's fused call otherwise; the same up to rounding.
    """
    if q_NALD.device.type != "cpu" or k_NAMD.shape[-2] >= FUSED_FROM:
        return F.scaled_dot_product_attention(q_NALD, k_NAMD, v_NAMD, attn_mask=mask_LM)
    scores_NALM = (q_NALD * q_NALD.shape[-1] ** -0.5) @ k_NAMD.mT
    if mask_LM is not None:
        scores_NALM = scores_NALM.masked_fill(~mask_LM, float("-inf"))
    return scores_NALM.softmax(-1).to(v_NAMD.dtype) @ v_NAMD


def angles(positions_L3: Tensor, channels: int, *, base: float) -> Tensor:
    """Angles (L, channels / 2) by which rotary embedding (Su et al. 2021) turns channels at positions (t, y, x).

    A third of the pairs each for y and x, the rest for t. Within a third the frequencies fall from 1 towards 1 / base,
    so that `base` is about the longest distance that is told apart. Raises `ValueError` for an odd number of channels.
    """
    if channels % 2:
        raise ValueError(f"rotary embedding turns pairs of channels, and {channels} is odd")
    third = channels // 6
    parts = [
        positions_L3[:, axis, None] * base ** (-torch.arange(pairs, device=positions_L3.device) / max(pairs, 1))
        for axis, pairs in enumerate((channels // 2 - 2 * third, third, third))
    ]
    return torch.cat(parts, dim=-1)


def rotate(x_NALD: Tensor, angles_LP: Tensor) -> Tensor:
    """Turn each pair of channels, p and p + D/2, by its angle; products of turned vectors know their offset only."""
    cos, sin = angles_LP.cos().to(x_NALD.dtype), angles_LP.sin().to(x_NALD.dtype)
    a, b = x_NALD.chunk(2, dim=-1)
    return torch.cat([a * cos - b * sin, a * sin + b * cos], dim=-1)


class Past(NamedTuple):
    """Keys and values, both (N, A, M, D), of the `frames` frames that attention has already seen."""

    keys: Tensor
    values: Tensor
    frames: int


class SpaceTimeAttention(nn.Module):
    """Multi-head self-attention with normalised queries and keys (Dehghani et al. 2023) and rotary positions.

    `over` says which tokens see one another: those of one frame, those of one place at all times, or all. `causal`: no
    frame sees a later one, and `stream` runs a video piece by piece. `base` of the rotation, `None` for no positions.
    """

    def __init__(
        self, channels: int, heads: int, *, over: Over, causal: bool = False, base: float | None = 100.0
    ) -> None:
        super().__init__()
        if channels % heads:
            raise ValueError(f"{channels} channels do not divide among {heads} heads")
        if causal and over == "space":
            raise ValueError("attention within a frame has no past to be causal about")
        self.heads, self.over, self.causal, self.base = heads, over, causal, base
        self.inputs = nn.Linear(channels, 3 * channels)
        self.query_norm = RMSNorm(channels // heads)
        self.key_norm = RMSNorm(channels // heads)
        self.output = nn.Linear(channels, channels)

    def forward(self, x_BTHWC: Tensor) -> Tensor:
        return self._attend(x_BTHWC, None)[0]

    def stream(self, x_BTHWC: Tensor, past: Past | None) -> tuple[Tensor, Past]:
        """The next frames of a video and what to pass with those after them; `None` begins a video.

        Pieces of any lengths give what the whole gives. The memory is the keys and values of all frames so far.
        Raises `ValueError` unless the attention is causal.
        """
        if not self.causal:
            raise ValueError("only causal attention can be run piece by piece")
        return self._attend(x_BTHWC, past)

    def _attend(self, x_BTHWC: Tensor, past: Past | None) -> tuple[Tensor, Past]:
        before = past.frames if past else 0
        q, k, v = (self._sequences(part) for part in self.inputs(x_BTHWC).chunk(3, dim=-1))
        q, k = self.query_norm(q), self.key_norm(k)
        if self.base is not None:
            turn = angles(self._positions(x_BTHWC, before), q.shape[-1], base=self.base)
            q, k = rotate(q, turn), rotate(k, turn)
        if past:
            k, v = torch.cat([past.keys, k], dim=2), torch.cat([past.values, v], dim=2)
        y_NALD = attend(q, k, v, self._mask(x_BTHWC, before))
        return self.output(self._tokens(y_NALD, x_BTHWC.shape)), Past(k, v, before + x_BTHWC.shape[1])

    def _sequences(self, x_BTHWC: Tensor) -> Tensor:
        """Tokens as sequences of those that see one another, by head: (N, A, L, D)."""
        x_BTHWAD = x_BTHWC.unflatten(-1, (self.heads, -1))
        match self.over:
            case "space":
                x_NLAD = x_BTHWAD.flatten(2, 3).flatten(0, 1)
            case "time":
                x_NLAD = x_BTHWAD.movedim(1, 3).flatten(0, 2)
            case "space-time":
                x_NLAD = x_BTHWAD.flatten(1, 3)
        return x_NLAD.transpose(1, 2)

    def _tokens(self, y_NALD: Tensor, shape: torch.Size) -> Tensor:
        """The inverse of `_sequences`."""
        batch, frames, height, width, channels = shape
        y_NLC = y_NALD.transpose(1, 2).flatten(2)
        if self.over == "time":
            return y_NLC.reshape(batch, height, width, frames, channels).movedim(3, 1)
        return y_NLC.reshape(shape)

    def _positions(self, x_BTHWC: Tensor, before: int) -> Tensor:
        """(t, y, x) of the tokens of one sequence, fp32 (L, 3); places that are one for all count as 0."""
        _, frames, height, width, _ = x_BTHWC.shape
        ranges = {
            "space": ((0, 1), (0, height), (0, width)),
            "time": ((before, before + frames), (0, 1), (0, 1)),
            "space-time": ((before, before + frames), (0, height), (0, width)),
        }[self.over]
        axes = (torch.arange(*ends, device=x_BTHWC.device, dtype=torch.float32) for ends in ranges)
        return torch.cartesian_prod(*axes)

    def _mask(self, x_BTHWC: Tensor, before: int) -> Tensor | None:
        """Where a query's frame is not before the key's, bool (L, M); `None` if all may be seen."""
        _, frames, height, width, _ = x_BTHWC.shape
        if not self.causal or frames == 1:
            return None
        places = height * width if self.over == "space-time" else 1
        frame_M = torch.arange(before + frames, device=x_BTHWC.device).repeat_interleave(places)
        return frame_M[before * places :, None] >= frame_M


class SpaceTimeBlock(nn.Module):
    """A transformer block: attention and a two-layer perceptron, each normalised in front and added to its input.

    `factorised`: attention in space, then in time (cost T(HW)^2 + HW T^2; Bertasius et al. 2021, Arnab et al. 2021);
    else over all tokens at once (cost (THW)^2).
    """

    def __init__(self, channels: int, heads: int, *, factorised: bool, causal: bool = False, expand: int = 4) -> None:
        super().__init__()
        self.space = SpaceTimeAttention(channels, heads, over="space") if factorised else None
        self.time = SpaceTimeAttention(channels, heads, over="time" if factorised else "space-time", causal=causal)
        self.space_norm = RMSNorm(channels) if factorised else None
        self.time_norm = RMSNorm(channels)
        self.perceptron = nn.Sequential(
            RMSNorm(channels),
            nn.Linear(channels, expand * channels),
            nn.GELU(),
            nn.Linear(expand * channels, channels),
        )

    def forward(self, x_BTHWC: Tensor) -> Tensor:
        x_BTHWC = self._in_space(x_BTHWC)
        x_BTHWC = x_BTHWC + self.time(self.time_norm(x_BTHWC))
        return x_BTHWC + self.perceptron(x_BTHWC)

    def stream(self, x_BTHWC: Tensor, past: Past | None) -> tuple[Tensor, Past]:
        """As `SpaceTimeAttention.stream`."""
        x_BTHWC = self._in_space(x_BTHWC)
        y_BTHWC, past = self.time.stream(self.time_norm(x_BTHWC), past)
        x_BTHWC = x_BTHWC + y_BTHWC
        return x_BTHWC + self.perceptron(x_BTHWC), past

    def _in_space(self, x_BTHWC: Tensor) -> Tensor:
        if self.space is None or self.space_norm is None:
            return x_BTHWC
        return x_BTHWC + self.space(self.space_norm(x_BTHWC))
