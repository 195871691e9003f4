"""How well a cleaner takes away what was added, for each kind of damage.

The excerpts of `train/excerpts.py` are damaged, rounded to 8 bits and cleaned by the model, which sees those frames and
nothing else. Mean over frames, then over shots, of PSNR: of R'G'B' where noise was added, of BT.601 studio luma where a
codec was at work; no border is cut. Noise is numpy's, so that figures measured elsewhere can be had again.

Shapes: T frames, C channels, H height, W width.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn

from vidwright.data.degrade import to_bytes
from vidwright.io.roundtrip import roundtrip
from vidwright.metrics.psnr import mean_psnr, psnr, psnr_y
from vidwright.nn.model import FrameModel
from vidwright.train.excerpts import as_bytes, as_frames

Damage = Callable[[Tensor], Tensor]

#: Seed of the noise, the same for every clip and every strength.
NOISE_SEED = 1234


def white(sigma: float) -> Damage:
    """Gaussian noise of `sigma` code values, the same for a size whatever the clip."""

    def damage(x_TCHW: Tensor) -> Tensor:
        frames, channels, height, width = x_TCHW.shape
        z_THWC = np.random.default_rng(NOISE_SEED).standard_normal((frames, height, width, channels))
        return to_bytes(x_TCHW + sigma * torch.from_numpy(z_THWC).permute(0, 3, 1, 2))

    return damage


#: Kinds of damage, from the one of papers to those of users' files; the last is one that nobody sees.
DAMAGES: dict[str, Damage] = {
    "sigma25": white(25),
    "sigma10": white(10),
    "crf37": lambda x_TCHW: roundtrip(x_TCHW, "h264", 37),
    "crf15": lambda x_TCHW: roundtrip(x_TCHW, "h264", 15),
}
#: Of these luma is compared.
CODED = ("crf37", "crf15")
#: Of these a cleaner is asked to take nothing away: what counts is that it does no harm.
UNSEEN = ("crf15",)


def cleaned(model: nn.Module, damaged_TCHW: Tensor) -> Tensor:
    """What a model makes of uint8 frames, as uint8 frames."""
    assert isinstance(model, FrameModel)
    return as_bytes(model.stream(as_frames(damaged_TCHW)))


def quality(damage: str, output_TCHW: Tensor, target_TCHW: Tensor) -> float:
    """Mean PSNR in dB of uint8 frames, of what is compared after this kind of `damage`."""
    pairs = zip(output_TCHW, target_TCHW, strict=True)
    if damage in CODED:
        return mean_psnr(psnr_y(output, target, border=0) for output, target in pairs)
    return mean_psnr(psnr(output, target, peak=255.0) for output, target in pairs)
