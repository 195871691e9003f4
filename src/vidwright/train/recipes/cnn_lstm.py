"""Recipes of `generate/cnn_lstm`: the next frame of Moving MNIST, and which digit it is.

Shapes: B batch, T frames, C = 1 channel, H height, W width; K intensity classes.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vidwright.data.loader import Batch
from vidwright.data.moving_mnist import MovingMnist, test_set
from vidwright.data.samples import Samples, Split
from vidwright.data.seeding import generator
from vidwright.models.generate.cnn_lstm import Config, drawn
from vidwright.train.optimiser import Optimiser
from vidwright.train.recipe import Recipe
from vidwright.train.schedule import Budget
from vidwright.train.task import Evaluation

#: Clips that are judged side by side.
TOGETHER = 16
#: A loss is near one where optimisers' usual settings fit; nats per frame are hundreds.
LOSS_SCALE = 0.01


@dataclass(frozen=True, slots=True)
class NextFrame:
    """Predict every frame of moving digits from those before it; of the last frames of a clip the nats are scored.

    `digits` of `digit` pixels in a square of `size`, clips of `frames`, of which `given` come before the scored ones.
    `told` is how often training tells the digits; it is judged without being told.
    """

    watch: ClassVar[str] = "nats_per_frame"
    better: ClassVar[Literal["higher", "lower"]] = "lower"

    digits: int = 2
    size: int = 64
    digit: int = 28
    frames: int = 20
    given: int = 10
    told: float = 0.25

    def samples(self, folder: Path, split: Split, seed: int) -> MovingMnist:
        """Clips of the digits of `split`, or the fixed test set: "clip" uint8 (T, 1, H, W), "labels" int64 (D,)."""
        return _moving_mnist(
            folder, split, seed, digits=self.digits, size=self.size, digit=self.digit, frames=self.frames
        )

    def objective(self, net: nn.Module, batch: Batch) -> dict[str, Tensor]:
        """Cross-entropy of all frames in nats per frame, scaled to about one."""
        clip_BTCHW = batch["clip"].float() / 255
        random = generator(0, *batch["sample"].tolist())
        told_B = torch.rand(len(clip_BTCHW), generator=random) < self.told
        labels_BD = torch.where(told_B[:, None].to(batch["labels"].device), batch["labels"], -1)
        nats_BT = nats(net(clip_BTCHW, labels_BD), classes(net, clip_BTCHW))
        return {"nats": LOSS_SCALE * nats_BT.mean()}

    @torch.inference_mode()
    def evaluate(self, net: nn.Module, folder: Path, split: Split, seed: int, limit: int | None) -> Evaluation:
        """Nats per scored frame, those of two models without a network, and a strip of pictures.

        The frames before each scored one are the true ones. `limit` of None takes a thousand clips.
        """
        samples = self.samples(folder, split, seed)
        device = next(net.parameters()).device
        scores: list[Tensor] = []
        seen: list[Tensor] = []
        strip: Tensor | None = None
        for clip_BTCHW in clips(samples, min(limit or 1000, len(samples))):
            logits_BTKHW = net(clip_BTCHW.to(device)).float()
            scores.append(nats(logits_BTKHW, classes(net, clip_BTCHW.to(device)))[:, self.given :].cpu())
            seen.append(classes(net, clip_BTCHW))
            strip = self._strip(net, clip_BTCHW[0].to(device), logits_BTKHW[0]) if strip is None else strip
        seen_BTHW = torch.cat(seen)
        metrics = {
            "nats_per_frame": float(torch.cat(scores).double().mean()),
            "nats_per_frame.copy_last": copy_last_nats(seen_BTHW, self.given),
            "nats_per_frame.frequency": frequency_nats(seen_BTHW, self.given),
        }
        return Evaluation(metrics, {} if strip is None else {"continuation": strip})

    def _strip(self, net: nn.Module, clip_TCHW: Tensor, logits_TKHW: Tensor) -> Tensor:
        """Three rows of the scored frames: true, expected from the true past, drawn from the drawn past."""
        levels = torch.linspace(0, 1, logits_TKHW.shape[1], device=logits_TKHW.device)
        expected_THW = torch.einsum("tkhw,k->thw", logits_TKHW.softmax(dim=1), levels)
        truth_THW = net.intensity(net.quantised(clip_TCHW[:, 0]))  # pyright: ignore[reportCallIssue]
        drawn_THW = torch.stack(list(self._continued(net, clip_TCHW)))
        rows = [each[self.given :] for each in (truth_THW, expected_THW)] + [drawn_THW]
        return torch.cat([row.cpu().transpose(0, 1).flatten(1) for row in rows])[None]

    def _continued(self, net: nn.Module, clip_TCHW: Tensor) -> Iterator[Tensor]:
        random = generator(0)
        logits_BKHW, state = net.start(1, clip_TCHW.shape[-2:])  # pyright: ignore[reportCallIssue]
        for n in range(self.frames):
            frame_BCHW = clip_TCHW[None, n]
            if n >= self.given:
                classes_BHW = drawn(logits_BKHW, 1.0, random).to(clip_TCHW.device)
                frame_BCHW = net.intensity(classes_BHW)[:, None]  # pyright: ignore[reportCallIssue]
                yield frame_BCHW[0, 0]
            logits_BKHW, state = net.step(frame_BCHW, state)  # pyright: ignore[reportCallIssue]


@dataclass(frozen=True, slots=True)
class Classify:
    """Name the digit of a clip: one of `digit` pixels that moves in a square of `size` for `frames` frames."""

    watch: ClassVar[str] = "accuracy"
    better: ClassVar[Literal["higher", "lower"]] = "higher"

    size: int = 32
    digit: int = 16
    frames: int = 8

    def samples(self, folder: Path, split: Split, seed: int) -> MovingMnist:
        """Clips of the digits of `split`, or the fixed test set: "clip" uint8 (T, 1, H, W), "labels" int64 (1,)."""
        return _moving_mnist(folder, split, seed, digits=1, size=self.size, digit=self.digit, frames=self.frames)

    def objective(self, net: nn.Module, batch: Batch) -> dict[str, Tensor]:
        """Categorical cross-entropy in nats per clip."""
        scores_BN = net(batch["clip"].float() / 255)
        return {"nats": F.cross_entropy(scores_BN.float(), batch["labels"][:, 0])}

    @torch.inference_mode()
    def evaluate(self, net: nn.Module, folder: Path, split: Split, seed: int, limit: int | None) -> Evaluation:
        """The share of clips whose digit is named rightly. `limit` of None takes a thousand clips."""
        samples = self.samples(folder, split, seed)
        count = min(limit or 1000, len(samples))
        device = next(net.parameters()).device
        right = 0
        for batch in parts(samples, count):
            scores_BN = net(batch["clip"].to(device).float() / 255)
            right += int((scores_BN.argmax(dim=1).cpu() == batch["labels"][:, 0]).sum())
        return Evaluation({"accuracy": right / count})


def _moving_mnist(folder: Path, split: Split, seed: int, **law: int) -> MovingMnist:
    return test_set(folder, **law) if split == "test" else MovingMnist(folder, split, **law, seed=seed)


def nats(logits_BTKHW: Tensor, classes_BTHW: Tensor) -> Tensor:
    """Minus the log-likelihood of each frame, (B, T), summed over its pixels."""
    losses_BTHW = F.cross_entropy(logits_BTKHW.float().transpose(1, 2), classes_BTHW, reduction="none")
    return losses_BTHW.sum(dim=(2, 3))


def classes(net: nn.Module, clip_BTCHW: Tensor) -> Tensor:
    """The intensity classes of a clip, (B, T, H, W)."""
    while hasattr(net, "module"):  # as it is wrapped for training in several processes
        net = net.module  # pyright: ignore[reportAssignmentType]
    return net.quantised(clip_BTCHW[:, :, 0])  # pyright: ignore[reportCallIssue]


def copy_last_nats(classes_BTHW: Tensor, given: int) -> float:
    """Nats per frame of the model that repeats the last frame, with the one share of changed pixels that fits best.

    A changed pixel is any of the other classes alike. The share is that of the scored frames themselves.
    """
    kinds = max(int(classes_BTHW.max()), 1)
    flip = float((classes_BTHW[:, given:] != classes_BTHW[:, given - 1 : -1]).double().mean())
    return classes_BTHW[0, 0].numel() * (_entropy(flip) + flip * math.log(kinds))


def frequency_nats(classes_BTHW: Tensor, given: int) -> float:
    """Nats per frame of the model that knows of each pixel how often it is of each class, in the scored frames."""
    shares_KHW = torch.stack(
        [(classes_BTHW[:, given:] == k).double().mean((0, 1)) for k in range(int(classes_BTHW.max()) + 1)]
    )
    return float(torch.special.entr(shares_KHW).sum())


def parts(samples: Samples, count: int) -> Iterator[Batch]:
    """The first `count` samples of epoch 0 in batches of at most `TOGETHER`."""
    for first in range(0, count, TOGETHER):
        made = [samples.sample(0, k) for k in range(first, min(first + TOGETHER, count))]
        yield {name: torch.stack([each[name] for each in made]) for name in made[0]}


def clips(samples: Samples, count: int) -> Iterator[Tensor]:
    """Their clips, (B, T, 1, H, W) in [0, 1]."""
    return (batch["clip"].float() / 255 for batch in parts(samples, count))


def _entropy(share: float) -> float:
    return -sum(p * math.log(p) for p in (share, 1 - share) if p > 0)


def next_frame() -> Recipe:
    """Two digits in 64x64, an eighth of the printed widths: 70 minutes on a core.

    Twice the width and four motions gave 217.9 nats per frame in 80 minutes where this gives 219.6, in four times the
    bytes.
    """
    return Recipe(
        model="generate/cnn_lstm",
        weights="next-frame",
        config=Config(preset="next-frame", width=8, motions=2),
        task=NextFrame(),
        optimiser=Optimiser(learning_rate=3e-3, betas=(0.9, 0.99), warmup=50, clip=1.0, ema=0.998),
        budget=Budget(minutes=70),
        batch=8,
        validate_on=64,
    )


def digits() -> Recipe:
    """Which digit a clip of 32x32 shows, at a quarter of the printed widths: a quarter of an hour on a core.

    Muon, because AdamW at the same time is one point of accuracy behind.
    """
    return Recipe(
        model="generate/cnn_lstm",
        weights="digits",
        config=Config(preset="document", width=16),
        task=Classify(),
        optimiser=Optimiser("muon", 2e-3, betas=(0.9, 0.99), warmup=50, clip=1.0, ema=0.998),
        budget=Budget(minutes=16),
        batch=32,
        validate_on=1000,
    )


def still() -> Recipe:
    """Which digit a single picture of 32x32 shows, as frames of generated clips are judged: ten minutes on a core."""
    return Recipe(
        model="generate/cnn_lstm",
        weights="still",
        config=Config(preset="document", width=16),
        task=Classify(frames=1),
        optimiser=Optimiser("muon", 2e-3, betas=(0.9, 0.99), warmup=50, clip=1.0, ema=0.998),
        budget=Budget(minutes=10),
        batch=128,
        validate_on=1000,
    )
