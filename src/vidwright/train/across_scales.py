"""What a clip teaches an upscaler of itself, when nobody has the larger clip.

    frames --shrunk--> network --> the frames themselves         across scales: details recur, larger and smaller
    frames ----------> network --shrunk--> the frames again      back: what was shrunk is known to the last bit

Across scales a clip's own frames are the truth for what is left of them after shrinking: Shocher et al. 2018 (ZSSR).
Alone that taught networks which know much already nothing of the larger scale. The way back (Irani and Peleg 1991,
iterative back-projection) is at the right scale, but alone it leaves open all that shrinking takes away, and fills it
with nonsense within a hundred steps. Both together gained 0.6 dB on a clip where back-projection itself would have
gained 0.4; but over thousands of steps they too filled what is open with a pattern like a chessboard, 9 dB below what
the network made before. So what it made before counts as a weak guess of the truth, which decides where nothing else
does. The gain across scales, which alone can be seen without the truth, says little of how large the other is: on four
clips it was 1.5, 1.2, 0.3 and 0.3 dB, and the gain that counts 0.48, 0.40, 0.43 and -0.01.

Both need to know how the clip was shrunk, and learning it wrongly does harm: clips read as half coded lost 0.7 dB, and
those read as half of one kind and a third of another 1.3, while they won at the smaller scale. So the network has to
read its input, and has to be sure; then each way that is likely at all counts by its chance.

Shapes: B batch, T frames of a window or a piece, C channels, H height, W width; s scale.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from typing import ClassVar

import torch
from torch import Tensor, nn

from vidwright.data import degrade
from vidwright.data.loader import Batch
from vidwright.data.seeding import integer
from vidwright.metrics.psnr import mean_psnr, psnr_y
from vidwright.models.enhance import restorer
from vidwright.nn.model import FrameModel
from vidwright.train.adapt import MARGIN, OPTIMISER, divided
from vidwright.train.losses import luma
from vidwright.train.optimiser import Optimiser

#: The ways of shrinking that can be repeated exactly, by the names that networks read.
WAYS: Mapping[str, Callable[[Tensor, int], Tensor]] = {
    "bicubic": degrade.bicubic,
    "cubic": degrade.cubic,
    "area": degrade.area,
    "lanczos": degrade.lanczos,
}

#: Samples of each kind in a batch, the side of their crops in the network's input, and the least side that teaches.
SAMPLES, PATCH, LEAST = 6, 28, 12

#: How much more the scales count than the way back, which else runs ahead of them.
ACROSS = 4.0

#: How much what the network made before counts beside the way back. With none of it a clip that gained 0.11 dB in 240
#: steps lost 1.12 in 3,000; with this it gained 0.20 and 0.11, and others gained no less than without.
STAY = 0.1

#: Pixels at the border of a crop that are shrunk from what is not there.
BORDER = 4

#: A clip teaches only from this chance on of the likeliest way, which must be so many times the next kind's.
SURE, AHEAD = 0.5, 2.0
#: A way less likely than this is not worth its time.
UNLIKELY = 0.02

#: PSNR in dB, an error of one code value, above which a frame is not judged to be better: a page of text rose from 57
#: to 62 and lost 0.9 at the larger scale.
UNSEEN = 48.0

#: Mean squared error of rounding to 8 bits: what is nearer than that is as near as can be.
ROUNDING = 1 / 12 / 255**2


class AcrossScales:
    """A lesson for `net` of a clip's pieces, uint8 (T, 3, H, W) each.

    `ways` is how likely the clip was shrunk in each of `WAYS`. Raises `ValueError` for fewer than two pieces, pictures
    too small to be shrunk, and as `read` does.
    """

    optimiser: ClassVar[Optimiser] = OPTIMISER
    judged: ClassVar[str] = "shrunk and enlarged again"
    margin: ClassVar[float] = MARGIN

    def __init__(self, net: FrameModel, pieces: Sequence[Tensor]) -> None:
        self._scale, self._needs = net.needs.scale, net.needs
        self._plain = deepcopy(net).requires_grad_(False)
        even = [_whole(piece_TCHW, self._scale) for piece_TCHW in pieces]
        self._learned, self._held = divided(even)
        if min(min(piece_TCHW.shape[-2:]) for piece_TCHW in even) < LEAST * self._scale:
            raise ValueError(f"pictures have fewer than {LEAST * self._scale} rows or columns")
        self.ways = read(net, self._learned)
        self._certain = sum(self.ways.values())
        self._shrunk = {
            way: [degrade.shrink(piece_TCHW, self._scale, WAYS[way]) for piece_TCHW in self._learned]
            for way in self.ways
        }

    def learning(self, net: nn.Module) -> list[nn.Parameter]:
        """All parameters but those of the reading, which both scales rely on."""
        return [p for name, p in net.named_parameters() if not name.startswith("reader.")]

    def batch(self, random: torch.Generator) -> Batch:
        """Windows of shrunk frames as "small" with the "truth" of their middle, and windows of frames as "low"."""
        chances = torch.tensor(list(self.ways.values()))
        way = list(self.ways)[int(torch.multinomial(chances, 1, generator=random))]
        pairs = [self._crop(self._shrunk[way], self._learned, random) for _ in range(SAMPLES)]
        windows = [self._crop(self._learned, None, random)[0] for _ in range(SAMPLES)]
        small, truth = ([pair[side] for pair in pairs] for side in (0, 1))
        return {"small": torch.stack(small), "truth": torch.stack(truth), "low": torch.stack(windows)}

    def objective(self, net: nn.Module, batch: Batch) -> dict[str, Tensor]:
        """Logarithms of mean squared errors, of R'G'B' and luma: "across" the scales, and on the way "back"."""
        across = _error(net(batch["small"].float() / 255), batch["truth"].float() / 255)
        low_BTCHW = batch["low"].float() / 255
        middle_BCHW, large_BCHW = low_BTCHW[:, self._needs.warmup], net(low_BTCHW)
        back = self._back(large_BCHW, middle_BCHW) + STAY * _error(large_BCHW, self._plain(low_BTCHW))
        return {"across": ACROSS * (across + ROUNDING).log(), "back": self._certain * (back + ROUNDING).log()}

    def _back(self, large_BCHW: Tensor, small_BCHW: Tensor) -> Tensor:
        """How far pictures are, shrunk in each way by its chance, from those that they were made of."""
        inner = (..., slice(BORDER, -BORDER), slice(BORDER, -BORDER))
        back = large_BCHW.new_zeros(())
        for way, chance in self.ways.items():
            again_BCHW = WAYS[way](large_BCHW, self._scale)
            back = back + chance / self._certain * _error(again_BCHW[inner], small_BCHW[inner])
        return back

    @torch.inference_mode()
    def quality(self, net: nn.Module) -> float:
        """Mean PSNR-Y in dB of held-out frames made from what is left of them after the likeliest way of shrinking."""
        way, device = max(self.ways, key=self.ways.__getitem__), next(net.parameters()).device
        values: list[float] = []
        for piece_TCHW in self._held:
            small_TCHW = degrade.shrink(piece_TCHW, self._scale, WAYS[way])
            for number, truth_CHW in enumerate(piece_TCHW):
                window_BTCHW = self._window(small_TCHW, number)[None].float() / 255
                made_CHW = net(window_BTCHW.to(device))[0].cpu()
                values.append(min(psnr_y(degrade.to_bytes(made_CHW * 255), truth_CHW), UNSEEN))
        return mean_psnr(values)

    def _window(self, piece_TCHW: Tensor, number: int) -> Tensor:
        """The frames that the network looks at for frame `number`; at the ends the nearest stands in."""
        around = torch.arange(number - self._needs.warmup, number + self._needs.lookahead + 1)
        return piece_TCHW[around.clamp(0, len(piece_TCHW) - 1)]

    def _crop(
        self, inputs: Sequence[Tensor], truths: Sequence[Tensor] | None, random: torch.Generator
    ) -> tuple[Tensor, Tensor]:
        """A crop of a window of `inputs` and of its middle frame in `truths`, mirrored and turned at random alike."""
        piece, s = integer(len(inputs), random), self._scale
        number = integer(len(inputs[piece]), random)
        window = self._window(inputs[piece], number)
        height, width = (min(PATCH, side) for side in window.shape[-2:])
        y, x = (integer(side - part + 1, random) for side, part in zip(window.shape[-2:], (height, width), strict=True))
        window = window[..., y : y + height, x : x + width]
        truth = window[self._needs.warmup] if truths is None else truths[piece][number]
        if truths is not None:
            truth = truth[..., s * y : s * (y + height), s * x : s * (x + width)]
        flips = [dim for dim in (-1, -2) if integer(2, random)]
        window, truth = window.flip(flips), truth.flip(flips)
        return (window.mT, truth.mT) if height == width and integer(2, random) else (window, truth)


@torch.inference_mode()
def read(net: nn.Module, pieces: Sequence[Tensor]) -> dict[str, float]:
    """How likely pieces, uint8 (T, 3, H, W), were shrunk in each of `WAYS`, as far as that is likely at all.

    Raises `ValueError` where the network does not read it, is not sure of one of them, or finds that impossible for a
    piece: camera footage lost 5.5 dB by what was read from a page of text beside it.
    """
    if not isinstance(net, restorer.Net) or not set(WAYS) & set(net.config.kinds):
        raise ValueError("the network does not read how its input was made")
    device = next(net.parameters()).device
    logits = [net.reader(net.features(piece_TCHW.to(device).float() / 255)) for piece_TCHW in pieces]
    chances = dict(zip(net.config.kinds, torch.cat(logits).mean(0).softmax(-1).tolist(), strict=True))
    (kind, most), *others = sorted(chances.items(), key=lambda each: -each[1])
    if kind not in WAYS or most < SURE or (others and most < AHEAD * others[0][1]):
        raise ValueError(f"it cannot be told how it was shrunk: at best {kind}, by a chance of {most:.0%}")
    if min(float(logits_BK.mean(0).softmax(-1)[net.config.kinds.index(kind)]) for logits_BK in logits) < UNLIKELY:
        raise ValueError(f"not all of it can have been shrunk in one way, which would be {kind}")
    return {kind: chance for kind, chance in chances.items() if kind in WAYS and chance >= UNLIKELY}


def _whole(piece_TCHW: Tensor, scale: int) -> Tensor:
    """Without the rows and columns that a picture shrunk by `scale` has no pixel for."""
    height, width = (side // scale * scale for side in piece_TCHW.shape[-2:])
    return piece_TCHW[..., :height, :width]


def _error(output_BCHW: Tensor, target_BCHW: Tensor) -> Tensor:
    difference_BCHW = output_BCHW.float() - target_BCHW
    luma_BHW = luma(difference_BCHW)
    return difference_BCHW.square().mean() + luma_BHW.square().mean()
