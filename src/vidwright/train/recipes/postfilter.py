"""Recipes of `compress/postfilter`: from clips, and what encoders leave of them at all rates.

Shapes: B batch, T = 2r + 1 frames, P = 6 phases of 4:2:0, H height and W width of chroma.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn

from vidwright.data.decoded import BITS, Copy, Decoded, coded
from vidwright.data.loader import Batch
from vidwright.data.samples import Split
from vidwright.data.seeding import generator
from vidwright.models.compress.postfilter import Config, Net
from vidwright.nn.phases import planes
from vidwright.train.excerpts import judged
from vidwright.train.optimiser import Optimiser
from vidwright.train.recipe import Recipe
from vidwright.train.schedule import Budget
from vidwright.train.task import Evaluation

#: What is added to a copy's mean squared error before others are divided by it, so that lossless ones do not count.
LEAST_ERROR = 0.05
#: What it is judged by: each codec at a good and at a low rate.
JUDGED = (("av1", 34), ("av1", 50), ("hevc", 28), ("hevc", 37), ("h264", 27), ("h264", 36))
#: Code values of 8 bits to those of the samples.
STEP = 2.0 ** (BITS - 8)


@dataclass(frozen=True, slots=True)
class Filtering:
    """Bring decoded frames nearer to what was encoded, whatever the codec and the rate.

    `patch` is the side of the crops in positions of chroma. The loss is the squared error that is left as a part of its
    copy's, of luma and with `chroma_weight` of both chroma planes: each copy counts alike, and of a copy each place by
    its error, as they do in PSNR. Validated by the mean gain in dB of luma.
    """

    watch: ClassVar[str] = "gain"
    better: ClassVar[Literal["higher", "lower"]] = "higher"

    radius: int = 1
    patch: int = 64
    codecs: tuple[str, ...] = ("av1", "hevc", "h264")
    chroma_weight: float = 0.2

    def __post_init__(self) -> None:
        if self.radius < 0 or self.patch < 8 or not self.codecs:
            raise ValueError("radius must be at least 0, patch at least 8, and there must be a codec")

    def samples(self, folder: Path, split: Split, seed: int) -> Decoded:
        """Windows of the folder's clips, encoded at many rates."""
        return Decoded(folder, split, radius=self.radius, patch=self.patch, codecs=self.codecs, seed=seed)

    def objective(self, net: nn.Module, batch: Batch) -> dict[str, Tensor]:
        """What is left of the squared error, as a part of what was there."""
        seen_BTPHW, truth_BPHW = batch["seen"].float() / STEP, batch["truth"].float() / STEP
        made_BPHW = seen_BTPHW[:, self.radius] + net(seen_BTPHW, batch["codec"], batch["octaves"])
        error_BP = (made_BPHW - truth_BPHW).square().mean(dim=(-2, -1))
        before_BP = batch["error"] + LEAST_ERROR
        luma_B, u_B, v_B = error_BP[:, :4].mean(dim=1), error_BP[:, 4], error_BP[:, 5]
        chroma_B = u_B / before_BP[:, 1] + v_B / before_BP[:, 2]
        return {"luma": (luma_B / before_BP[:, 0]).mean(), "chroma": self.chroma_weight * chroma_B.mean()}

    @torch.no_grad()
    def evaluate(self, net: nn.Module, folder: Path, split: Split, seed: int, limit: int | None) -> Evaluation:
        """Gains in dB, mean over clips: "gain" of luma over all codecs, and of each plane by codec."""
        assert isinstance(net, Net)
        found: dict[str, list[float]] = {}
        pictures: dict[str, Tensor] = {}
        for shot in judged(folder, split, limit):
            for number, (codec, crf) in enumerate(JUDGED):
                if codec not in self.codecs:
                    continue
                copy = Copy(number, shot, 1.0, codec, crf)
                truth_TPHW, seen_TPHW = (side.float() / STEP for side in coded(copy, generator(seed, number)))
                made_TPHW = filtered(net, seen_TPHW, codec, copy.octaves)
                for name, part in (("y", slice(0, 4)), ("u", slice(4, 5)), ("v", slice(5, 6))):
                    sides = [each[:, part] for each in (seen_TPHW, made_TPHW)]
                    before, after = (_psnr(side, truth_TPHW[:, part]) for side in sides)
                    found.setdefault(f"{name}.{codec}", []).append(after - before)
                if number == 1:
                    shown = [_luma(side_TPHW[0]) for side_TPHW in (seen_TPHW, made_TPHW, truth_TPHW)]
                    pictures[shot.file.stem] = torch.cat(shown, dim=-1)[None].clamp(0, 255) / 255
        means = {name: math.fsum(values) / len(values) for name, values in sorted(found.items())}
        luma = [value for name, value in means.items() if name.startswith("y.")]
        return Evaluation({"gain": math.fsum(luma) / len(luma), **means}, pictures)


def filtered(net: Net, seen_TPHW: Tensor, codec: str, octaves: float) -> Tensor:
    """A clip, (T, 6, H, W) code values of 8 bits, after the filter."""
    r, device = net.config.radius, next(net.parameters()).device
    codec_B = torch.tensor([net.config.codecs.index(codec)], device=device)
    octaves_B = torch.tensor([octaves], device=device)
    made: list[Tensor] = []
    for n in range(len(seen_TPHW)):
        near = (n + torch.arange(-r, r + 1)).clamp(0, len(seen_TPHW) - 1)
        residual_BPHW = net(seen_TPHW[near][None].to(device), codec_B, octaves_B)
        made.append(seen_TPHW[n] + residual_BPHW[0].cpu())
    return torch.stack(made)


def _luma(x_PHW: Tensor) -> Tensor:
    height, width = x_PHW.shape[-2:]
    return planes(x_PHW, (2 * height, 2 * width))[0]


def _psnr(output: Tensor, target: Tensor) -> float:
    return 10 * math.log10(255**2 / max(float((output - target).square().mean()), 1e-4))


def fidelity() -> Recipe:
    """Nearest to the source by its squared error: two hours on one core."""
    return Recipe(
        model="compress/postfilter",
        weights="fidelity",
        config=Config(radius=1, widths=(16, 32, 64), depth=1),
        task=Filtering(),
        optimiser=Optimiser(kind="muon", learning_rate=4e-3, warmup=100, clip=1.0, ema=0.999),
        budget=Budget(minutes=120),
        batch=16,
        validations=4,
        validate_on=6,
    )
