"""What a clip teaches an interpolator of itself: each of its frames lies between two others.

    frames t - 1, t + 1 --network at 1/2--> frame t        and over longer gaps, at other times between

The clip's own frames are the truth, at half of its rate: Reda et al. 2019 ("Unsupervised video interpolation using
cycle consistency") learn from that and from its cycle. At work the network is shown neighbours, which are half as far
apart; where the clip is enlarged by two before that, they are as many pixels apart as the frames that it learned from.

Shapes: B batch, T frames of a piece, C channels, H height, W width.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import ClassVar

import torch
from torch import Tensor, nn

from vidwright.data import augment
from vidwright.data.loader import Batch
from vidwright.data.seeding import integer
from vidwright.metrics.psnr import mean_psnr, psnr
from vidwright.nn.model import InterpolationModel
from vidwright.train.adapt import MARGIN, OPTIMISER, divided
from vidwright.train.interpolation import rebuilt
from vidwright.train.losses import log_mse
from vidwright.train.optimiser import Optimiser

#: Samples in a batch, and the side of their crops.
SAMPLES, PATCH = 4, 128

#: How many frames apart the two are, and how often, as far as pieces are long enough.
GAPS = ((2, 0.7), (3, 0.15), (4, 0.15))

#: Of so many random places and moments the one is taken at which most changes.
PLACES = 3


class BetweenFrames:
    """A lesson for an interpolator of a clip's pieces, uint8 (T, 3, H, W) each.

    Raises `ValueError` for fewer than two pieces of three frames, and where nothing moves.
    """

    optimiser: ClassVar[Optimiser] = replace(OPTIMISER, learning_rate=2e-4)
    judged: ClassVar[str] = "made from those before and after"
    margin: ClassVar[float] = MARGIN

    def __init__(self, net: InterpolationModel, pieces: Sequence[Tensor]) -> None:
        self._learned, self._held = divided([piece_TCHW for piece_TCHW in pieces if len(piece_TCHW) >= 3])
        if all(torch.equal(piece_TCHW[2:], piece_TCHW[:-2]) for piece_TCHW in (*self._learned, *self._held)):
            raise ValueError("nothing moves")

    def learning(self, net: nn.Module) -> list[nn.Parameter]:
        """All parameters."""
        return list(net.parameters())

    def batch(self, random: torch.Generator) -> Batch:
        """Crops: "pair" uint8 (B, 2, 3, H, W), "middle" uint8 (B, 3, H, W), and "time" (B,), where that lies."""
        samples = [self._sample(random) for _ in range(SAMPLES)]
        crops = torch.stack([crop_TCHW for crop_TCHW, _ in samples])
        return {"pair": crops[:, ::2], "middle": crops[:, 1], "time": torch.tensor([time for _, time in samples])}

    def objective(self, net: nn.Module, batch: Batch) -> dict[str, Tensor]:
        """Each crop's error in decibels, as in training."""
        made_BCHW = net(batch["pair"].float() / 255, batch["time"])
        return {"log_mse": log_mse(made_BCHW, batch["middle"].float() / 255)}

    def quality(self, net: nn.Module) -> float:
        """Mean PSNR in dB of held-out frames made from the one before and the one after."""
        assert isinstance(net, InterpolationModel)
        values: list[float] = []
        for piece_TCHW in self._held:
            for every_TCHW in (piece_TCHW, piece_TCHW[1:]):
                odd_TCHW = every_TCHW[: (len(every_TCHW) - 1) // 2 * 2 + 1]
                if len(odd_TCHW) >= 3:
                    made_TCHW = rebuilt(net.between, odd_TCHW)
                    values += [psnr(*both, peak=255.0) for both in zip(made_TCHW, odd_TCHW[1::2], strict=True)]
        return mean_psnr(values)

    def _sample(self, random: torch.Generator) -> tuple[Tensor, float]:
        """Two frames with one of those between them in the middle, (3, 3, H, W), and its time from 0 to 1."""
        longest = max(len(piece_TCHW) for piece_TCHW in self._learned) - 1
        chances = torch.tensor([often * (gap <= longest) for gap, often in GAPS])
        gap = GAPS[int(torch.multinomial(chances, 1, generator=random))][0]
        between = 1 + integer(gap - 1, random)
        places = [self._place(gap, random) for _ in range(PLACES)]
        clip = max(places, key=lambda place: float((place[0].float() - place[-1].float()).abs().mean()))
        clip = augment.flip(augment.reverse(clip, random), random)
        if clip.shape[-1] == clip.shape[-2]:
            clip = augment.transpose(clip, random)
        return clip[[0, between, gap]], between / gap

    def _place(self, gap: int, random: torch.Generator) -> Tensor:
        """(gap + 1, 3, H, W) from anywhere in what is learned from."""
        long = [piece_TCHW for piece_TCHW in self._learned if len(piece_TCHW) > gap]
        clip = augment.excerpt(long[integer(len(long), random)], gap + 1, random)
        height, width = (min(PATCH, side) for side in clip.shape[-2:])
        return augment.crop(clip, (height, width), random)
