"""What a clip teaches a completion network of itself: what its own known pixels look like behind a hole.

    frames t - s, t, t + s --aligned--> one more hole, where they are known --pre-filled--> network --> what is in it
                     |                                                                                        |
                     '--------------------------------- frame t, there <--------- error in decibels ----------'

Zhang et al. 2019 ("An internal learning approach to video inpainting") learn from nothing else; here a network that
knows others already learns on, from what lies around the clip's own hole, as that belongs into it. Nothing is learned
from pixels that the clip does not know, not even from what they were pre-filled with.

It wins little. In 80 to 180 steps holes in held-out pieces of two clips gained 0.16 to 0.30 dB, and what the clip's own
hole really hid between -0.22 and +0.06: what is won around a hole says little of what is in it.

Shapes: B batch, T frames, C channels, H height, W width.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from torch import Tensor, nn

from vidwright.data import augment
from vidwright.data.degrade import to_bytes
from vidwright.data.holed import hidden, random_hole
from vidwright.data.holes import KINDS
from vidwright.data.loader import Batch
from vidwright.data.seeding import generator, integer
from vidwright.models.edit import completion
from vidwright.train.adapt import OPTIMISER, divided
from vidwright.train.completing import losses, psnr_inside
from vidwright.train.optimiser import Optimiser
from vidwright.vision.align import aligned, cameras

#: Samples in a batch, the side of their crops, and the least side of a picture that teaches.
SAMPLES, PATCH, LEAST = 6, 128, 48

#: How many frames apart the three are, as far as pieces are long enough.
SPACINGS = (1, 3)

#: Of a crop so much has to be known, and of a hole in it so much, or another one is drawn; so often, then none is.
KNOWN, TRIES = 0.5, 12

#: Decibels that count as won around the clip's hole: less of that was nothing, or harm, in what the hole hid.
SURE = 0.5

#: Crops of each held-out moment that are judged.
JUDGED = 3


@dataclass(frozen=True, slots=True)
class Moment:
    """Three frames, uint8 (3, 3, H, W), laid over the middle one, and where they are unknown, bool (3, 1, H, W)."""

    clear: Tensor
    unknown: Tensor


class WithinClip:
    """A lesson for a completion network of pieces of a clip, uint8 (T, 4, H, W): R'G'B', and 0 where it is known.

    Raises `ValueError` for another network, for fewer than two pieces of three frames, and where too little is known.
    """

    optimiser: ClassVar[Optimiser] = replace(OPTIMISER, learning_rate=5e-4)
    judged: ClassVar[str] = "in holes where they are known"
    margin: ClassVar[float] = SURE

    def __init__(self, net: nn.Module, pieces: Sequence[Tensor]) -> None:
        if not isinstance(net, completion.Net):
            raise ValueError("the network does not complete pictures")
        learned, held = divided([piece for piece in pieces if len(piece) >= 3])
        if min(learned[0].shape[-2:]) < LEAST:
            raise ValueError(f"it has fewer than {LEAST} rows or columns")
        self._learned = [moment for piece in learned for moment in moments(piece)]
        self._held = [
            self._sample(moment, generator(number, part))
            for number, moment in enumerate(moment for piece in held for moment in moments(piece))
            for part in range(JUDGED)
        ]
        tried = [self._sample(moment, generator(number)) for number, moment in enumerate(self._learned)]
        if not any(self._held) or not any(tried):
            raise ValueError("too little of it is known")

    def learning(self, net: nn.Module) -> list[nn.Parameter]:
        """All parameters."""
        return list(net.parameters())

    def batch(self, random: torch.Generator) -> Batch:
        """Crops: "seen" uint8 (B, 3, 3, H, W), "unknown" bool (B, 3, 1, H, W), and of the middle frames "truth" uint8
        (B, 3, H, W) and where it is hidden and known, "counted" bool (B, 1, H, W).
        """
        samples: list[Batch] = []
        while len(samples) < SAMPLES:
            sample = self._sample(self._learned[integer(len(self._learned), random)], random)
            samples += [sample] if sample else []
        return {name: torch.stack([sample[name] for sample in samples]) for name in samples[0]}

    def objective(self, net: nn.Module, batch: Batch) -> dict[str, Tensor]:
        """Each hole's error in decibels and that of its edges, as in training."""
        made_BCHW = net(batch["seen"].float() / 255, batch["unknown"])
        return losses(made_BCHW, batch["truth"].float() / 255, batch["counted"])

    @torch.inference_mode()
    def quality(self, net: nn.Module) -> float:
        """Mean PSNR in dB of R'G'B' in holes of held-out pieces."""
        device = next(net.parameters()).device
        values: list[float] = []
        for sample in filter(None, self._held):
            made_BCHW = net(sample["seen"][None].to(device).float() / 255, sample["unknown"][None].to(device))
            values.append(psnr_inside(to_bytes(255 * made_BCHW[0].cpu()), sample["truth"], sample["counted"]))
        return math.fsum(values) / len(values)

    def _sample(self, moment: Moment, random: torch.Generator) -> Batch:
        """A crop with a hole in what is known of it, turned at random; empty where none is found."""
        size = (min(PATCH, moment.clear.shape[-2]), min(PATCH, moment.clear.shape[-1]))
        both = torch.cat([moment.clear.flatten(0, 1), moment.unknown[:, 0].to(torch.uint8)])
        for _ in range(TRIES):
            top, left = corner(moment.unknown[1, 0], size, random)
            crop = augment.flip(both[:, top : top + size[0], left : left + size[1]], random)
            clear_TCHW, own_T1HW = crop[:9].unflatten(0, (3, 3)), crop[9:, None].bool()
            hole_T1HW = random_hole(KINDS[integer(len(KINDS), random)], size, random)
            counted_1HW = hole_T1HW[1] & ~own_T1HW[1]
            if (~own_T1HW[1]).float().mean() >= KNOWN and counted_1HW.sum() >= KNOWN * hole_T1HW[1].sum():
                unknown_T1HW = hole_T1HW | own_T1HW
                seen_TCHW = hidden(clear_TCHW, unknown_T1HW)
                return {"seen": seen_TCHW, "unknown": unknown_T1HW, "truth": clear_TCHW[1], "counted": counted_1HW}
        return {}


def corner(unknown_HW: Tensor, size: tuple[int, int], random: torch.Generator) -> tuple[int, int]:
    """Row and column where a window of `size` begins: with some unknown pixel in it, or anywhere if all are known."""
    places = unknown_HW.nonzero() if unknown_HW.any() else torch.ones_like(unknown_HW).nonzero()
    place = places[integer(len(places), random)].tolist()
    top, left = (
        min(max(at - integer(side, random), 0), whole - side)
        for at, side, whole in zip(place, size, unknown_HW.shape, strict=True)
    )
    return top, left


def moments(piece_TCHW: Tensor) -> list[Moment]:
    """Three frames around the middle of a piece, near one another and farther apart."""
    frames_TCHW, unknown_THW = piece_TCHW[:, :3], piece_TCHW[:, 3] > 0
    middle, (height, width) = len(frames_TCHW) // 2, frames_TCHW.shape[-2:]
    furthest = min(middle, len(frames_TCHW) - 1 - middle)
    found: list[Moment] = []
    for spacing in {min(spacing, furthest) for spacing in SPACINGS}:
        near = slice(middle - spacing, middle + spacing + 1, spacing)
        unknown_T1HW = unknown_THW[near, None]
        filled_TCHW = hidden(frames_TCHW[near], unknown_T1HW)  # else it would be followed what the hole hides
        cameras_T33 = cameras(filled_TCHW, ~unknown_T1HW)
        clear_TCHW, inside_T1HW = aligned(filled_TCHW, cameras_T33, (height, width))
        moved_TCHW, _ = aligned(255 * unknown_T1HW.expand(-1, 3, -1, -1).to(torch.uint8), cameras_T33, (height, width))
        found.append(Moment(clear_TCHW, ~inside_T1HW | (moved_TCHW[:, :1] > 0)))
    return found
