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
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import count
from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vidwright.core import Card, Frame
from vidwright.core.errors import UsageError
from vidwright.nn.activation import LEAK
from vidwright.nn.attention import SpaceTimeAttention
from vidwright.nn.model import GenerativeModel, Usual
from vidwright.nn.norm import RMSNorm
from vidwright.process.samplers import SAMPLERS, Fresh, Name, guided
from vidwright.process.schedules import grid, staggered, together

#: Height and width are multiples of this.
STRIDE = 8
#: The time of a neighbour that is not there.
ABSENT = -1.0
#: Sines and cosines that tell a time.
WAVES = 8
#: Steps of a frame that has neighbours to go by, and of one that has none.
STEPS, FIRST_STEPS = 6, 16

Mode = Literal["auto", "filler", "joint"]


@dataclass(frozen=True, slots=True)
class Config:
    """Sizes of the network, and of what it usually makes.

    `channels` of pixels (1 grey, 3 colour); `widths` of the maps at a half and a quarter of the size, `tokens` of those
    at an eighth, which pass `depth` blocks of `heads` heads; `reach` is how many neighbours on each side a frame sees;
    `classes` that it can be told, `text` numbers of a text embedding (0 for none). `length`, `side` and `rate` of
    usual clips.
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

    def __post_init__(self) -> None:
        # A config may come with a stranger's file, and must not be able to ask for all memory.
        object.__setattr__(self, "widths", tuple(self.widths))
        limits = (("channels", 1, 4), ("tokens", 4, 2048), ("depth", 0, 32), ("heads", 1, 64), ("reach", 1, 8))
        limits += (("classes", 0, 10_000), ("text", 0, 8192), ("length", 1, 1024), ("side", 8, 1024), ("rate", 1, 240))
        for name, least, most in limits:
            if not least <= getattr(self, name) <= most:
                raise ValueError(f"{name} must be from {least} to {most}")
        if len(self.widths) != 2 or not all(1 <= width <= 1024 for width in self.widths):
            raise ValueError("widths must be two numbers from 1 to 1024")
        if self.tokens % (4 * self.heads) or self.side % STRIDE:
            raise ValueError(f"tokens must divide by four times the heads, and side by {STRIDE}")


class Near(NamedTuple):
    """The neighbours of each frame, the earlier ones first: their pixels, and their times, `ABSENT` if not there."""

    pixels_BTSCHW: Tensor
    times_BTS: Tensor


def neighbours(x_BTCHW: Tensor, t_BT: Tensor, reach: int, *, cyclic: bool = False) -> Near:
    """The frames at 1 to `reach` places on either side of each; `cyclic` if the first comes after the last."""
    frames = x_BTCHW.shape[1]
    offsets = torch.tensor([*range(-reach, 0), *range(1, reach + 1)], device=x_BTCHW.device)
    place_TS = torch.arange(frames, device=x_BTCHW.device)[:, None] + offsets
    there_TS = (place_TS >= 0) & (place_TS < frames) | cyclic
    place_TS = place_TS % frames
    times_BTS = torch.where(there_TS, t_BT[:, place_TS], ABSENT)
    return Near(x_BTCHW[:, place_TS] * there_TS[..., None, None, None], times_BTS)


class ConvBlock(nn.Module):
    """Two convolutions beside the identity; the first's result is scaled and shifted by the condition."""

    def __init__(self, width: int, condition: int) -> None:
        super().__init__()
        self.inner, self.outer = nn.Conv2d(width, width, 3, padding=1), nn.Conv2d(width, width, 3, padding=1)
        self.modulate = nn.Linear(condition, 2 * width)
        nn.init.zeros_(self.modulate.weight)
        nn.init.zeros_(self.modulate.bias)
        nn.init.normal_(self.outer.weight, std=1e-3)

    def forward(self, x_NCHW: Tensor, told_NV: Tensor) -> Tensor:
        scale_NC, shift_NC = self.modulate(told_NV).chunk(2, dim=1)
        inner_NCHW = self.inner(F.leaky_relu(x_NCHW, LEAK))
        inner_NCHW = inner_NCHW * (1 + scale_NC[..., None, None]) + shift_NC[..., None, None]
        return x_NCHW + self.outer(F.leaky_relu(inner_NCHW, LEAK))


class TokenBlock(nn.Module):
    """A transformer block whose two parts are scaled, shifted and gated by the condition (adaLN: Peebles and Xie 2023).

    What the condition says is the same for all blocks, plus a constant of each (PixArt: Chen et al. 2023).
    """

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.constant = nn.Parameter(torch.zeros(6, width))
        self.attention = SpaceTimeAttention(width, heads, over="space-time")
        self.norms = nn.ModuleList(RMSNorm(width) for _ in range(2))
        self.perceptron = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))

    def forward(self, x_BTHWC: Tensor, told_BT6C: Tensor) -> Tensor:
        scale, shift, gate, scale2, shift2, gate2 = (told_BT6C + self.constant)[:, :, None, None].unbind(-2)
        x_BTHWC = x_BTHWC + gate * self.attention(self.norms[0](x_BTHWC) * (1 + scale) + shift)
        return x_BTHWC + gate2 * self.perceptron(self.norms[1](x_BTHWC) * (1 + scale2) + shift2)


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
        nn.init.normal_(self.modulate.weight, std=0.02)
        if self.labels is not None:
            nn.init.normal_(self.labels.weight, std=0.3)

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
        told_BTV = self._told(t_BT, near.times_BTS, label_BD, text_BE)
        told_NV = told_BTV.flatten(0, 1)
        seen = [x_BTCHW, near.pixels_BTSCHW.flatten(2, 3), known_BTHW[:, :, None]]
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
        each frame; `guidance` towards the class, 1 as learned, 2 if None. Mode "filler" makes one frame after the other,
        "joint" windows of the usual length at once; "auto" is joint for loops and keys that are further apart than the
        network sees. Raises `UsageError` for sizes and classes that there are not, and `JobFailed` for numbers that are
        none.
        """
        _fits(size)
        before, time, rate = list(clip), Fraction(0), self.usual.rate
        if before and before[-1].duration:
            time, rate = before[-1].time + before[-1].duration, 1 / before[-1].duration
        asked = Asked(
            length,
            self._labels(label),
            None if text is None else text[None].to(self.exit.weight),
            {n - len(before): self._pixels([frame], size) for n, frame in enumerate(before)}
            | {n: self._pixels([frame], size) for n, frame in (keys or {}).items()},
            {
                n: (mask.to(self.exit.weight)[None], self._pixels([frame], size))
                for n, (mask, frame) in (known or {}).items()
            },
            loop,
            steps,
            2.0 if guidance is None else guidance,
        )
        for n, x_BCHW in enumerate(self.draw(asked, size, [seed], mode=mode)):
            data_CHW = ((x_BCHW[0].float() + 1) / 2).clamp(0, 1).cpu()
            data_CHW = data_CHW.expand(3, -1, -1) if self.config.channels == 1 else data_CHW[:3]
            yield Frame(data_CHW, time + n / rate, 1 / rate)

    @torch.inference_mode()
    def draw(
        self, asked: Asked, size: tuple[int, int], seeds: Sequence[int], *, mode: Mode = "auto"
    ) -> Iterator[Tensor]:
        """The frames (B, C, H, W) of samples side by side, in [-1, 1]; each sample follows from its own seed."""
        if not asked.length:
            return iter(())
        reach, window = self.config.reach, self.config.length
        places = sorted(n for n in asked.given if n < asked.length)
        apart = any(b - a > reach for a, b in zip(places, places[1:], strict=False) if b >= 0)
        apart = apart or any(n > reach for n in places[:1])
        joint = mode == "joint" or (mode == "auto" and (asked.loop or apart) and asked.length <= 2 * window)
        return (self._joint if joint else self._filled)(asked, size, seeds)

    def _filled(self, asked: Asked, size: tuple[int, int], seeds: Sequence[int]) -> Iterator[Tensor]:
        """One frame after the other, each from those neighbours that are there by then."""
        reach = self.config.reach
        made = dict(asked.given)
        for n in range(asked.length):
            if n not in made:
                near = self._near(made, n, asked, len(seeds), size)
                made[n] = self._frame(near, asked, size, [_mixed(seed, n) for seed in seeds], asked.known.get(n))
            yield made[n].expand(len(seeds), -1, -1, -1)
            if not asked.loop:
                made.pop(n - reach, None)

    def _near(self, made: Mapping[int, Tensor], n: int, asked: Asked, batch: int, size: tuple[int, int]) -> Near:
        """Neighbours of frame `n` among those that are there."""
        nothing = self.exit.weight.new_zeros(batch, self.config.channels, *size)
        pixels: list[Tensor] = []
        times: list[float] = []
        for offset in (*range(-self.config.reach, 0), *range(1, self.config.reach + 1)):
            there = made.get((n + offset) % asked.length if asked.loop else n + offset)
            pixels.append(nothing if there is None else there.expand(batch, -1, -1, -1))
            times.append(ABSENT if there is None else 1.0)
        return Near(torch.stack(pixels, dim=1)[:, None], nothing.new_tensor(times).expand(batch, 1, -1))

    def _frame(
        self,
        near: Near,
        asked: Asked,
        size: tuple[int, int],
        seeds: Sequence[int],
        known: tuple[Tensor, Tensor] | None,
    ) -> Tensor:
        """One frame, (B, C, H, W), in steps; guided if nothing but the class says what it is to be."""
        alone = bool((near.times_BTS == ABSENT).all())
        fresh = _drawn(seeds)
        x_BTCHW = fresh(self.exit.weight.new_empty(len(seeds), 1, self.config.channels, *size))
        steps = asked.steps or (FIRST_STEPS if alone else STEPS)
        schedule_KBT = together(grid(steps), x_BTCHW.new_zeros(len(seeds), 1, dtype=torch.bool))

        def denoise(x_BTCHW: Tensor, t_BT: Tensor) -> Tensor:
            return self._guided(x_BTCHW, t_BT, near, asked, known, asked.guidance if alone else 1.0)

        for x_BTCHW in SAMPLERS[asked.sampler](denoise, x_BTCHW, schedule_KBT, refresh=asked.refresh, fresh=fresh):
            pass
        return _kept(x_BTCHW, known)[:, 0]

    def _joint(self, asked: Asked, size: tuple[int, int], seeds: Sequence[int]) -> Iterator[Tensor]:
        """Windows of frames at once, each with the last half of the one before as given frames."""
        window = asked.length if asked.loop else self.config.length
        given = dict(asked.given)
        start = 0
        for number in count():
            first = start - min(window // 2, sum(n < start for n in given)) if not asked.loop else start
            stop = min(first + window, asked.length)
            for n, x_BCHW in enumerate(
                self._window(given, first, stop, asked, size, [_mixed(s, number) for s in seeds])
            ):
                if first + n >= start:
                    given[first + n] = x_BCHW
                    yield x_BCHW
            start = stop
            if start >= asked.length:
                return

    def _window(
        self,
        given: Mapping[int, Tensor],
        first: int,
        stop: int,
        asked: Asked,
        size: tuple[int, int],
        seeds: Sequence[int],
    ) -> Iterator[Tensor]:
        """Frames `first` to `stop`, some of them given, in the order in which they are done."""
        fresh, frames = _drawn(seeds), stop - first
        x_BTCHW = fresh(self.exit.weight.new_empty(len(seeds), frames, self.config.channels, *size))
        there_BT = torch.zeros(len(seeds), frames, dtype=torch.bool, device=x_BTCHW.device)
        for n in range(frames):
            if first + n in given:
                x_BTCHW[:, n], there_BT[:, n] = given[first + n], True
        times_K = grid(asked.steps or FIRST_STEPS).to(x_BTCHW.device)
        rows = staggered(times_K, there_BT, lag=asked.lag) if asked.lag else together(times_K, there_BT)
        turn = torch.Generator().manual_seed(_mixed(seeds[0], frames))

        def denoise(x_BTCHW: Tensor, t_BT: Tensor) -> Tensor:
            # A loop begins anywhere: were it always at the same frame, that one would know no past (Mobius).
            shift = int(torch.randint(frames, (), generator=turn)) if asked.loop else 0
            x_BTCHW, t_BT = x_BTCHW.roll(shift, 1), t_BT.roll(shift, 1)
            near = neighbours(x_BTCHW, t_BT, self.config.reach, cyclic=asked.loop)
            known = _together({n - first: each for n, each in asked.known.items()}, x_BTCHW)
            return self._guided(x_BTCHW, t_BT, near, asked, known, asked.guidance).roll(-shift, 1)

        known = _together({n - first: each for n, each in asked.known.items()}, x_BTCHW)
        done = 0
        sampler = SAMPLERS[asked.sampler]
        for number, x_BTCHW in enumerate(sampler(denoise, x_BTCHW, rows, refresh=asked.refresh, fresh=fresh), start=1):
            while done < frames and bool((rows[number, :, done] >= 1).all()):
                yield _kept(x_BTCHW, known)[:, done]
                done += 1

    def _guided(
        self,
        x_BTCHW: Tensor,
        t_BT: Tensor,
        near: Near,
        asked: Asked,
        known: tuple[Tensor, Tensor] | None,
        guidance: float,
    ) -> Tensor:
        """The clean frames, drawn out towards the class and the text, and towards the neighbours by `history`."""
        x_BTCHW = _kept(x_BTCHW, known)
        mask_BTHW = (
            None if known is None else torch.maximum(_mask(known, x_BTCHW), (t_BT >= 1).to(x_BTCHW)[..., None, None])
        )
        label_BD = None if asked.label_BD is None else asked.label_BD.expand(len(x_BTCHW), -1)
        text_BE = None if asked.text_BE is None else asked.text_BE.expand(len(x_BTCHW), -1)
        clean = self(x_BTCHW, t_BT, near, label_BD, known_BTHW=mask_BTHW, text_BE=text_BE)
        if guidance != 1 and (label_BD is not None or text_BE is not None):
            clean = guided(clean, self(x_BTCHW, t_BT, near, known_BTHW=mask_BTHW), guidance)
        if asked.history != 1:
            lost = Near(torch.zeros_like(near.pixels_BTSCHW), torch.full_like(near.times_BTS, ABSENT))
            untold = self(x_BTCHW, t_BT, lost, label_BD, known_BTHW=mask_BTHW, text_BE=text_BE)
            clean = guided(clean, untold, asked.history)
        return clean

    def _labels(self, label: int | Sequence[int] | None) -> Tensor | None:
        """Classes as a user names them, (1, D). Raises `UsageError` for one that there is not."""
        if label is None:
            return None
        labels = [label] if isinstance(label, int) else list(label)
        classes = self.config.classes
        if not all(0 <= each < classes for each in labels):
            cause = f"the model knows {classes} classes"
            raise UsageError(
                f"label {label}", cause, f"give numbers from 0 to {classes - 1}" if classes else "give none"
            )
        return torch.tensor([labels], device=self.exit.weight.device)

    def _pixels(self, frames: Sequence[Frame], size: tuple[int, int]) -> Tensor:
        """Frames as the network sees them, (N, C, H, W) in [-1, 1]. Raises `UsageError` for another size."""
        for frame in frames:
            if (frame.height, frame.width) != size:
                sizes = f"{frame.width}x{frame.height}"
                raise UsageError("a frame that is given", f"it is {sizes}", f"ask for samples of {sizes}")
        x_NCHW = torch.stack([frame.data[:3] for frame in frames]).to(self.exit.weight)
        x_NCHW = x_NCHW.mean(dim=1, keepdim=True) if self.config.channels == 1 else x_NCHW
        return 2 * x_NCHW - 1


@dataclass(frozen=True, slots=True)
class Asked:
    """What is to be drawn: `length` frames, of which `given` are there, and `known` in part, by their place.

    Places below 0 come before the first. Pixels are (1 or B, C, H, W) in [-1, 1], masks (1 or B, H, W) with ones where
    they are known. `history` is guidance by the neighbours, `lag` the steps that each frame of a window is behind the
    one before; `refresh` and `sampler` as in `process.samplers`.
    """

    length: int
    label_BD: Tensor | None = None
    text_BE: Tensor | None = None
    given: Mapping[int, Tensor] = field(default_factory=dict[int, Tensor])
    known: Mapping[int, tuple[Tensor, Tensor]] = field(default_factory=dict[int, tuple[Tensor, Tensor]])
    loop: bool = False
    steps: int | None = None
    guidance: float = 1.0
    history: float = 1.0
    refresh: float = 1.0
    sampler: Name = "euler"
    lag: int = 0


def _fits(size: tuple[int, int]) -> None:
    nearest = [max(round(side / STRIDE), 1) * STRIDE for side in size]
    if tuple(nearest) != tuple(size):
        cause = f"height and width must be multiples of {STRIDE}"
        raise UsageError(f"size {size[1]}x{size[0]}", cause, f"the nearest is {nearest[1]}x{nearest[0]}")


def _mixed(seed: int, number: int) -> int:
    """A seed of its own for each part of a sample."""
    return (seed * 0x9E3779B97F4A7C15 + number * 0xBF58476D1CE4E5B9) % 2**63


def _drawn(seeds: Sequence[int]) -> Fresh:
    """Normal noise of which each sample has a source of its own, whatever stands beside it."""
    sources = [torch.Generator().manual_seed(seed) for seed in seeds]

    def fresh(x: Tensor) -> Tensor:
        return torch.stack([torch.randn(x.shape[1:], generator=source) for source in sources]).to(x)

    return fresh


def _together(known: Mapping[int, tuple[Tensor, Tensor]], x_BTCHW: Tensor) -> tuple[Tensor, Tensor] | None:
    """Masks (B, T, H, W) and pixels (B, T, C, H, W) of what is known of a window's frames, None if nothing is."""
    if not any(0 <= n < x_BTCHW.shape[1] for n in known):
        return None
    mask_BTHW, pixels_BTCHW = torch.zeros_like(x_BTCHW[:, :, 0]), torch.zeros_like(x_BTCHW)
    for n, (mask_BHW, pixels_BCHW) in known.items():
        if 0 <= n < x_BTCHW.shape[1]:
            mask_BTHW[:, n], pixels_BTCHW[:, n] = mask_BHW, pixels_BCHW
    return mask_BTHW, pixels_BTCHW


def _mask(known: tuple[Tensor, Tensor], x_BTCHW: Tensor) -> Tensor:
    return (
        known[0].expand(x_BTCHW[:, :, 0].shape) if known[0].ndim == 4 else known[0][:, None].expand_as(x_BTCHW[:, :, 0])
    )


def _kept(x_BTCHW: Tensor, known: tuple[Tensor, Tensor] | None) -> Tensor:
    """x with the pixels that are known put into it."""
    if known is None:
        return x_BTCHW
    pixels = known[1] if known[1].ndim == 5 else known[1][:, None]
    return torch.where(_mask(known, x_BTCHW)[:, :, None] > 0, pixels, x_BTCHW)


CARD = Card(
    task="generate",
    summary="Rectified flow with a noise level per frame: class, pictures, clips, masks, loops",
    build=Net,
    config=Config,
    paper="Chen et al. 2024 (diffusion forcing); Liu et al. 2022 (rectified flow); Li and He 2025 (clean prediction)",
)
