"""Recipes of `generate/predictor`: the next ten frames of Moving MNIST, and the same by ConvLSTMs.

Shapes: B clips, T frames, C = 1 channel, H height, W width.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vidwright.data.loader import Batch
from vidwright.data.moving_mnist import MovingMnist, test_set
from vidwright.data.samples import Split
from vidwright.metrics.psnr import Psnr
from vidwright.metrics.ssim import Ssim
from vidwright.models.generate.predictor import Config
from vidwright.train.optimiser import Optimiser
from vidwright.train.recipe import Recipe
from vidwright.train.schedule import Budget
from vidwright.train.task import Evaluation

#: Clips that are judged side by side.
TOGETHER = 16


@dataclass(frozen=True, slots=True)
class NextFrames:
    """Predict the frames of moving digits that follow the `given` first, as many as these.

    `digits` of `digit` pixels move in a square of `size`.
    """

    watch: ClassVar[str] = "mse"
    better: ClassVar[Literal["higher", "lower"]] = "lower"

    digits: int = 2
    size: int = 64
    digit: int = 28
    given: int = 10

    def samples(self, folder: Path, split: Split, seed: int) -> MovingMnist:
        """Clips of the digits of `split`, or the fixed test set: "clip" uint8 (T, 1, H, W), "labels" int64 (D,)."""
        law = {"digits": self.digits, "size": self.size, "digit": self.digit, "frames": 2 * self.given}
        return test_set(folder, **law) if split == "test" else MovingMnist(folder, split, **law, seed=seed)

    def objective(self, net: nn.Module, batch: Batch) -> dict[str, Tensor]:
        """Mean squared error per pixel."""
        given_BTCHW, truth_BTCHW = _halves(batch["clip"])
        return {"mse": F.mse_loss(net(given_BTCHW).float(), truth_BTCHW)}

    @torch.inference_mode()
    def evaluate(self, net: nn.Module, folder: Path, split: Split, seed: int, limit: int | None) -> Evaluation:
        """Errors of predicted frames, and of the last given one in their place; the first clip in pictures.

        As OpenSTL prints them (Tan et al. 2023): predictions are clipped to [0, 1], squared and absolute errors are
        summed over a frame's pixels, and everything is a mean over frames. SSIM has this package's window, and PSNR
        no rounding to code values. `limit` of None takes a thousand clips.
        """
        samples = self.samples(folder, split, seed)
        device = next(net.parameters()).device
        tallies = {"": _Tally(), ".copy_last": _Tally()}
        strip: Tensor | None = None
        for clip_BTCHW in _clips(samples, min(limit or 1000, len(samples))):
            given_BTCHW, truth_BTCHW = _halves(clip_BTCHW)
            made_BTCHW = net(given_BTCHW.to(device)).float().clamp(0, 1).cpu()
            tallies[""].add(made_BTCHW, truth_BTCHW)
            tallies[".copy_last"].add(given_BTCHW[:, -1:].expand_as(truth_BTCHW), truth_BTCHW)
            if strip is None:
                rows = (given_BTCHW, truth_BTCHW, made_BTCHW)
                strip = torch.cat([torch.cat(row[0].unbind(), dim=-1) for row in rows], dim=-2)
        figures = {name + of: value for of, tally in tallies.items() for name, value in tally.result().items()}
        return Evaluation(figures, {} if strip is None else {"prediction": strip})


class _Tally:
    """Errors of frames, added up."""

    def __init__(self) -> None:
        self._frames, self._squares, self._absolutes = 0, 0.0, 0.0
        self._means = {"ssim": Ssim(), "psnr": Psnr()}

    def add(self, made_BTCHW: Tensor, truth_BTCHW: Tensor) -> None:
        error = (made_BTCHW - truth_BTCHW).double()
        self._frames += error.shape[0] * error.shape[1]
        self._squares += float(error.square().sum())
        self._absolutes += float(error.abs().sum())
        for made_CHW, truth_CHW in zip(made_BTCHW.flatten(0, 1), truth_BTCHW.flatten(0, 1), strict=True):
            for mean in self._means.values():
                mean.update(made_CHW, truth_CHW)

    def result(self) -> dict[str, float]:
        sums = {"mse": self._squares / self._frames, "mae": self._absolutes / self._frames}
        return sums | {name: mean.result() for name, mean in self._means.items()}


def _clips(samples: MovingMnist, count: int) -> Iterator[Tensor]:
    """The first `count` clips of epoch 0, uint8 (B, T, 1, H, W)."""
    for first in range(0, count, TOGETHER):
        yield torch.stack([samples.sample(0, k)["clip"] for k in range(first, min(first + TOGETHER, count))])


def _halves(clip_BTCHW: Tensor) -> tuple[Tensor, Tensor]:
    """The given frames of a clip and those to be predicted, in [0, 1]."""
    given_BTCHW, truth_BTCHW = (clip_BTCHW.float() / 255).chunk(2, dim=1)
    return given_BTCHW, truth_BTCHW


def digits64() -> Recipe:
    """Two digits in 64x64, ten frames after ten: half an hour on a core."""
    return _recipe("digits64", Config(width=12, channels=96))


def convlstm64() -> Recipe:
    """The same by ConvLSTMs of about as many parameters, to compare with after the same minutes."""
    return _recipe("convlstm64", Config(kind="convlstm", channels=40, depth=3))


def _recipe(weights: str, config: Config) -> Recipe:
    return Recipe(
        model="generate/predictor",
        weights=weights,
        config=config,
        task=NextFrames(),
        optimiser=Optimiser("muon", 4e-3, betas=(0.9, 0.99), warmup=50, clip=1.0, ema=0.998),
        budget=Budget(minutes=30),
        batch=8,
        validate_on=64,
    )
