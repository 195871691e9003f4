"""Frames from noise, each at a noise level of its own: one network for every way of asking.

    x_t of a frame, what is known of it --.
    its neighbours' pixels ---------------+--> H/2 --> H/4 --> H/8 tokens --> transformer over y, x (and t) --.
                                               | skip    | skip                                               |
    clean frame <------------------------- H/2 <-- H/4 <-------------------------------------------------- <--'
    t, neighbours' t, class, text --> vector --> scale and shift of every block

Rectified flow (Liu et al. 2022) whose network predicts the clean frame (Li and He 2025), with a noise level for each
frame (diffusion forcing, Chen et al. 2024): a frame that is given has t = 1, and every task is a choice of which are.
The same blocks run in two ways. "joint": all frames at once, each sees its neighbours as they are at the moment.
"filler": a single frame from any of its neighbours, before or after it, that are there; a fraction of the cost.

Convolutions around a small transformer, because pixel patches learn strokes slowly; no norms in them, because on a CPU
they cost more than the convolutions.

Shapes: B batch, T frames, S neighbours of a frame, C channels of pixels, H height, W width, D things in a clip,
E numbers of a text embedding, V width of the condition; h, w H/8 and W/8. Pixels are in [-1, 1] inside.
"""

from __future__ import annotations

import math
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vidwright.core import Card, Frame
from vidwright.core.errors import UsageError
from vidwright.nn.activation import LEAK
from vidwright.nn.model import GenerativeModel, Usual
from vidwright.nn.modulated import ConvBlock, TokenBlock
from vidwright.process.frames import ABSENT, Near, Wanted, at_once, one_by_one
from vidwright.process.samplers import guided

#: Height and width are multiples of this.
STRIDE = 8
#: Sines and cosines that tell a time.
WAVES = 8
#: How far a frame between others is drawn out towards them: of digits, a fifth fewer are read as another one.
BETWEEN = 1.5
Mode = Literal["auto", "filler", "joint"]


@dataclass(frozen=True, slots=True)
class Config:
    """Sizes of the network, and of what it usually makes.

    `channels` of pixels (1 grey, 3 colour); `widths` of the maps at a half and a quarter of the size, `tokens` of those
    at an eighth, which pass `depth` blocks of `heads` heads; `reach` is how many neighbours on each side a frame sees;
    `classes` that it can be told, `text` numbers of a text embedding (0 for none). `length`, `side` and `rate` of
    usual clips, and the `guidance` with which they are drawn.
    """

    channels: int = 1
    widths: tuple[int, int] = (32, 80)
    tokens: int = 144
    depth: int = 3
    heads: int = 4
    reach: int = 3
    classes: int = 10
    text: int = 0
    length: int = 8
    side: int = 32
    rate: int = 10
    guidance: float = 4.0

    def __post_init__(self) -> None:
        # A config may come with a stranger's file, and must not be able to ask for all memory.
        object.__setattr__(self, "widths", tuple(self.widths))
        limits = (("channels", 1, 4), ("tokens", 4, 2048), ("depth", 0, 32), ("heads", 1, 64), ("reach", 1, 8))
        limits += (("classes", 0, 10_000), ("text", 0, 8192), ("length", 1, 1024), ("side", 8, 1024), ("rate", 1, 240))
        limits += (("guidance", 0, 100),)
        for name, least, most in limits:
            if not least <= getattr(self, name) <= most:
                raise ValueError(f"{name} must be from {least} to {most}")
        if len(self.widths) != 2 or not all(1 <= width <= 1024 for width in self.widths):
            raise ValueError("widths must be two numbers from 1 to 1024")
        if self.tokens % (4 * self.heads) or self.side % STRIDE:
            raise ValueError(f"tokens must divide by four times the heads, and side by {STRIDE}")


@dataclass(frozen=True, slots=True)
class Told:
    """What samples are to show: classes (1 or B, D), -1 for none, or text embeddings (1 or B, E).

    `guidance` draws them out towards it, `history` towards the neighbours that are clean: 1 is as learned. None is the
    usual guidance of the config; and as history `BETWEEN` for a frame made by itself that has such neighbours before
    and after it, else 1.
    """

    label: Tensor | None = None
    text: Tensor | None = None
    guidance: float | None = None
    history: float | None = None


class Net(GenerativeModel):
    """The clean frames behind noisy ones."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        self.usual = Usual(config.length, (config.side, config.side), Fraction(config.rate), memory=config.reach)
        slots, (fine, middle), tokens = 2 * config.reach, config.widths, config.tokens
        self.times = nn.Linear(2 * WAVES + 2 * slots, tokens)
        self.labels = nn.Embedding(config.classes, tokens) if config.classes else None
        self.text = nn.Linear(config.text, tokens) if config.text else None
        self.told = nn.Sequential(nn.SiLU(), nn.Linear(tokens, tokens), nn.SiLU())
        # 2x2 pixels as channels: a 6x6 kernel of stride 2 at the cost of a 3x3.
        self.entry = nn.Conv2d(4 * (config.channels * (slots + 1) + 1), fine, 3, padding=1)
        self.downs = nn.ModuleList(
            nn.Conv2d(a, b, 3, stride=2, padding=1) for a, b in ((fine, middle), (middle, tokens))
        )
        self.falling = nn.ModuleList(ConvBlock(width, tokens) for width in (fine, middle))
        self.blocks = nn.ModuleList(TokenBlock(tokens, config.heads) for _ in range(config.depth))
        self.modulate = nn.Linear(tokens, 6 * tokens)
        self.ups = nn.ModuleList(nn.Conv2d(b, 4 * a, 1) for a, b in ((fine, middle), (middle, tokens)))
        self.rising = nn.ModuleList(ConvBlock(width, tokens) for width in (fine, middle))
        self.exit = nn.Conv2d(fine, 4 * config.channels, 3, padding=1)
        nn.init.zeros_(self.modulate.bias)
        # Large enough that what it is told is seen from the first steps on: at a third of this a short run makes
        # legible digits of the wrong class.
        nn.init.normal_(self.modulate.weight, std=0.1)
        if self.labels is not None:
            nn.init.normal_(self.labels.weight, std=1.0)

    def forward(
        self,
        x_BTCHW: Tensor,
        t_BT: Tensor,
        near: Near,
        label_BD: Tensor | None = None,
        *,
        known_BTHW: Tensor | None = None,
        text_BE: Tensor | None = None,
    ) -> Tensor:
        """The clean frames, (B, T, C, H, W), that x_t is expected to come from, at times t with such neighbours.

        Where `known` is 1 the pixels of x are clean already. Of `label` -1 says nothing; None of it, or of `text`,
        says nothing either.
        """
        batch, frames, _, height, width = x_BTCHW.shape
        if known_BTHW is None:
            known_BTHW = (t_BT >= 1).to(x_BTCHW.dtype)[..., None, None].expand(-1, -1, height, width)
        told_BTV = self._told(t_BT, near.times, label_BD, text_BE)
        told_NV = told_BTV.flatten(0, 1)
        seen = [x_BTCHW, near.pixels.flatten(2, 3), known_BTHW[:, :, None]]
        x_NCHW = F.pixel_unshuffle(torch.cat(seen, dim=2).flatten(0, 1), 2)
        fine_NCHW = self.falling[0](self.entry(x_NCHW.contiguous(memory_format=torch.channels_last)), told_NV)
        middle_NCHW = self.falling[1](self.downs[0](fine_NCHW), told_NV)
        token_BTHWC = self.downs[1](middle_NCHW).permute(0, 2, 3, 1).unflatten(0, (batch, frames))
        told_BT6V = self.modulate(told_BTV).unflatten(-1, (6, -1))
        for block in self.blocks:
            token_BTHWC = block(token_BTHWC, told_BT6V)
        token_NCHW = token_BTHWC.flatten(0, 1).permute(0, 3, 1, 2)
        middle_NCHW = self.rising[1](middle_NCHW + F.pixel_shuffle(self.ups[1](token_NCHW), 2), told_NV)
        fine_NCHW = self.rising[0](fine_NCHW + F.pixel_shuffle(self.ups[0](middle_NCHW), 2), told_NV)
        return F.pixel_shuffle(self.exit(F.leaky_relu(fine_NCHW, LEAK)), 2).unflatten(0, (batch, frames))

    def _told(self, t_BT: Tensor, near_BTS: Tensor, label_BD: Tensor | None, text_BE: Tensor | None) -> Tensor:
        """Times, class and text as one vector for each frame, (B, T, V)."""
        angle_BTF = t_BT[..., None] * (math.pi * torch.arange(1, WAVES + 1, device=t_BT.device))
        there_BTS = (near_BTS != ABSENT).to(t_BT.dtype)
        times = torch.cat([angle_BTF.sin(), angle_BTF.cos(), there_BTS, near_BTS * there_BTS], dim=-1)
        told_BTV = self.times(times.to(self.times.weight.dtype))
        if label_BD is not None and self.labels is not None:
            label_BD = label_BD.reshape(len(t_BT), -1)
            said_BDV = self.labels(label_BD.clamp_min(0)) * (label_BD >= 0)[..., None]
            told_BTV = told_BTV + said_BDV.sum(dim=1)[:, None]
        if text_BE is not None and self.text is not None:
            told_BTV = told_BTV + self.text(text_BE)[:, None]
        return self.told(told_BTV)

    @torch.inference_mode()
    def sample(
        self,
        *,
        label: int | Sequence[int] | None = None,
        text: Tensor | None = None,
        clip: Iterable[Frame] = (),
        keys: Mapping[int, Frame] | None = None,
        known: Mapping[int, tuple[Tensor, Frame]] | None = None,
        loop: bool = False,
        length: int,
        size: tuple[int, int],
        seed: int,
        steps: int | None = None,
        guidance: float | None = None,
        mode: Mode = "auto",
    ) -> Generator[Frame, None, None]:
        """Draw `length` frames of `size` (height, width), handed out as early as they are done.

        `label` is the class, or the classes of the things, that are to be seen, `text` the embedding (E,) of a text;
        `clip` the frames that come before; `keys` frames of the result by their place; `known` by their place frames of
        which the pixels under a mask (H, W) of ones are kept; `loop`: the last leads back to the first. `steps` for
        each frame; `guidance` towards the class, 1 as learned. Raises `UsageError` for sizes and classes
        that there are not, and `JobFailed` for numbers that are none.
        """
        nearest = [max(round(side / STRIDE), 1) * STRIDE for side in size]
        if tuple(nearest) != tuple(size):
            cause, step = f"sides must be multiples of {STRIDE}", f"the nearest size is {nearest[1]}x{nearest[0]}"
            raise UsageError(f"size {size[1]}x{size[0]}", cause, step)
        before, time, rate = list(clip), Fraction(0), self.usual.rate
        if before and before[-1].duration:
            time, rate = before[-1].time + before[-1].duration, 1 / before[-1].duration
        given = {n: self._pixels(frame, size) for n, frame in enumerate(before, start=-len(before))}
        given |= {n: self._pixels(frame, size) for n, frame in (keys or {}).items()}
        parts = {
            n: (mask[None].to(self.exit.weight), self._pixels(frame, size))
            for n, (mask, frame) in (known or {}).items()
        }
        told = Told(self._labels(label), None if text is None else text[None], guidance)
        drawn = self.draw([seed], length, size, told, mode=mode, given=given, known=parts, loop=loop, steps=steps)
        for n, x_BCHW in enumerate(drawn):
            data_CHW = ((x_BCHW[0].float() + 1) / 2).clamp(0, 1).cpu()
            data_CHW = data_CHW.expand(3, -1, -1) if self.config.channels == 1 else data_CHW[:3]
            yield Frame(data_CHW, time + n / rate, 1 / rate)

    def draw(
        self,
        seeds: Sequence[int],
        length: int,
        size: tuple[int, int],
        told: Told | None = None,
        *,
        mode: Mode = "auto",
        **how: Any,
    ) -> Iterator[Tensor]:
        """The frames (B, C, H, W) of samples side by side, in [-1, 1]; `how` are fields of `process.frames.Wanted`.

        Mode "filler" makes one frame after the other, "joint" windows of the usual length at once; "auto" is joint for
        loops and given frames that are further apart than a frame sees, up to twice the usual length.
        """
        told, shape = told or Told(), (self.config.channels, *size)
        wanted = Wanted(length, shape, self.config.reach, self.config.length, **how)
        fits = (wanted.loop or wanted.apart) and length <= 2 * self.config.length
        joint = mode == "joint" or (mode == "auto" and fits)

        def denoise(x_BTCHW: Tensor, t_BT: Tensor, near: Near, known_BTHW: Tensor) -> Tensor:
            return self._guided(x_BTCHW, t_BT, near, known_BTHW, told)

        return (at_once if joint else one_by_one)(denoise, wanted, seeds, self.exit.weight)

    def _guided(self, x_BTCHW: Tensor, t_BT: Tensor, near: Near, known_BTHW: Tensor, told: Told) -> Tensor:
        """The clean frames, drawn out towards what is told where no clean neighbour says it, and towards these."""
        label_BD, text_BE = (
            None if each is None else each.to(x_BTCHW.device).expand(len(x_BTCHW), -1)
            for each in (told.label, told.text)
        )
        clean = self(x_BTCHW, t_BT, near, label_BD, known_BTHW=known_BTHW, text_BE=text_BE)
        guidance = self.config.guidance if told.guidance is None else told.guidance
        # Beside clean frames it does nothing more, once the network is trained.
        if guidance != 1 and not near.sure and not (label_BD is None and text_BE is None):
            clean = guided(clean, self(x_BTCHW, t_BT, near, known_BTHW=known_BTHW), guidance)
        between = told.history is None and x_BTCHW.shape[1] == 1 and near.between
        history = BETWEEN if between else 1.0 if told.history is None else told.history
        if history != 1 and near.sure:
            lost = Near(torch.zeros_like(near.pixels), torch.full_like(near.times, ABSENT))
            alone = self(x_BTCHW, t_BT, lost, label_BD, known_BTHW=known_BTHW, text_BE=text_BE)
            clean = guided(clean, alone, history)
        return clean.clamp(-1, 1)  # no pixel is brighter than white, however it is drawn out

    def _labels(self, label: int | Sequence[int] | None) -> Tensor | None:
        """Classes as a user names them, (1, D). Raises `UsageError` for one that there is not."""
        if label is None:
            return None
        labels = [label] if isinstance(label, int) else list(label)
        classes = self.config.classes
        if not all(0 <= each < classes for each in labels):
            step = f"give numbers from 0 to {classes - 1}" if classes else "give none"
            raise UsageError(f"label {label}", f"the model knows {classes} classes", step)
        return torch.tensor([labels])

    def _pixels(self, frame: Frame, size: tuple[int, int]) -> Tensor:
        """A frame as the network sees it, (1, C, H, W) in [-1, 1]. Raises `UsageError` for another size."""
        if (frame.height, frame.width) != size:
            sizes = f"{frame.width}x{frame.height}"
            raise UsageError("a frame that is given", f"it is {sizes}", f"ask for samples of {sizes}")
        x_CHW = frame.data[:3].to(self.exit.weight)
        x_CHW = x_CHW.mean(dim=0, keepdim=True) if self.config.channels == 1 else x_CHW
        return 2 * x_CHW[None] - 1


CARD = Card(
    task="generate",
    summary="Rectified flow, each frame at its own noise: class, key frames, clips, loops",
    build=Net,
    config=Config,
    weights=("digits32", "digits64"),
    paper="Chen et al. 2024 (diffusion forcing); Liu et al. 2022 (rectified flow); Li and He 2025 (clean prediction)",
)
