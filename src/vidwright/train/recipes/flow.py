"""Recipes of `generate/flow`: moving digits, one or two, and clips.

Shapes: B clips, T frames, S neighbours of a frame, C channels, H height, W width, D digits; N frames made alone.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn

from vidwright.data.excerpts import Excerpts
from vidwright.data.loader import Batch
from vidwright.data.moving_mnist import SMALL, MovingMnist, test_set
from vidwright.data.samples import Samples, Split
from vidwright.data.seeding import generator
from vidwright.models.generate.flow import Config, Net, Told
from vidwright.process import flow
from vidwright.process.frames import ABSENT, Near, neighbours, offsets
from vidwright.train.optimiser import Optimiser
from vidwright.train.recipe import Recipe
from vidwright.train.schedule import Budget
from vidwright.train.task import Evaluation

#: Times of training: more noise than half, where a small network decides what is to be seen.
MEAN, STD = -0.9, 1.2
#: Frames of a clip that learn alone in one step, unless told otherwise.
ALONE = 2
#: Samples that are shown where there are no classes.
ROWS = 10
#: How often neighbours are as wrong as the network's own frames may be, and from which time on.
ROUGH, LEAST = 0.3, 0.75
#: How often the class is told, of frames without and with neighbours.
TOLD, TOLD_NEAR = 0.9, 0.5
#: How often a part of the picture is known.
MASKED = 0.1


@dataclass(frozen=True, slots=True)
class _Frames(ABC):
    """Make frames of clips of `frames` frames in a square of `size`, alone and beside others.

    `joint` is how often a batch is of windows made at once; the rest is of `alone` frames of each clip, made from their
    neighbours, of which one has none by the share `none`, only earlier ones by `past`, and else each by chance. From
    nothing is by far the hardest to learn: at 0.15 and 0.5 a thousand steps moved shapes well that were no digits;
    later it costs nothing to lower it.

    Judged by the error of its velocity on clips that it has not seen: the error of continuations, which is told beside,
    is small for a network that only blurs.
    """

    watch: ClassVar[str] = "velocity"
    better: ClassVar[Literal["higher", "lower"]] = "lower"

    size: int
    frames: int
    joint: float = 0.2
    none: float = 0.4
    past: float = 0.25
    alone: int = ALONE

    @abstractmethod
    def samples(self, folder: Path, split: Split, seed: int) -> Samples:
        """Clips: "clip" uint8 (T, C, H, W), and "labels" int64 (D,) where they have any."""

    def objective(self, net: nn.Module, batch: Batch) -> dict[str, Tensor]:
        """Mean squared error of the velocity, of windows or of single frames."""
        random = generator(0, *batch["sample"].tolist())
        loss = self._windows if float(torch.rand((), generator=random)) < self.joint else self._alone
        return {"velocity": loss(net, batch["clip"], batch.get("labels"), random)}

    @torch.inference_mode()
    def evaluate(self, net: nn.Module, folder: Path, split: Split, seed: int, limit: int | None) -> Evaluation:
        """Mean squared error of the velocity; of continuations per pixel, of copying and black; a strip of samples.

        Continuations are of the first half of a clip, without being told the class. `limit` of None takes a thousand
        clips. The strip: a class in each row, or a sample, made frame by frame.
        """
        assert isinstance(net, Net)
        samples, given = self.samples(folder, split, seed), self.frames // 2
        sums = torch.zeros(4, dtype=torch.float64)
        count = min(limit or 1000, len(samples))
        for first in range(0, count, 64):
            made = [samples.sample(0, k) for k in range(first, min(first + 64, count))]
            batch = {name: torch.stack([each[name] for each in made]).to(net.exit.weight.device) for name in made[0]}
            velocity = self._velocity(net, batch["clip"], batch.get("labels"), generator(seed, first))
            clip_BTCHW = _seen(batch["clip"]).to(net.exit.weight)
            before = {n - given: clip_BTCHW[:, n] for n in range(given)}
            seeds, size = range(first, first + len(made)), (self.size, self.size)
            drawn_BTCHW = torch.stack(list(net.draw(seeds, self.frames - given, size, given=before)), 1)
            truth_BTCHW = clip_BTCHW[:, given:]
            guesses = (drawn_BTCHW.clamp(-1, 1), clip_BTCHW[:, given - 1 : given], clip_BTCHW.new_tensor(-1.0))
            errors = [((guess - truth_BTCHW) / 2).square().mean() for guess in guesses]
            sums += torch.stack([each.double().cpu() for each in (velocity, *errors)]) * len(made)
        names = ("velocity", "continuation_mse", "continuation_mse.copy_last", "continuation_mse.black")
        figures: dict[str, float | None] = dict(zip(names, (sums / count).tolist(), strict=True))
        return Evaluation(figures, {"samples": self._strip(net)})

    def _velocity(self, net: Net, clip_BTCHW: Tensor, labels_BD: Tensor | None, random: torch.Generator) -> Tensor:
        """The objective, of windows and of single frames in the shares of training."""
        weight = net.exit.weight
        with torch.autocast(weight.device.type, weight.dtype, enabled=weight.dtype != torch.float32):
            windows, frames = (loss(net, clip_BTCHW, labels_BD, random) for loss in (self._windows, self._alone))
        return torch.lerp(frames, windows, self.joint)

    def _windows(self, net: nn.Module, clip_BTCHW: Tensor, labels_BD: Tensor | None, random: torch.Generator) -> Tensor:
        """Of so many clips that they have as many frames as are made alone."""
        clips = max(len(clip_BTCHW) * self.alone // clip_BTCHW.shape[1], 1)
        return window_loss(net, clip_BTCHW[:clips], None if labels_BD is None else labels_BD[:clips], random)

    def _alone(self, net: nn.Module, clip_BTCHW: Tensor, labels_BD: Tensor | None, random: torch.Generator) -> Tensor:
        shares = {"alone": self.alone, "none": self.none, "past": self.past}
        return frame_loss(net, clip_BTCHW, labels_BD, random, **shares)

    def _strip(self, net: Net) -> Tensor:
        """A row for each class, or for each of a few samples, (C, H, W)."""
        told, rows = self._told(net), net.config.classes or ROWS
        frames = list(net.draw(range(rows), self.frames, (self.size, self.size), told))
        shown = [(x_BCHW.clamp(-1, 1).cpu() + 1).div(2).movedim(0, 1).flatten(1, 2) for x_BCHW in frames]
        return torch.cat(shown, dim=-1)

    def _told(self, net: Net) -> Told | None:
        """What the rows of a strip are to show."""
        return None


@dataclass(frozen=True, slots=True)
class Digits(_Frames):
    """Make frames of moving digits: `digits` of `digit` pixels, in clips as in `_Frames`."""

    size: int = SMALL["size"]
    frames: int = 8
    digits: int = SMALL["digits"]
    digit: int = SMALL["digit"]

    def samples(self, folder: Path, split: Split, seed: int) -> Samples:
        """Clips of the digits of `split`, or the fixed test set: "clip" uint8 (T, 1, H, W), "labels" int64 (D,)."""
        law = {"digits": self.digits, "size": self.size, "digit": self.digit, "frames": self.frames}
        return test_set(folder, **law) if split == "test" else MovingMnist(folder, split, **law, seed=seed)

    def _told(self, net: Net) -> Told:
        classes = net.config.classes
        first_B1 = torch.arange(classes, device=net.exit.weight.device)[:, None]
        label_BD = (first_B1 + 3 * torch.arange(self.digits, device=first_B1.device)) % classes
        return Told(label_BD)


@dataclass(frozen=True, slots=True)
class Footage(_Frames):
    """Make frames of any clips, shrunk to `rows` pixels at their shorter side, of which squares as in `_Frames`."""

    size: int = 64
    frames: int = 8
    rows: int = 80

    def samples(self, folder: Path, split: Split, seed: int) -> Excerpts:
        """Squares of the clips of a folder: "clip" uint8 (T, 3, H, W)."""
        return Excerpts(folder, split, frames=self.frames, size=self.size, shorter=self.rows, filmed=0, seed=seed)


def window_loss(net: nn.Module, clip_BTCHW: Tensor, labels_BD: Tensor | None, random: torch.Generator) -> Tensor:
    """All frames of clips at once: one noise level for all or one for each, and in some clips given frames.

    Clips are uint8.
    """
    clips, clip_BTCHW = len(clip_BTCHW), _seen(clip_BTCHW)
    t_BT = _times(clip_BTCHW.shape[:2], random)
    same_B1 = torch.rand(clips, 1, generator=random) < 0.5
    t_BT = torch.where(same_B1, t_BT[:, :1], t_BT)
    share_B1 = torch.rand(clips, 1, generator=random) * (torch.rand(clips, 1, generator=random) < 0.5)
    given_BT = torch.rand(t_BT.shape, generator=random) < share_B1
    given_BT[:, -1] &= ~given_BT.all(dim=1)
    t_BT = torch.where(given_BT, 1.0, t_BT).to(clip_BTCHW)
    noise_BTCHW = _noise(clip_BTCHW, random)
    x_BTCHW = flow.mix(clip_BTCHW, noise_BTCHW, t_BT)
    reach: int = net.config.reach  # pyright: ignore[reportAttributeAccessIssue, reportAssignmentType]
    label_BD = None if labels_BD is None else _told(labels_BD, torch.full((clips,), TOLD), random)
    made_BTCHW = net(x_BTCHW, t_BT, neighbours(x_BTCHW, t_BT, reach), label_BD)
    return flow.loss(made_BTCHW, clip_BTCHW, noise_BTCHW, t_BT, "clean")


def frame_loss(
    net: nn.Module,
    clip_BTCHW: Tensor,
    labels_BD: Tensor | None,
    random: torch.Generator,
    *,
    alone: int,
    none: float,
    past: float,
) -> Tensor:
    """Single frames from some of their neighbours, which may be a little wrong, and of some a part is known.

    `alone`, `none` and `past` are as in `_Frames`. Clips are uint8; only frames that are seen are made anything else.
    """
    clips, frames = clip_BTCHW.shape[:2]
    reach: int = net.config.reach  # pyright: ignore[reportAttributeAccessIssue, reportAssignmentType]
    place_BA = torch.rand(clips, frames, generator=random).argsort(dim=1)[:, :alone]
    clip_N = torch.arange(clips).repeat_interleave(place_BA.shape[1])
    place_N, total = place_BA.flatten(), place_BA.numel()
    near_NS = place_N[:, None] + torch.tensor(offsets(reach))
    there_NS = (near_NS >= 0) & (near_NS < frames) & _present(total, reach, random, none, past)
    pixels_NSCHW = _seen(clip_BTCHW[clip_N[:, None], near_NS.clamp(0, frames - 1)])
    rough_NS = (torch.rand(total, 1, generator=random) < ROUGH) * torch.rand(there_NS.shape, generator=random)
    times_NS = (1 - (1 - LEAST) * rough_NS).to(pixels_NSCHW)
    pixels_NSCHW = flow.mix(pixels_NSCHW, _noise(pixels_NSCHW, random), times_NS)
    told_N = torch.where(there_NS.any(dim=1), TOLD_NEAR, TOLD)
    there_NS = there_NS.to(clip_BTCHW.device)
    near = Near(
        (pixels_NSCHW * there_NS[..., None, None, None])[:, None], torch.where(there_NS, times_NS, ABSENT)[:, None]
    )
    clean_NTCHW = _seen(clip_BTCHW[clip_N, place_N])[:, None]
    t_NT, noise_NTCHW = _times((total, 1), random).to(clean_NTCHW), _noise(clean_NTCHW, random)
    known_NTHW = _boxes(total, clean_NTCHW, random).to(clean_NTCHW.dtype)[:, None]
    t_NTCHW = torch.where(known_NTHW[:, :, None] > 0, 1.0, t_NT[..., None, None, None]).expand_as(clean_NTCHW)
    label_ND = None if labels_BD is None else _told(labels_BD[clip_N], told_N, random)
    x_NTCHW = flow.mix(clean_NTCHW, noise_NTCHW, t_NTCHW)
    made_NTCHW = net(x_NTCHW, t_NT, near, label_ND, known_BTHW=known_NTHW)
    return flow.loss(made_NTCHW, clean_NTCHW, noise_NTCHW, t_NTCHW, "clean")


def _present(total: int, reach: int, random: torch.Generator, none: float, past: float) -> Tensor:
    """Which neighbours are there, bool (N, 2 reach): none, a number of those before, or any."""
    kind_N1 = torch.rand(total, 1, generator=random)
    count_N1 = torch.randint(1, reach + 1, (total, 1), generator=random)
    past_NS = (torch.arange(2 * reach) < reach) & (torch.arange(2 * reach) >= reach - count_N1)
    any_NS = torch.rand(total, 2 * reach, generator=random) < torch.rand(total, 1, generator=random)
    return torch.where(kind_N1 < none + past, past_NS, any_NS) & (kind_N1 >= none)


def _boxes(total: int, like_NTCHW: Tensor, random: torch.Generator) -> Tensor:
    """What of each picture is known, bool (N, H, W): of most nothing, of some all but a box."""
    masked_N11 = torch.rand(total, 1, 1, generator=random) < MASKED
    sides = []
    for side in like_NTCHW.shape[-2:]:
        ends_2N1 = (torch.rand(2, total, 1, generator=random) * (side + 1)).long().sort(dim=0).values
        line_L = torch.arange(side)
        sides.append(((line_L >= ends_2N1[0]) & (line_L < ends_2N1[1])).to(like_NTCHW.device))
    down_NH, across_NW = sides
    return masked_N11.to(like_NTCHW.device) & ~(down_NH[:, :, None] & across_NW[:, None])


def _seen(clip: Tensor) -> Tensor:
    """Pixels of 0 to 255 as the network sees them."""
    return clip.float().div(127.5).sub(1)


def _times(shape: tuple[int, ...] | torch.Size, random: torch.Generator) -> Tensor:
    return flow.logit_normal(shape, mean=MEAN, std=STD, generator=random)


def _noise(like: Tensor, random: torch.Generator) -> Tensor:
    """Normal noise, drawn where it is needed: an accelerator would wait for a CPU's."""
    if like.device.type != "cpu":
        seed = int(torch.randint(2**62, (), generator=random))
        random = torch.Generator(like.device).manual_seed(seed)
    return torch.randn(like.shape, generator=random, device=like.device, dtype=like.dtype)


def _told(labels_BD: Tensor, share_B: Tensor, random: torch.Generator) -> Tensor:
    """Labels, with -1 for those that are not told."""
    told_B1 = torch.rand(len(labels_BD), 1, generator=random) < share_B[:, None]
    return torch.where(told_B1.to(labels_BD.device), labels_BD, -1)


def digits32() -> Recipe:
    """One digit in 32x32, eight frames: an hour and a half on a core with AMX."""
    return _recipe("digits32", Config(), Digits(), minutes=100, batch=64)


def digits64() -> Recipe:
    """Two digits in 64x64, twenty frames: nine minutes of an accelerator and six cores that make clips."""
    config = Config(widths=(32, 64), tokens=144, length=20, side=64, guidance=6)
    task = Digits(digits=2, size=64, digit=28, frames=20, alone=8)
    return _recipe("digits64", config, task, minutes=9, batch=128)


def clips() -> Recipe:
    """Any clips in 64x64, eight frames in colour, without a class: five minutes of an accelerator."""
    config = Config(channels=3, widths=(40, 80), tokens=192, depth=4, heads=6, classes=0, length=8, side=64, rate=25)
    return _recipe("clips", config, Footage(alone=8), minutes=5, batch=128)


def _recipe(weights: str, config: Config, task: Digits | Footage, *, minutes: float, batch: int) -> Recipe:
    return Recipe(
        model="generate/flow",
        weights=weights,
        config=config,
        task=task,
        optimiser=Optimiser("muon", 4e-3, betas=(0.9, 0.99), warmup=50, clip=1.0, ema=0.999),
        budget=Budget(minutes=minutes),
        batch=batch,
        validate_on=64,
    )
